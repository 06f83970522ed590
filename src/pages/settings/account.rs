//! `/settings/account`: the person, their password, and where they are signed in.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use sqlx::Connection;

use crate::accounts::browser_session;
use crate::accounts::browser_session::BrowserSession;
use crate::accounts::user;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::BrowserSessionId;
use crate::base::secret::Secret;
use crate::gate::client_address::ClientAddress;
use crate::gate::sign_in;
use crate::gate::sign_in::Authenticated;
use crate::grants::sign_out;
use crate::organizations::member;
use crate::organizations::session;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Field;
use crate::pages::parts::Moment;
use crate::pages::settings::ACCOUNT;
use crate::pages::settings::Frame;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

/// As the end of the other sessions is remembered.
const PASSWORD_CHANGED: &str = "password changed";
const SIGNED_OUT_ELSEWHERE: &str = "signed out everywhere else";

#[derive(Template)]
#[template(path = "pages/settings/account.html")]
pub struct Account {
    frame: Frame,
    memberships: Vec<Membership>,
    fields: Fields,
    /// This one first, then the one seen last.
    sessions: Vec<SessionRow>,
}

/// What can be typed in.
#[derive(Default)]
struct Fields {
    name: Field,
    current_password: Field,
    new_password: Field,
}

impl Fields {
    fn of(visitor: &Visitor) -> Self {
        Self { name: Field::new(visitor.user().name.clone().unwrap_or_default()), ..Self::default() }
    }
}

struct Membership {
    organization: String,
    role: String,
}

struct SessionRow {
    id: String,
    /// What its browser calls itself, in words.
    device: String,
    address: String,
    started: Moment,
    last_seen: Moment,
    is_this: bool,
}

pub async fn get(State(app): State<App>, visitor: Visitor) -> Result<Page<Account>, PageError> {
    page(&app, &visitor, Fields::of(&visitor)).await
}

async fn page(app: &App, visitor: &Visitor, fields: Fields) -> Result<Page<Account>, PageError> {
    let now = app.clock.now();
    let this = visitor.signed_in.sign_in.session_id;
    let mut db = app.db.acquire().await?;
    let mut sessions = browser_session::list(&mut db, visitor.user().id, now).await?;
    sessions.sort_by_key(|session| session.id != this);
    let mut memberships = Vec::new();
    for organization in &visitor.signed_in.organizations {
        let role = member::find_role(&mut db, organization.id, visitor.user().id).await?;
        let role = role.map(|role| role.to_string()).unwrap_or_default();
        memberships.push(Membership { organization: organization.name.clone(), role });
    }
    drop(db);
    let account = Account {
        frame: visitor.frame(ACCOUNT).await?,
        memberships,
        fields,
        sessions: sessions.into_iter().map(|session| row(session, this, now)).collect(),
    };
    Ok(visitor.page(app, account))
}

fn row(session: BrowserSession, this: BrowserSessionId, now: Timestamp) -> SessionRow {
    SessionRow {
        id: session.id.to_string(),
        device: words::device(&session.sign_in.user_agent),
        address: session.sign_in.address,
        started: words::moment(session.sign_in.at, now),
        last_seen: words::moment(session.last_seen_at, now),
        is_this: session.id == this,
    }
}

pub async fn change_name(
    State(app): State<App>,
    visitor: Visitor,
    posted: Form,
) -> Result<Response, PageError> {
    let typed = posted.one("name")?;
    let name = match user::parse_name(typed) {
        Ok(name) => name,
        Err(problem) => {
            let name = Field { value: typed.to_owned(), problem: Some(problem.to_owned()) };
            let page = page(&app, &visitor, Fields { name, ..Fields::default() }).await?;
            return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
        }
    };
    let mut db = app.db.acquire().await?;
    user::set_name(&mut db, visitor.user().id, name, app.clock.now()).await?;
    drop(db);
    visitor.notify(if name.is_some() { "Your name is saved." } else { "Your name is removed." }).await?;
    Ok(Redirect::to(ACCOUNT).into_response())
}

pub async fn change_password(
    State(app): State<App>,
    visitor: Visitor,
    address: ClientAddress,
    posted: Form,
) -> Result<Response, PageError> {
    let current = Secret::new(posted.one("current_password")?);
    let new = Secret::new(posted.one("new_password")?);
    let problem = |problem: String| Field { problem: Some(problem), ..Field::default() };
    let mut fields = Fields::of(&visitor);
    if let Err(message) = sign_in::check_password(&new) {
        fields.new_password = problem(words::sentence(&message));
    } else {
        // Guessing here is slowed down like guessing at the sign-in.
        match sign_in::authenticate(&app, &visitor.user().email, current, address).await? {
            Authenticated::Yes(_) => return Ok(save_password(&app, &visitor, new).await?.into_response()),
            Authenticated::No => {
                fields.current_password = problem("This is not your current password.".to_owned());
            }
            Authenticated::Wait(wait) => return Err(PageError::too_many_attempts(wait)),
            Authenticated::Busy => return Err(StatusCode::SERVICE_UNAVAILABLE.into()),
        }
    }
    let page = page(&app, &visitor, fields).await?;
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

/// Whoever knew the old password is out, in browsers and in front ends.
async fn save_password(app: &App, visitor: &Visitor, new: Secret) -> Result<Redirect, PageError> {
    let hash = app.passwords.hash(new).await?;
    let (user, now) = (visitor.user().id, app.clock.now());
    let mut connection = app.db.acquire().await?;
    let mut tx = connection.begin().await?;
    user::set_password(&mut tx, user, &hash).await?;
    sign_out::end_others(&mut tx, user, visitor.signed_in.sign_in.session_id, now).await?;
    session::revoke_all_of(&mut tx, user, PASSWORD_CHANGED, now).await?;
    tx.commit().await?;
    drop(connection);
    visitor.notify("Your password was changed. Everywhere else you are signed out.").await?;
    Ok(Redirect::to(ACCOUNT))
}

pub async fn end_session(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let gone = || PageError::not_found().way_on(ACCOUNT, "Account");
    let id = BrowserSessionId::from_str(&id).map_err(|_| gone())?;
    let mut tx = app.db.begin().await?;
    if !sign_out::end(&mut tx, visitor.user().id, id, app.clock.now()).await? {
        return Err(gone());
    }
    tx.commit().await?;
    visitor.notify("That device is signed out.").await?;
    Ok(Redirect::to(ACCOUNT))
}

pub async fn end_other_sessions(
    State(app): State<App>,
    visitor: Visitor,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let (user, now) = (visitor.user().id, app.clock.now());
    let mut connection = app.db.acquire().await?;
    let mut tx = connection.begin().await?;
    sign_out::end_others(&mut tx, user, visitor.signed_in.sign_in.session_id, now).await?;
    session::revoke_all_of(&mut tx, user, SIGNED_OUT_ELSEWHERE, now).await?;
    tx.commit().await?;
    drop(connection);
    visitor.notify("Everywhere else you are signed out.").await?;
    Ok(Redirect::to(ACCOUNT))
}
