//! `/settings/developer/{id}/secrets`: adding a secret to an app, and deleting one.

use std::str::FromStr;

use axum::extract::Path;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;

use crate::app::App;
use crate::base::ids::ClientSecretId;
use crate::clients::client::Client;
use crate::clients::secret;
use crate::clients::secret::ClientSecret;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Field;
use crate::pages::parts::Link;
use crate::pages::settings::DEVELOPER;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::credential;
use crate::pages::settings::developer::app_form;
use crate::pages::settings::developer::own_app;
use crate::pages::settings::developer::own_app::SecretForm;
use crate::pages::settings::secret::Shown;
use crate::pages::settings::secret::ShownOnce;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;

pub async fn create(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let client = find(&app, &visitor, &id).await?;
    let expires_in = posted.one("expires_in")?;
    let expires_at = credential::expiry(expires_in, now)?;
    let typed = posted.one("label")?;
    let refused = |problem| SecretForm {
        label: Field { value: typed.to_owned(), problem: Some(problem) },
        expiries: credential::expiries(expires_in),
    };
    let label = match credential::label(typed) {
        Ok(label) => label,
        Err(problem) => return again(&app, &visitor, &client, refused(problem)).await,
    };
    let mut tx = app.db.begin().await?;
    let whose = (client.organization_id, client.id);
    let created = secret::create(&mut tx, whose, label, expires_at, &visitor.act).await?;
    tx.commit().await?;
    let Some((_, secret)) = created else {
        let problem = format!("An app has at most {} secrets. Delete one first.", secret::MAX_COUNT);
        return again(&app, &visitor, &client, refused(problem)).await;
    };
    let page = ShownOnce {
        frame: visitor.frame(DEVELOPER).await?,
        title: format!("The secret “{label}” is ready"),
        sentence: "The other secrets of the app go on working.".to_owned(),
        values: vec![Shown {
            id: "client_secret",
            label: "Client secret",
            value: secret.expose().to_owned(),
        }],
        example: None,
        back: Link::new(format!("{DEVELOPER}/{id}"), client.registration.name),
    };
    Ok(visitor.page(&app, page).into_response())
}

async fn again(
    app: &App,
    visitor: &Visitor,
    client: &Client,
    form: SecretForm,
) -> Result<Response, PageError> {
    let fields = app_form::show(app, &client.registration, false);
    let page = own_app::page(app, visitor, client, fields, form).await?;
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

pub async fn get_delete(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path((id, secret_id)): Path<(String, String)>,
) -> Result<Page<Confirm>, PageError> {
    let client = find(&app, &visitor, &id).await?;
    let secret = find_secret(&app, &client, &secret_id).await?;
    let page = Confirm {
        frame: visitor.frame(DEVELOPER).await?,
        title: format!("Delete the secret “{}”?", secret.label),
        consequences: vec![
            "The next request with it is refused. Tokens that the app has already stay good.".to_owned(),
            "This cannot be undone.".to_owned(),
        ],
        action: format!("{DEVELOPER}/{id}/secrets/{secret_id}/delete"),
        button: "Delete secret",
        back: Link::new(format!("{DEVELOPER}/{id}"), client.registration.name),
    };
    Ok(visitor.page(&app, page))
}

pub async fn delete(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path((id, secret_id)): Path<(String, String)>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let client = find(&app, &visitor, &id).await?;
    let secret = find_secret(&app, &client, &secret_id).await?;
    let mut tx = app.db.begin().await?;
    secret::delete(&mut tx, (client.organization_id, client.id), secret.id, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify(format!("The secret “{}” was deleted.", secret.label)).await?;
    Ok(Redirect::to(&format!("{DEVELOPER}/{id}")))
}

/// An app that may have secrets.
async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<Client, PageError> {
    let client = own_app::find(app, visitor, id).await?;
    if client.registration.is_confidential() { Ok(client) } else { Err(PageError::not_found()) }
}

async fn find_secret(app: &App, client: &Client, id: &str) -> Result<ClientSecret, PageError> {
    let gone = || PageError::not_found().way_on(&format!("{DEVELOPER}/{}", client.id), "Back to the app");
    let id = ClientSecretId::from_str(id).map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    let secrets = secret::list(&mut db, client.id).await?;
    secrets.into_iter().find(|secret| secret.id == id).ok_or_else(gone)
}
