//! `/settings/developer`: the OAuth apps that the organization offers.

pub mod app_form;
pub mod new;
pub mod own_app;
pub mod secrets;

use askama::Template;
use axum::extract::State;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::clients::client;
use crate::clients::client::Client;
use crate::organizations::plan;
use crate::pages::error::PageError;
use crate::pages::page::Page;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::DEVELOPER;
use crate::pages::settings::Frame;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/settings/developer/list.html")]
pub struct Developer {
    frame: Frame,
    /// Why no app can be created.
    obstacle: Option<String>,
    apps: Vec<OwnApp>,
}

/// An app as its makers see it.
pub struct OwnApp {
    /// Also its client ID.
    id: String,
    name: String,
    initials: String,
    kind: Tag,
    is_reviewed: bool,
    is_disabled: bool,
    created: Moment,
    last_use: Option<Moment>,
}

impl OwnApp {
    fn new(client: &Client, now: Timestamp) -> Self {
        let registration = &client.registration;
        Self {
            id: client.id.to_string(),
            name: registration.name.clone(),
            initials: words::initials(&registration.name),
            kind: Tag::new("", if registration.is_confidential() { "confidential" } else { "public" }),
            is_reviewed: client.is_reviewed,
            is_disabled: client.disabled_at.is_some(),
            created: words::moment(client.created_at, now),
            last_use: client.last_used_at.map(|at| words::moment(at, now)),
        }
    }
}

pub async fn list(State(app): State<App>, Manager(visitor): Manager) -> Result<Page<Developer>, PageError> {
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let clients = client::list(&mut db, visitor.organization().id).await?;
    drop(db);
    let page = Developer {
        frame: visitor.frame(DEVELOPER).await?,
        obstacle: obstacle(&app, &visitor).await?,
        apps: clients.iter().map(|client| OwnApp::new(client, now)).collect(),
    };
    Ok(visitor.page(&app, page))
}

/// Why the organization cannot have (more) apps: its plan.
async fn obstacle(app: &App, visitor: &Visitor) -> Result<Option<String>, PageError> {
    let organization = visitor.organization();
    if organization.plan.has_oauth_apps {
        return Ok(None);
    }
    let mut db = app.db.acquire().await?;
    let plan = plan::cheapest_with_oauth_apps(&mut db).await?;
    let way = plan.map(|plan| format!(" They are part of the plan {plan}.")).unwrap_or_default();
    let (name, plan) = (&organization.name, &organization.plan.name);
    Ok(Some(format!("{name} is on the plan {plan}, which has no OAuth apps.{way}")))
}
