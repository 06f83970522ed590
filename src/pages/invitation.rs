//! `/invitations/{token}`: what the link in an invitation's mail leads to.
//!
//! Whoever has no account makes one here and joins at once: the link has proved that the address is theirs.

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use tower_sessions::Session;

use crate::app::App;
use crate::audit::act::Actor;
use crate::base::ids::OrganizationId;
use crate::base::secret::Secret;
use crate::gate::csrf::Csrf;
use crate::gate::invitation::link_path;
use crate::gate::provenance::Provenance;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::gate::sign_in;
use crate::gate::sign_in::Registered;
use crate::organizations::invitation;
use crate::organizations::invitation::Offer;
use crate::organizations::member::Role;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Field;
use crate::pages::parts::Moment;
use crate::pages::settings::ORGANIZATION;
use crate::pages::settings::visitor;
use crate::pages::words;

/// Longer than any token.
const MAX_TOKEN: usize = 100;

#[derive(Template)]
#[template(path = "pages/invitation.html")]
pub struct Invitation {
    csrf: String,
    /// Of this page, where forms are posted to.
    path: String,
    organization: String,
    role: &'static str,
    invited_by: Option<String>,
    email: String,
    expires: Moment,
    /// Address of whoever is signed in, and whether it is the invited one.
    signed_in: Option<(String, bool)>,
    sign_in_url: String,
    may_register: bool,
    password: Field,
}

pub async fn get(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    csrf: Csrf,
    Path(token): Path<String>,
) -> Result<Page<Invitation>, PageError> {
    let (token, offer) = find(&app, token).await?;
    Ok(page(&app, signed_in.as_ref(), &csrf, (&token, offer), Field::default()))
}

fn page(
    app: &App,
    signed_in: Option<&SignedIn>,
    csrf: &Csrf,
    (token, offer): (&Secret, Offer),
    password: Field,
) -> Page<Invitation> {
    let path = link_path(token.expose());
    let is_invited = |email: &str| email.to_lowercase() == offer.email.to_lowercase();
    let page = Invitation {
        csrf: csrf.token(),
        sign_in_url: session::sign_in_url(&path),
        path,
        organization: offer.organization_name,
        role: if offer.role == Role::Admin { "an admin" } else { "a member" },
        invited_by: offer.invited_by,
        expires: words::date(offer.expires_at),
        signed_in: signed_in.map(|person| (person.user.email.clone(), is_invited(&person.user.email))),
        may_register: app.config.registration,
        password,
        email: offer.email,
    };
    Page::with_form(page, csrf, app)
}

/// Whoever is signed in accepts.
pub async fn accept(
    State(app): State<App>,
    signed_in: SignedIn,
    (session, provenance): (Session, Provenance),
    Path(token): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let (token, offer) = find(&app, token).await?;
    let user = &signed_in.user;
    let act = provenance.act(Actor::user(user.id, &user.email));
    let mut tx = app.db.begin().await?;
    let accepted = invitation::accept(&mut tx, &token.hash(), (user.id, &user.email), &act).await?;
    let Some(organization) = accepted else {
        let sentence =
            format!("This invitation is for {}, and you are signed in as {}.", offer.email, user.email);
        return Err(
            PageError::forbidden(sentence).way_on(&link_path(token.expose()), "Back to the invitation")
        );
    };
    tx.commit().await?;
    welcome(&session, organization, &offer.organization_name).await
}

/// Somebody without an account.
pub async fn register(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    (session, csrf, provenance): (Session, Csrf, Provenance),
    Path(token): Path<String>,
    posted: Form,
) -> Result<Response, PageError> {
    let (token, offer) = find(&app, token).await?;
    if !app.config.registration {
        return Err(PageError::forbidden("Accounts on this server are made by its operator."));
    }
    let password = Secret::new(posted.one("password")?);
    let whom = (offer.email.as_str(), &token.hash());
    let problem = match sign_in::register_invited(&app, whom, password, provenance.clone()).await? {
        Registered::Yes(user, organization) => {
            session::begin(&app, &session, user.id, &provenance).await?;
            return Ok(welcome(&session, organization.id, &organization.name).await?.into_response());
        }
        Registered::AddressTaken => {
            "There is an account with this email already. Sign in instead.".to_owned()
        }
        Registered::Invalid { message, .. } => words::sentence(&message),
        Registered::Wait(wait) => return Err(PageError::too_many_attempts(wait)),
        Registered::Busy => return Err(StatusCode::SERVICE_UNAVAILABLE.into()),
    };
    let password = Field { problem: Some(problem), ..Field::default() };
    let page = page(&app, signed_in.as_ref(), &csrf, (&token, offer), password);
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

async fn welcome(session: &Session, organization: OrganizationId, name: &str) -> Result<Redirect, PageError> {
    session::choose(session, organization).await?;
    visitor::leave_notice(session, format!("You belong to {name} now.")).await?;
    Ok(Redirect::to(ORGANIZATION))
}

/// The token, and what its holder is offered.
async fn find(app: &App, token: String) -> Result<(Secret, Offer), PageError> {
    let gone = PageError::invitation_gone;
    if token.len() > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(gone());
    }
    let token = Secret::new(token);
    let mut db = app.db.acquire().await?;
    let offer = invitation::find_offer(&mut db, &token.hash(), app.clock.now()).await?.ok_or_else(gone)?;
    Ok((token, offer))
}
