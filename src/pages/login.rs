//! `/login`: signing in, on the way to somewhere.

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;
use tower_sessions::Session;
use url::form_urlencoded;

use crate::app::App;
use crate::base::secret::Secret;
use crate::clients::client;
use crate::clients::identifier;
use crate::clients::redirect_uri;
use crate::gate::csrf::Csrf;
use crate::gate::provenance::Provenance;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::gate::sign_in;
use crate::gate::sign_in::Authenticated;
use crate::grants::pending_request;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/login.html")]
pub struct Login {
    csrf: String,
    /// Where the person goes afterwards; empty: to the settings.
    next: String,
    /// Name of the app that sent the person here.
    app: Option<String>,
    email: String,
    problem: Option<String>,
    may_register: bool,
}

/// How an authorization request begins, to which the person returns.
const AUTHORIZE: &str = "/oauth/authorize?";

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

/// A signed-in person who comes from an app sees the form all the same: to prove it again, or to be another.
pub async fn get(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    csrf: Csrf,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let origin = Origin::of(&app, &asked.next).await?;
    // An authorization request goes on as if they had proved it, whether or not the app is known. Nor does an invitation
    // for one person concern another, and a device is asked for by one of several accounts.
    let may_be_another =
        [AUTHORIZE, "/invitations/", "/device?"].iter().any(|path| asked.next.starts_with(path));
    if signed_in.is_some() && !may_be_another {
        return Ok(Redirect::to(destination(&asked.next)).into_response());
    }
    Ok(form(&app, &csrf, asked.next, origin, Attempt::default()).into_response())
}

pub async fn post(
    State(app): State<App>,
    session: Session,
    (provenance, csrf): (Provenance, Csrf),
    posted: Form,
) -> Result<Response, PageError> {
    let next = posted.one("next")?.to_owned();
    let email = posted.one("email")?.to_owned();
    let password = Secret::new(posted.one("password")?);
    let (status, problem, wait) =
        match sign_in::authenticate(&app, &email, password, provenance.address).await? {
            Authenticated::Yes(user) => {
                session::begin(&app, &session, user.id, &provenance).await?;
                return Ok(Redirect::to(destination(&next)).into_response());
            }
            Authenticated::No => {
                (StatusCode::UNPROCESSABLE_ENTITY, "The email or the password is wrong.".to_owned(), None)
            }
            Authenticated::Wait(wait) => {
                let seconds = words::seconds_up(wait);
                let problem = format!("Too many attempts. Try again in {}.", words::seconds(seconds));
                (StatusCode::TOO_MANY_REQUESTS, problem, Some(seconds))
            }
            Authenticated::Busy => {
                let problem = "Many people are signing in at this moment. Try again.".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, problem, Some(2))
            }
        };
    let origin = Origin::of(&app, &next).await?;
    let page = form(&app, &csrf, next, origin, Attempt { email, problem: Some(problem) }).status(status);
    Ok(match wait {
        Some(seconds) => page.retry_after(seconds).into_response(),
        None => page.into_response(),
    })
}

/// What was typed, and what came of it.
#[derive(Default)]
struct Attempt {
    email: String,
    problem: Option<String>,
}

fn form(app: &App, csrf: &Csrf, next: String, origin: Origin, attempt: Attempt) -> Page<Login> {
    let login = Login {
        csrf: csrf.token(),
        next,
        app: origin.app,
        email: if attempt.email.is_empty() { origin.login_hint } else { attempt.email },
        problem: attempt.problem,
        may_register: app.config.registration,
    };
    Page::with_form(login, csrf, app).form_target(origin.form_target)
}

/// Where a person goes after signing in.
pub fn destination(next: &str) -> &str {
    if next.is_empty() { "/settings" } else { session::safe_next(Some(next)) }
}

/// What an authorization request, to which the person returns, says of itself.
#[derive(Default)]
pub struct Origin {
    pub app: Option<String>,
    pub login_hint: String,
    /// Where the answer to the form may lead in the end.
    pub form_target: Option<String>,
}

impl Origin {
    /// Nothing, unless `next` is an authorization request of a client that exists.
    pub async fn of(app: &App, next: &str) -> Result<Self, PageError> {
        let Some(url) = next.strip_prefix(AUTHORIZE) else { return Ok(Self::default()) };
        let id = parameter(url, "client_id").and_then(|id| identifier::row_id(&id));
        let Some(id) = id else { return Ok(Self::default()) };
        let mut db = app.db.acquire().await?;
        let Some(found) = client::find(&mut db, id).await? else {
            return Ok(Self::default());
        };
        let client = found.client;
        let reference = parameter(url, "request_uri").or_else(|| parameter(url, "request"));
        let pending = match reference.map(Secret::new) {
            Some(key) => pending_request::find_parameters(&mut db, client.id, &key).await?,
            None => None,
        };
        let request = pending.as_deref().unwrap_or(url);
        let asked = parameter(request, "redirect_uri").filter(|uri| client.may_redirect_to(uri));
        let redirect_uri = asked.as_ref().or_else(|| client.registration.redirect_uris.first());
        let is_text = |hint: &String| !hint.chars().any(char::is_control);
        Ok(Self {
            form_target: redirect_uri.and_then(|uri| redirect_uri::csp_source(uri)),
            login_hint: parameter(request, "login_hint").filter(is_text).unwrap_or_default(),
            // What an app calls itself that nobody knows is shown only where that can be said.
            app: (!client.registered_itself()).then(|| client.registration.name.clone()),
        })
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}
