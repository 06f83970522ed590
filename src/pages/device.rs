//! `/device`: a person types the code that a device shows, sees which app on which device asks for what, and decides
//! (RFC 8628 §3.3).
//!
//! Nothing is decided by a visit: programs that preview links make visits, too. The code goes from the first form to
//! the second, and each look-up counts as a guess until it has found something.

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use chrono::TimeDelta;
use serde::Deserialize;

use crate::accounts::throttle;
use crate::accounts::throttle::Subject;
use crate::app::App;
use crate::audit::act::Actor;
use crate::base::network::subscriber;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::gate::csrf::Csrf;
use crate::gate::provenance::Provenance;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::grants::device;
use crate::grants::device::DeviceRequest;
use crate::grants::grant;
use crate::grants::grant::Authentication;
use crate::grants::grant::NewGrant;
use crate::grants::user_code::UserCode;
use crate::organizations::member;
use crate::organizations::organization::Organization;
use crate::pages::consent;
use crate::pages::consent::Asked;
use crate::pages::consent::Question;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Field;
use crate::pages::parts::Moment;
use crate::pages::words;
use crate::scopes::Scopes;

const PATH: &str = "/device";

#[derive(Template)]
#[template(path = "pages/device/code.html")]
pub struct EnterCode {
    csrf: String,
    email: String,
    code: Field,
    /// The code stood in the address.
    is_from_link: bool,
}

#[derive(Template)]
#[template(path = "pages/device/consent.html")]
pub struct DeviceConsent {
    asked: Question,
    user_code: String,
    since: Moment,
    /// From where the device asked.
    address: Option<String>,
    /// That is not where the person is.
    is_elsewhere: bool,
    /// Which program it says it is.
    agent: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/device/done.html")]
pub struct Done {
    app: String,
    is_allowed: bool,
}

#[derive(Deserialize)]
pub struct Visit {
    /// RFC 8628 §3.3.1.
    #[serde(default)]
    user_code: String,
}

pub async fn get(
    State(app): State<App>,
    signed_in: SignedIn,
    csrf: Csrf,
    Query(visit): Query<Visit>,
) -> Response {
    let code = UserCode::read(&visit.user_code);
    if signed_in.organizations.is_empty() {
        return homeless(code.as_ref()).into_response();
    }
    let shown = Field::new(code.as_ref().map(ToString::to_string).unwrap_or_default());
    enter_code(&app, &csrf, &signed_in, shown, code.is_some()).into_response()
}

/// The code, or with it the decision.
pub async fn post(
    State(app): State<App>,
    signed_in: SignedIn,
    csrf: Csrf,
    provenance: Provenance,
    posted: Form,
) -> Result<Response, PageError> {
    let typed = posted.one("user_code")?;
    let code = UserCode::read(typed);
    if signed_in.organizations.is_empty() {
        return Ok(homeless(code.as_ref()).into_response());
    }
    let found = match code {
        Some(code) => look_up(&app, &signed_in, &provenance, code).await?,
        None => Found::Nothing,
    };
    let waiting = match found {
        Found::Waiting(waiting) => *waiting,
        Found::Nothing => {
            let problem = "No device waits with this code. If you have just decided on it, go back to your device. \
                           Otherwise compare it with the one that the device shows, or have a new one shown: a code \
                           holds for ten minutes."
                .to_owned();
            let field = Field { value: typed.chars().take(40).collect(), problem: Some(problem) };
            let page = enter_code(&app, &csrf, &signed_in, field, false);
            return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
        }
        Found::TooMany(wait) => return Err(PageError::too_many_attempts(wait)),
    };
    let decision = Decision { app: &app, signed_in, provenance, waiting };
    match posted.one("decision")? {
        "" => decision.ask(&csrf).await,
        "approve" => decision.approve(&posted).await,
        "deny" => decision.refuse().await,
        _ => Err(PageError::bad_request("The form holds a decision that is neither yes nor no.")),
    }
}

fn path_with(code: Option<&UserCode>) -> String {
    code.map_or_else(|| PATH.to_owned(), |code| format!("{PATH}?user_code={code}"))
}

/// Somebody who belongs to no organization has nothing to give access to.
fn homeless(code: Option<&UserCode>) -> Redirect {
    Redirect::to(&session::new_organization_url(&path_with(code)))
}

fn enter_code(
    app: &App,
    csrf: &Csrf,
    signed_in: &SignedIn,
    code: Field,
    is_from_link: bool,
) -> Page<EnterCode> {
    let page = EnterCode { csrf: csrf.token(), email: signed_in.user.email.clone(), code, is_from_link };
    Page::with_form(page, csrf, app)
}

/// A device that waits, and whose it is.
struct Waiting {
    code: UserCode,
    request: DeviceRequest,
    client: Client,
}

enum Found {
    Waiting(Box<Waiting>),
    /// Whether the code is wrong, old or used up is not told: whoever guesses learns nothing.
    Nothing,
    TooMany(TimeDelta),
}

async fn look_up(
    app: &App,
    signed_in: &SignedIn,
    provenance: &Provenance,
    code: UserCode,
) -> Result<Found, PageError> {
    let now = provenance.at;
    let guessers = [Subject::UserCode(signed_in.user.id), Subject::UserCodeFrom(provenance.address.ip)];
    let mut db = app.db.acquire().await?;
    if let Some(wait) = throttle::admit(&mut db, &guessers, now).await? {
        return Ok(Found::TooMany(wait));
    }
    let Some(request) = device::find_waiting(&mut db, &code, now).await? else { return Ok(Found::Nothing) };
    for guesser in guessers {
        throttle::take_back(&mut db, guesser).await?;
    }
    let found = client::find(&mut db, request.client_id).await?;
    let client = found.map(ClientWithSecrets::into_client).filter(Client::works);
    let waiting = client.map(|client| Waiting { code, request, client });
    Ok(waiting.map_or(Found::Nothing, |waiting| Found::Waiting(Box::new(waiting))))
}

/// What a person is about to decide.
struct Decision<'a> {
    app: &'a App,
    signed_in: SignedIn,
    provenance: Provenance,
    waiting: Waiting,
}

