//! `/logout`: asks, then signs out. A link alone must not sign anybody out. An app that sends a person to sign out has
//! the same page shown.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use tower_sessions::Session;

use crate::app::App;
use crate::clients::redirect_uri;
use crate::gate::csrf::Csrf;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::grants::sign_out;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;

#[derive(Template)]
#[template(path = "pages/logout.html")]
pub struct Logout {
    csrf: String,
    email: String,
    /// Where the form is posted to.
    action: String,
    /// The app that sent the person here, by its name or its host.
    app: Option<String>,
    /// Where somebody goes who stays.
    stay: String,
    /// Names of the apps that will hear of it.
    apps_told: Vec<String>,
}

#[derive(Template)]
#[template(path = "pages/signed_out.html")]
pub struct SignedOut {
    /// By its name or its host.
    app: Option<String>,
    /// To the app.
    back: Option<String>,
}

/// What is asked for.
pub struct Asked {
    /// The app that sent the person here, by its name or its host.
    pub app: Option<String>,
    /// Where the form is posted to.
    pub action: String,
    /// Where the app wants the person to go afterwards.
    pub back: Option<String>,
}

pub async fn page(
    app: &App,
    csrf: &Csrf,
    signed_in: &SignedIn,
    asked: Asked,
) -> Result<Page<Logout>, PageError> {
    let mut db = app.db.acquire().await?;
    let apps_told = sign_out::apps_told(&mut db, signed_in.sign_in.session_id).await?;
    let form_target = asked.back.as_deref().and_then(redirect_uri::csp_source);
    let logout = Logout {
        csrf: csrf.token(),
        email: signed_in.user.email.clone(),
        action: asked.action,
        app: asked.app,
        stay: asked.back.unwrap_or_else(|| "/settings".to_owned()),
        apps_told,
    };
    Ok(Page::with_form(logout, csrf, app).form_target(form_target))
}

/// `back` leads to the app.
pub fn signed_out(app: Option<String>, back: Option<String>) -> Page<SignedOut> {
    Page::new(SignedOut { app, back })
}

pub async fn get(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    csrf: Csrf,
) -> Result<Response, PageError> {
    let Some(signed_in) = signed_in else { return Ok(Redirect::to("/").into_response()) };
    let asked = Asked { app: None, action: "/logout".to_owned(), back: None };
    Ok(page(&app, &csrf, &signed_in, asked).await?.into_response())
}

/// Somebody whose session has ended meanwhile is signed out, whatever the form holds.
pub async fn post(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    session: Session,
    posted: Result<Form, PageError>,
) -> Result<Redirect, PageError> {
    if signed_in.is_some() {
        posted?;
        session::end(&app, &session).await?;
    }
    Ok(Redirect::to("/"))
}
