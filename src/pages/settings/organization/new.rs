//! `/settings/organization/new`: for somebody who belongs to no organization, because they left the last one.

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;
use tower_sessions::Session;

use crate::app::App;
use crate::gate::csrf::Csrf;
use crate::gate::provenance::Provenance;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::gate::sign_in;
use crate::gate::sign_in::Founded;
use crate::organizations::organization::MAX_NAME_LENGTH;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::login;
use crate::pages::page::Page;
use crate::pages::parts::Field;

#[derive(Template)]
#[template(path = "pages/settings/organization/new.html")]
pub struct New {
    csrf: String,
    email: String,
    /// Where the person was going; empty: to the settings.
    next: String,
    own_name: Field,
    /// The operator lets people make organizations.
    is_open: bool,
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

pub async fn get(
    State(app): State<App>,
    signed_in: SignedIn,
    csrf: Csrf,
    Query(asked): Query<Asked>,
) -> Response {
    if !signed_in.organizations.is_empty() {
        return Redirect::to(login::destination(&asked.next)).into_response();
    }
    page(&app, &signed_in, &csrf, asked.next, Field::default()).into_response()
}

fn page(app: &App, signed_in: &SignedIn, csrf: &Csrf, next: String, name: Field) -> Page<New> {
    let new = New {
        csrf: csrf.token(),
        email: signed_in.user.email.clone(),
        next,
        own_name: name,
        is_open: app.config.registration,
    };
    Page::with_form(new, csrf, app)
}

pub async fn post(
    State(app): State<App>,
    signed_in: SignedIn,
    session: Session,
    (csrf, provenance): (Csrf, Provenance),
    posted: Form,
) -> Result<Response, PageError> {
    if !app.config.registration {
        return Err(PageError::forbidden("Organizations on this server are made by its operator."));
    }
    let (next, typed) = (posted.one("next")?, posted.one("name")?);
    match sign_in::found_organization(&app, &signed_in.user, typed, provenance).await? {
        Founded::Yes(organization) => {
            session::choose(&session, organization).await?;
            Ok(Redirect::to(login::destination(next)).into_response())
        }
        Founded::HasOne => Ok(Redirect::to(login::destination(next)).into_response()),
        Founded::Wait(wait) => Err(PageError::too_many_attempts(wait)),
        Founded::InvalidName => {
            let problem =
                format!("A name has 1 to {MAX_NAME_LENGTH} characters, and none that cannot be seen.");
            let name = Field { value: typed.to_owned(), problem: Some(problem) };
            let page = page(&app, &signed_in, &csrf, next.to_owned(), name);
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
    }
}