impl Decision<'_> {
    async fn ask(&self, csrf: &Csrf) -> Result<Response, PageError> {
        let Waiting { code, request, client } = &self.waiting;
        let mut db = self.app.db.acquire().await?;
        let roles = self.signed_in.roles(&mut db).await?;
        drop(db);
        let scopes = consent::offered(&request.scopes, &roles);
        if scopes.is_empty() {
            return Err(may_not_give());
        }
        let asked = Asked {
            client,
            signed_in: &self.signed_in,
            roles: &roles,
            scopes: &scopes,
            resources: &request.resources,
            redirect_uri: None,
            // Asked anew each time: what was allowed before was another device.
            earlier: &[],
            action: PATH,
            here: &path_with(Some(code)),
        };
        let here = self.provenance.address.ip;
        let page = DeviceConsent {
            asked: consent::question(self.app, csrf, &asked),
            user_code: code.to_string(),
            since: words::moment(request.created_at, self.provenance.at),
            address: request.address().map(|address| address.to_string()),
            is_elsewhere: request.address().is_some_and(|there| subscriber(there) != subscriber(here)),
            agent: request.user_agent.as_deref().map(words::agent),
        };
        Ok(Page::with_form(page, csrf, self.app).into_response())
    }

    /// Who ticks nothing refuses.
    async fn approve(self, posted: &Form) -> Result<Response, PageError> {
        let ticked = Scopes::from_names(posted.all("scope"))
            .map_err(|_| PageError::bad_request("A scope in the form cannot be the name of a scope."))?;
        let granted = self.waiting.client.granted(&self.waiting.request.scopes, &ticked);
        if granted.is_empty() {
            return self.refuse().await;
        }
        let organization = self.chosen(posted.one("organization")?)?;
        let mut db = self.app.db.acquire().await?;
        let role = member::find_role(&mut db, organization.id, self.signed_in.user.id).await?;
        drop(db);
        let granted = role.map(|role| role.may_give(&granted)).unwrap_or_default();
        if granted.is_empty() {
            return Err(may_not_give());
        }
        self.grant(organization, &granted).await
    }

    fn chosen(&self, id: &str) -> Result<&Organization, PageError> {
        let organizations = &self.signed_in.organizations;
        let chosen = match id {
            "" => self.signed_in.organization(),
            id => organizations.iter().find(|organization| organization.id.to_string() == id),
        };
        chosen
            .ok_or_else(|| PageError::bad_request("The form names an organization that is not one of yours."))
    }

    async fn grant(&self, organization: &Organization, scopes: &Scopes) -> Result<Response, PageError> {
        let Waiting { code, request, client } = &self.waiting;
        let user = &self.signed_in.user;
        let sign_in = &self.signed_in.sign_in;
        let act = self.provenance.clone().act(Actor::user(user.id, &user.email));
        let new = NewGrant {
            organization: organization.id,
            client: client.id,
            user: user.id,
            scopes,
            resources: &request.resources,
            redirect_uri: None,
            redirect_uri_asked: false,
            code_challenge: None,
            nonce: None,
            authentication: Authentication { at: sign_in.at, session: sign_in.session_id },
            dpop_jkt: None,
            expires_at: act.at + client.registration.lifetimes.refresh_token_max,
            token_key: self.app.keys.current().newest_token_key(),
        };
        let mut tx = self.app.db.begin().await?;
        let grant = grant::create(&mut tx, &new, &act).await?;
        if !device::decide(&mut tx, code, Some(grant), act.at).await? {
            return Err(decided_meanwhile());
        }
        tx.commit().await?;
        Ok(self.done(true))
    }

    async fn refuse(self) -> Result<Response, PageError> {
        let mut db = self.app.db.acquire().await?;
        if !device::decide(&mut db, &self.waiting.code, None, self.provenance.at).await? {
            return Err(decided_meanwhile());
        }
        Ok(self.done(false))
    }

    fn done(&self, is_allowed: bool) -> Response {
        Page::new(Done { app: self.waiting.client.registration.name.clone(), is_allowed }).into_response()
    }
}

fn may_not_give() -> PageError {
    PageError::forbidden(
        "The app asks for full control, which you do not have yourself. Nothing was decided.",
    )
    .way_on(PATH, "Type another code")
}

/// In another window, or by somebody else with the same code.
fn decided_meanwhile() -> PageError {
    PageError::bad_request("This was decided in the meantime.").way_on(PATH, "Type another code")
}
