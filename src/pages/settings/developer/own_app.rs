//! `/settings/developer/{id}`: one app, what it needs to connect, and how to change it.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::secret;
use crate::clients::secret::ClientSecret;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::End;
use crate::pages::parts::Field;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::DEVELOPER;
use crate::pages::settings::Frame;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::credential;
use crate::pages::settings::developer::OwnApp;
use crate::pages::settings::developer::app_form;
use crate::pages::settings::developer::app_form::AppForm;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/settings/developer/own_app.html")]
pub struct OwnAppPage {
    frame: Frame,
    app: OwnApp,
    endpoints: Vec<Endpoint>,
    /// A public app has none.
    has_secrets: bool,
    secrets: Vec<SecretRow>,
    secret_form: SecretForm,
    form: AppForm,
}

struct Endpoint {
    name: &'static str,
    url: String,
}

struct SecretRow {
    id: String,
    label: String,
    state: Tag,
    created: Moment,
    last_use: Option<Moment>,
    end: Option<End>,
}

pub struct SecretForm {
    pub label: Field,
    pub expiries: Vec<Choice>,
}

impl Default for SecretForm {
    fn default() -> Self {
        Self { label: Field::default(), expiries: credential::expiries("365") }
    }
}

const ENDPOINTS: [(&str, &str); 6] = [
    ("Metadata", "/.well-known/oauth-authorization-server"),
    ("Authorization", "/oauth/authorize"),
    ("Device authorization", "/oauth/device_authorization"),
    ("Token", "/oauth/token"),
    ("Revocation", "/oauth/revoke"),
    ("Introspection", "/oauth/introspect"),
];

pub async fn get(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<OwnAppPage>, PageError> {
    let client = find(&app, &visitor, &id).await?;
    let form = app_form::show(&app, &client.registration, false);
    page(&app, &visitor, &client, form, SecretForm::default()).await
}

pub async fn post(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Response, PageError> {
    let client = find(&app, &visitor, &id).await?;
    let registration = app_form::read(&posted, &client.registration)?;
    if let Err(invalid) = registration.check(app.config.scopes.all()) {
        let form = app_form::refuse(app_form::show(&app, &registration, false), &invalid);
        let page = page(&app, &visitor, &client, form, SecretForm::default()).await?;
        return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    }
    let mut tx = app.db.begin().await?;
    client::update(&mut tx, &client, &registration, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify("The changes are saved.").await?;
    Ok(Redirect::to(&format!("{DEVELOPER}/{id}")).into_response())
}

/// Also for a form of the page that was refused.
pub async fn page(
    app: &App,
    visitor: &Visitor,
    client: &Client,
    form: AppForm,
    secret_form: SecretForm,
) -> Result<Page<OwnAppPage>, PageError> {
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let secrets = secret::list(&mut db, client.id).await?;
    drop(db);
    let page = OwnAppPage {
        frame: visitor.frame(DEVELOPER).await?,
        app: OwnApp::new(client, now),
        endpoints: ENDPOINTS.map(|(name, path)| Endpoint { name, url: app.config.links.to(path) }).into(),
        has_secrets: client.registration.is_confidential(),
        secrets: secrets.into_iter().map(|secret| row(secret, now)).collect(),
        secret_form,
        form,
    };
    Ok(visitor.page(app, page))
}

fn row(secret: ClientSecret, now: Timestamp) -> SecretRow {
    let (state, end) = words::life(secret.expires_at, now);
    SecretRow {
        id: secret.id.to_string(),
        label: secret.label,
        state,
        created: words::moment(secret.created_at, now),
        last_use: secret.last_used_at.map(|at| words::moment(at, now)),
        end,
    }
}

/// An app of the organization; another's does not exist here.
pub async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<Client, PageError> {
    let gone = || PageError::not_found().way_on(DEVELOPER, "Developer apps");
    let id = ClientId::from_str(id).map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    let found = client::find(&mut db, id).await?;
    let own = |client: &Client| client.belongs_to(visitor.organization().id);
    found.map(ClientWithSecrets::into_client).filter(own).ok_or_else(gone)
}

pub async fn get_delete(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let client = find(&app, &visitor, &id).await?;
    let name = client.registration.name;
    let page = Confirm {
        frame: visitor.frame(DEVELOPER).await?,
        title: format!("Delete {name}?"),
        consequences: vec![
            "Everybody who allowed the app loses it at once: its tokens are refused from their next use on."
                .to_owned(),
            "Its client ID and secrets are gone, and cannot be used again.".to_owned(),
            "This cannot be undone.".to_owned(),
        ],
        action: format!("{DEVELOPER}/{id}/delete"),
        button: "Delete app",
        back: Link::new(format!("{DEVELOPER}/{id}"), name),
    };
    Ok(visitor.page(&app, page))
}

pub async fn delete(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let client = find(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    client::delete(&mut tx, client.organization_id, client.id, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify(format!("{} was deleted.", client.registration.name)).await?;
    Ok(Redirect::to(DEVELOPER))
}
