//! `/oauth/authorize` (RFC 6749 §3.1): asks a person on behalf of an app, and sends the answer to the app.
//!
//! The request stays in the query of the URL, from the first visit over the sign-in to the posted decision, and is checked
//! each time anew. So nothing is stored before the person has agreed, except what the URL only refers to (`source`).

mod openid;
mod stop;

pub(super) mod request;
pub(super) mod request_object;
pub(super) mod response;
pub(super) mod source;

use axum::extract::FromRequestParts;
use axum::extract::OptionalFromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use sqlx::Connection;
use sqlx::PgConnection;

use crate::app::App;
use crate::audit::act::Act;
use crate::audit::act::Actor;
use crate::base::clock::Timestamp;
use crate::clients::described;
use crate::clients::redirect_uri;
use crate::gate::client_address::ClientAddress;
use crate::gate::csrf;
use crate::gate::csrf::Csrf;
use crate::gate::provenance::Provenance;
use crate::gate::session::SignedIn;
use crate::gate::session::new_organization_url;
use crate::gate::session::sign_in_url;
use crate::grants::generation;
use crate::grants::grant;
use crate::grants::grant::Authentication;
use crate::grants::grant::EarlierConsent;
use crate::grants::grant::NewGrant;
use crate::grants::pending_request;
use crate::oauth::authorize::request::AuthorizeRequest;
use crate::oauth::authorize::request::Prompt;
use crate::oauth::authorize::response::granted;
use crate::oauth::authorize::source::Source;
use crate::oauth::authorize::stop::Stop;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::organizations::member;
use crate::organizations::member::Role;
use crate::organizations::organization::Organization;
use crate::pages::consent;
use crate::pages::error::PageError;
use crate::scopes::Scopes;

/// A request that would make a longer URL than browsers and proxies carry.
const MAX_QUERY: usize = 8 * 1024;

/// Shows the consent page, or answers at once where nothing needs to be asked.
pub async fn get(State(app): State<App>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    match ask(&app, &mut parts, &query).await {
        Ok(response) => response,
        Err(stop) => stop.into_answer(&app, &parts),
    }
}

/// The person's decision; or an authorization request sent as a form, which starts over as a visit: it may
/// come from another site, and then without the session's cookie.
pub async fn post(State(app): State<App>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    let form = match Params::read(request, &app).await {
        Ok(form) => form,
        Err(error) => return Stop::from(error).into_answer(&app, &parts),
    };
    if form.all("decision").next().is_none() {
        let query = form.to_query(&[]);
        if query.len() > MAX_QUERY {
            let error = ErrorCode::TooLarge.because("the request is too large");
            return Stop::from(error).into_answer(&app, &parts);
        }
        return Redirect::to(&format!("/oauth/authorize?{query}")).into_response();
    }
    let query = parts.uri.query().unwrap_or_default().to_owned();
    match decide(&app, &mut parts, &query, &form).await {
        Ok(response) => response,
        Err(stop) => stop.into_answer(&app, &parts),
    }
}

/// Everything up to the question: the request is good, the person signed in, and freshly enough.
struct Asked {
    request: AuthorizeRequest,
    signed_in: SignedIn,
    /// What the person does, as the audit log will tell it.
    act: Act,
}

async fn prepare(app: &App, parts: &mut Parts, query: &str) -> Result<Asked, Stop> {
    let params = Params::parse(query.as_bytes()).map_err(Stop::from)?;
    // As it will be written from now on, which may be longer than it came.
    if params.to_query(&[]).len() > MAX_QUERY {
        return Err(ErrorCode::TooLarge.because("the request is too large").into());
    }
    let now = app.clock.now();
    let Ok(address) = ClientAddress::from_request_parts(parts, app).await;
    let client = request::find_client(app, &params, address, now).await?;
    let source = Source::of_url(app, &client, &params, now).await?;
    let may_send_strangers_on = client.is_vouched_for() || Prompt::is_silent(&source.params);
    let request = AuthorizeRequest::read(app, client, source).await;
    let signed_in = <SignedIn as OptionalFromRequestParts<App>>::from_request_parts(parts, app)
        .await
        .map_err(|failure| Stop::Elsewhere(Box::new(failure.into_response())))?;
    let request = match request {
        // Anybody can register a site here, and a link to this server must not lead a stranger straight on to it
        // (RFC 9700 §4.11.2).
        Err(Stop::Answer { .. }) if signed_in.is_none() && !may_send_strangers_on => {
            return Err(to_sign_in(&params.to_query(&[])));
        }
        request => request?,
    };
    let will_do = |signed_in: &SignedIn| {
        let subject = app.subjects.subject(&request.client, signed_in.user.id);
        request.is_content_with_sign_in(signed_in.sign_in.at, now) && request.openid.means(&subject)
    };
    let is_meanwhile = signed_in.as_ref().is_some_and(|signed_in| request.is_meanwhile(signed_in.sign_in.at));
    let has_tried = is_meanwhile || request.openid.is_after_sign_in;
    match signed_in.filter(will_do) {
        Some(signed_in) if signed_in.organizations.is_empty() => Err(homeless(&request, &params)),
        Some(signed_in) => {
            let Ok(provenance) = Provenance::from_request_parts(parts, app).await;
            let act = provenance.act(Actor::user(signed_in.user.id, &signed_in.user.email));
            Ok(Asked { request, signed_in, act })
        }
        None if request.prompts.contains(&Prompt::None) || has_tried => {
            let description = "nobody is signed in, or somebody else, or too long ago";
            Err(request.answer(ErrorCode::LoginRequired.because(description)))
        }
        None => Err(to_sign_in(&request.query_after_sign_in(&params))),
    }
}

