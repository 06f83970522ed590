//! `/register`: a new person with an organization of their own.

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
use crate::base::secret::Secret;
use crate::gate::csrf::Csrf;
use crate::gate::provenance::Provenance;
use crate::gate::session;
use crate::gate::sign_in;
use crate::gate::sign_in::Registered;
use crate::gate::sign_in::RegistrationField;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::login;
use crate::pages::login::Origin;
use crate::pages::page::Page;
use crate::pages::parts::Field;
use crate::pages::words;

#[derive(Template, Default)]
#[template(path = "pages/register.html")]
pub struct Register {
    csrf: String,
    /// Where the person goes afterwards; empty: to the settings.
    next: String,
    problem: Option<String>,
    company_name: Field,
    email: Field,
    /// Never filled in again.
    password: Field,
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

pub async fn get(
    State(app): State<App>,
    csrf: Csrf,
    Query(asked): Query<Asked>,
) -> Result<Page<Register>, PageError> {
    check_open(&app)?;
    let origin = Origin::of(&app, &asked.next).await?;
    let register = Register { csrf: csrf.token(), next: asked.next, ..Register::default() };
    Ok(Page::with_form(register, &csrf, &app).form_target(origin.form_target))
}

pub async fn post(
    State(app): State<App>,
    session: Session,
    (provenance, csrf): (Provenance, Csrf),
    posted: Form,
) -> Result<Response, PageError> {
    check_open(&app)?;
    let mut page = Register {
        csrf: csrf.token(),
        next: posted.one("next")?.to_owned(),
        company_name: Field::new(posted.one("company_name")?),
        email: Field::new(posted.one("email")?),
        ..Register::default()
    };
    let password = Secret::new(posted.one("password")?);
    let from = provenance.clone();
    match sign_in::register(&app, &page.email.value, password, &page.company_name.value, from).await? {
        Registered::Yes(user, _) => {
            session::begin(&app, &session, user.id, &provenance).await?;
            return Ok(Redirect::to(login::destination(&page.next)).into_response());
        }
        Registered::AddressTaken => {
            page.email.problem =
                Some("There is an account with this email already. Sign in instead.".to_owned());
        }
        Registered::Invalid { field, message } => {
            let field = match field {
                RegistrationField::Email => &mut page.email,
                RegistrationField::Password => &mut page.password,
                RegistrationField::OrganizationName => &mut page.company_name,
            };
            field.problem = Some(words::sentence(&message));
        }
        Registered::Wait(wait) => return Err(PageError::too_many_attempts(wait)),
        Registered::Busy => return Err(StatusCode::SERVICE_UNAVAILABLE.into()),
    }
    page.problem = Some("Please look at the field marked below.".to_owned());
    let origin = Origin::of(&app, &page.next).await?;
    let page = Page::with_form(page, &csrf, &app).form_target(origin.form_target);
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

fn check_open(app: &App) -> Result<(), PageError> {
    if app.config.registration {
        return Ok(());
    }
    let sentence = "Accounts on this server are made by its operator.";
    Err(PageError::forbidden(sentence).way_on("/login", "Sign in"))
}
