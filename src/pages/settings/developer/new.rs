//! `/settings/developer/new`: registering an app.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;

use crate::app::App;
use crate::clients::client;
use crate::clients::registration::AuthMethod;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Link;
use crate::pages::settings::DEVELOPER;
use crate::pages::settings::Frame;
use crate::pages::settings::developer;
use crate::pages::settings::developer::app_form;
use crate::pages::settings::developer::app_form::AppForm;
use crate::pages::settings::secret::Shown;
use crate::pages::settings::secret::ShownOnce;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;

#[derive(Template)]
#[template(path = "pages/settings/developer/new.html")]
pub struct NewApp {
    frame: Frame,
    form: AppForm,
}

pub async fn get(State(app): State<App>, Manager(visitor): Manager) -> Result<Page<NewApp>, PageError> {
    check_plan(&app, &visitor).await?;
    let form = app_form::show(&app, &app_form::blank(&app.config), true);
    Ok(visitor.page(&app, NewApp { frame: visitor.frame(DEVELOPER).await?, form }))
}

pub async fn post(
    State(app): State<App>,
    Manager(visitor): Manager,
    posted: Form,
) -> Result<Response, PageError> {
    check_plan(&app, &visitor).await?;
    let auth_method = match posted.one("kind")? {
        "confidential" => AuthMethod::ClientSecretBasic,
        "public" => AuthMethod::None,
        _ => return Err(PageError::bad_request("Choose one of the two types that the form offers.")),
    };
    let mut registration = app_form::read(&posted, &app_form::blank(&app.config))?;
    registration.token_endpoint_auth_method = auth_method;
    if let Err(invalid) = registration.check(app.config.scopes.all()) {
        let form = app_form::refuse(app_form::show(&app, &registration, true), &invalid);
        let page = visitor.page(&app, NewApp { frame: visitor.frame(DEVELOPER).await?, form });
        return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    }

    let mut tx = app.db.begin().await?;
    let organization = visitor.organization().id;
    let (id, secret) = client::register(&mut tx, organization, &registration, &visitor.act).await?;
    tx.commit().await?;

    let url = format!("{DEVELOPER}/{id}");
    let name = registration.name;
    let Some(secret) = secret else {
        visitor.notify(format!("{name} is registered.")).await?;
        return Ok(Redirect::to(&url).into_response());
    };
    let page = ShownOnce {
        frame: visitor.frame(DEVELOPER).await?,
        title: format!("{name} is registered"),
        sentence: String::new(),
        values: vec![
            Shown { id: "client_id", label: "Client ID", value: id.to_string() },
            Shown { id: "client_secret", label: "Client secret", value: secret.expose().to_owned() },
        ],
        example: None,
        back: Link::new(url, name),
    };
    Ok(visitor.page(&app, page).into_response())
}

async fn check_plan(app: &App, visitor: &Visitor) -> Result<(), PageError> {
    match developer::obstacle(app, visitor).await? {
        None => Ok(()),
        Some(obstacle) => Err(PageError::plan(obstacle).way_on(DEVELOPER, "Developer apps")),
    }
}
