//! `/logout`: asks, then signs out. A link alone must not sign anybody out.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use tower_sessions::Session;

use crate::app::App;
use crate::gate::csrf::Csrf;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;

#[derive(Template)]
#[template(path = "pages/logout.html")]
pub struct Logout {
    csrf: String,
    email: String,
}

pub async fn get(State(app): State<App>, signed_in: Option<SignedIn>, csrf: Csrf) -> Response {
    match signed_in {
        None => Redirect::to("/").into_response(),
        Some(signed_in) => {
            let logout = Logout { csrf: csrf.token(), email: signed_in.user.email };
            Page::with_form(logout, &csrf, &app).into_response()
        }
    }
}

/// Somebody whose session has ended meanwhile is signed out, whatever the form holds.
pub async fn post(
    signed_in: Option<SignedIn>,
    session: Session,
    posted: Result<Form, PageError>,
) -> Result<Redirect, PageError> {
    if signed_in.is_some() {
        posted?;
        session::end(&session).await?;
    }
    Ok(Redirect::to("/"))
}