/// The request goes on from there with `query`.
fn to_sign_in(query: &str) -> Stop {
    let next = format!("/oauth/authorize?{query}");
    Stop::Elsewhere(Box::new(Redirect::to(&sign_in_url(&next)).into_response()))
}

/// Somebody who belongs to no organization has nothing to give an app access to, until they make or join one.
fn homeless(request: &AuthorizeRequest, params: &Params) -> Stop {
    if request.prompts.contains(&Prompt::None) {
        return request.answer(ErrorCode::ConsentRequired.because("the person belongs to no organization"));
    }
    let next = format!("/oauth/authorize?{}", request.query_after_sign_in(params));
    Stop::Elsewhere(Box::new(Redirect::to(&new_organization_url(&next)).into_response()))
}

async fn ask(app: &App, parts: &mut Parts, query: &str) -> Result<Response, Stop> {
    let asked = prepare(app, parts, query).await?;
    let Asked { request, signed_in, act } = &asked;
    let now = act.at;
    let mut db = app.db.acquire().await.map_err(Stop::from_sqlx)?;
    let consents = consents(&mut db, request, signed_in, now).await?;
    let roles = signed_in.roles(&mut db).await.map_err(Stop::from_sqlx)?;
    let offered = offered(request, &roles)?;
    let must_ask = request.must_ask(signed_in.sign_in.at) || !is_remembered(request);
    let covering = consents.iter().find(|(_, earlier)| {
        earlier.iter().any(|consent| consent.covers(&request.scopes, &request.resources))
    });
    if let (Some((organization, _)), false) = (covering, must_ask) {
        return grant_to(app, &mut db, &asked, organization, &request.scopes).await;
    }
    if request.prompts.contains(&Prompt::None) {
        return Err(request.answer(ErrorCode::ConsentRequired.because("the person has to be asked")));
    }
    // The organization that is offered first is the one whose history is told.
    let earlier = consents.into_iter().next().map(|(_, earlier)| earlier).unwrap_or_default();
    let here = format!("/oauth/authorize?{query}");
    let asked = consent::Asked {
        client: &request.client,
        signed_in,
        roles: &roles,
        scopes: &offered,
        resources: &request.resources,
        redirect_uri: Some(&request.back.redirect_uri),
        earlier: &earlier,
        action: &here,
        here: &here,
    };
    let csrf = Csrf::of(parts, app).await.map_err(Stop::Failed)?;
    Ok(consent::page(app, &csrf, &asked).into_response())
}

async fn decide(app: &App, parts: &mut Parts, query: &str, form: &Params) -> Result<Response, Stop> {
    let asked = prepare(app, parts, query).await?;
    let Asked { request, signed_in, .. } = &asked;
    check_csrf(app, parts, form).await?;
    let one = |name| form.optional(name).map_err(Stop::from);
    let ticked = Scopes::from_names(form.all("scope"))
        .map_err(|_| Stop::from(ErrorCode::InvalidRequest.because("scope is malformed")))?;
    let scopes = match one("decision")? {
        Some("approve") => request.client.granted(&request.scopes, &ticked),
        Some("deny") => Scopes::default(),
        _ => return Err(ErrorCode::InvalidRequest.because("decision is unknown").into()),
    };
    let mut db = app.db.acquire().await.map_err(Stop::from_sqlx)?;
    if scopes.is_empty() {
        use_up(&mut db, request).await?;
        return Err(request.answer(ErrorCode::AccessDenied.because("the person refused")));
    }
    let organization = match one("organization")? {
        None => signed_in.organization(),
        Some(id) => signed_in.organizations.iter().find(|organization| organization.id.to_string() == id),
    };
    let Some(organization) = organization else {
        return Err(ErrorCode::InvalidRequest.because("organization is not one of yours").into());
    };
    grant_to(app, &mut db, &asked, organization, &scopes).await
}

/// Whether a consent that was given before counts. Of an app that nobody vouches for, not if any other program on the
/// person's machine could get the answer in its name (RFC 8252 §8.6).
fn is_remembered(request: &AuthorizeRequest) -> bool {
    request.client.is_vouched_for() || redirect_uri::is_on_the_web(&request.back.redirect_uri)
}

fn offered(request: &AuthorizeRequest, roles: &[Role]) -> Result<Scopes, Stop> {
    let offered = consent::offered(&request.scopes, roles);
    if offered.is_empty() {
        return Err(request.answer(ErrorCode::AccessDenied.because("the person may not give what is asked")));
    }
    Ok(offered)
}

/// What the person gave to the client before, by organization.
async fn consents<'a>(
    db: &mut PgConnection,
    request: &AuthorizeRequest,
    signed_in: &'a SignedIn,
    now: Timestamp,
) -> Result<Vec<(&'a Organization, Vec<EarlierConsent>)>, Stop> {
    let mut found = Vec::new();
    for organization in &signed_in.organizations {
        let key = (signed_in.user.id, request.client.id, organization.id);
        found.push((organization, grant::earlier_consents(db, key, now).await.map_err(Stop::from_sqlx)?));
    }
    Ok(found)
}

/// Writes the grant and sends its code to the client (RFC 6749 §4.1.2).
async fn grant_to(
    app: &App,
    db: &mut PgConnection,
    Asked { request, signed_in, act }: &Asked,
    organization: &Organization,
    scopes: &Scopes,
) -> Result<Response, Stop> {
    let role = member::find_role(db, organization.id, signed_in.user.id).await.map_err(Stop::from_sqlx)?;
    let scopes = role.map(|role| role.may_give(scopes)).unwrap_or_default();
    if scopes.is_empty() {
        return Err(request.answer(ErrorCode::AccessDenied.because("the person may not give what is asked")));
    }
    let keys = app.keys.current();
    let new = NewGrant {
        organization: organization.id,
        client: request.client.id,
        user: signed_in.user.id,
        scopes: &scopes,
        resources: &request.resources,
        redirect_uri: Some(&request.back.redirect_uri),
        redirect_uri_asked: request.redirect_uri_asked,
        code_challenge: request.code_challenge.as_deref(),
        nonce: request.nonce.as_deref(),
        authentication: Authentication { at: signed_in.sign_in.at, session: signed_in.sign_in.session_id },
        dpop_jkt: request.dpop_jkt.as_deref(),
        expires_at: act.at + request.client.registration.lifetimes.refresh_token_max,
        token_key: keys.newest_token_key(),
    };
    let mut tx = db.begin().await.map_err(Stop::from_sqlx)?;
    use_up(&mut tx, request).await?;
    described::keep(&mut tx, &request.client, act.at).await.map_err(Stop::from_sqlx)?;
    let id = grant::create(&mut tx, &new, act).await.map_err(Stop::from_sqlx)?;
    let grant = generation::find_by_id(&mut tx, id).await.map_err(Stop::from_sqlx)?;
    tx.commit().await.map_err(Stop::from_sqlx)?;
    let grant = grant.ok_or_else(|| Stop::Failed(anyhow::anyhow!("a new grant was not found")))?;
    let code = grant.token(&keys).map_err(Stop::Failed)?;
    Ok(granted(&app.config.links, &request.back, &code))
}

/// A request that is answered is not answered again.
async fn use_up(db: &mut PgConnection, request: &AuthorizeRequest) -> Result<(), Stop> {
    let Some(pending) = &request.source.pending else { return Ok(()) };
    let is_first = pending_request::use_up(db, pending).await.map_err(Stop::from_sqlx)?;
    if is_first { Ok(()) } else { Err(request.source.used_up().into()) }
}

async fn check_csrf(app: &App, parts: &Parts, form: &Params) -> Result<(), Stop> {
    let headers: &HeaderMap = &parts.headers;
    let is_foreign = csrf::comes_from_elsewhere(headers, &app.config.links.origin());
    let token = form.optional("csrf").map_err(Stop::from)?.unwrap_or_default();
    let csrf = Csrf::of(parts, app).await.map_err(Stop::Failed)?;
    if is_foreign || !csrf.accepts(token) {
        return Err(Stop::Elsewhere(Box::new(PageError::form_expired().into_response())));
    }
    Ok(())
}
