//! `/settings/apps`: the apps that a person gave access, and how to take it back.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::response::Redirect;

use crate::app::App;
use crate::app::scope_catalog::ScopeCatalog;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::clients::redirect_uri;
use crate::grants::child;
use crate::grants::child::PassedOn;
use crate::grants::connected_app;
use crate::grants::grant;
use crate::grants::grant::Whose;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::AppFace;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::settings::APPS;
use crate::pages::settings::Frame;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::passed_on;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

/// As its revocation is remembered.
pub(super) const TAKEN_BACK: &str = "taken back by the person";

#[derive(Template)]
#[template(path = "pages/settings/apps.html")]
pub struct Apps {
    frame: Frame,
    issuer_host: String,
    connected: Vec<ConnectedApp>,
}

struct ConnectedApp {
    id: String,
    face: AppFace,
    accesses: Vec<Access>,
}

/// What one app may do in one organization: all its grants there together.
struct Access {
    organization: String,
    scopes: Vec<String>,
    resources: Vec<String>,
    granted: Moment,
    last_use: Option<Moment>,
    parts: Vec<Part>,
}

/// What the app passed on of it.
struct Part {
    id: String,
    name: String,
    /// The app that has it, if the name does not say so.
    client: Option<String>,
    scopes: Vec<String>,
    since: Moment,
    last_use: Option<Moment>,
    end: Moment,
}

pub async fn list(State(app): State<App>, visitor: Visitor) -> Result<Page<Apps>, PageError> {
    let now = app.clock.now();
    let found = find(&app, &visitor, now).await?;
    let mut db = app.db.acquire().await?;
    let parts = child::list(&mut db, visitor.user().id, now).await?;
    drop(db);
    let page = Apps {
        frame: visitor.frame(APPS).await?,
        issuer_host: app.config.links.host().to_owned(),
        connected: by_app(found, &parts, &app.config.scopes, now),
    };
    Ok(visitor.page(&app, page))
}

async fn find(
    app: &App,
    visitor: &Visitor,
    now: Timestamp,
) -> Result<Vec<connected_app::ConnectedApp>, PageError> {
    let mut db = app.db.acquire().await?;
    Ok(connected_app::list(&mut db, visitor.user().id, now).await?)
}

/// One entry for each app, with what it may do in each organization.
fn by_app(
    found: Vec<connected_app::ConnectedApp>,
    parts: &[PassedOn],
    catalog: &ScopeCatalog,
    now: Timestamp,
) -> Vec<ConnectedApp> {
    let mut apps: Vec<ConnectedApp> = Vec::new();
    for row in found {
        let id = row.client_id.to_string();
        let of_row =
            |part: &&PassedOn| part.app_id == row.client_id && part.organization_id == row.organization_id;
        let parts = parts.iter().filter(of_row).map(|part| self::part(part, now)).collect();
        let access = access(&row, parts, catalog, now);
        match apps.iter_mut().find(|app| app.id == id) {
            Some(app) => app.accesses.push(access),
            None => apps.push(ConnectedApp { id, face: face(row), accesses: vec![access] }),
        }
    }
    apps
}

fn face(row: connected_app::ConnectedApp) -> AppFace {
    AppFace {
        initials: words::initials(&row.client_name),
        name: row.client_name,
        publisher: row.publisher.unwrap_or_else(|| match &row.client_metadata_url {
            Some(url) => redirect_uri::host_for_people(url),
            None => "itself; nobody answers for it".to_owned(),
        }),
        is_reviewed: row.is_reviewed,
    }
}

fn access(
    row: &connected_app::ConnectedApp,
    parts: Vec<Part>,
    catalog: &ScopeCatalog,
    now: Timestamp,
) -> Access {
    let entries = catalog.entries_for_people().iter().filter(|entry| row.scopes.contains(&entry.name));
    Access {
        organization: row.organization_name.clone(),
        scopes: entries.map(|entry| entry.sentence.clone()).collect(),
        resources: row.resources.clone(),
        granted: words::moment(row.first_granted_at, now),
        last_use: row.last_used_at.map(|at| words::moment(at, now)),
        parts,
    }
}

fn part(part: &PassedOn, now: Timestamp) -> Part {
    Part {
        id: part.id.to_string(),
        name: passed_on::name(part).to_owned(),
        client: part.label.is_some().then(|| part.client_name.clone()),
        scopes: part.scopes.iter().map(str::to_owned).collect(),
        since: words::moment(part.created_at, now),
        last_use: part.last_used_at.map(|at| words::moment(at, now)),
        end: words::moment(part.expires_at, now),
    }
}

pub async fn get_remove(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let (_, name) = find_connected(&app, &visitor, &id).await?;
    let page = Confirm {
        frame: visitor.frame(APPS).await?,
        title: format!("Remove the access of {name}?"),
        consequences: vec![
            "It is refused from its next request on, in every organization and on every device, and so is whatever it \
             passed access on to."
                .to_owned(),
            "Data that it has copied already stays with it.".to_owned(),
            "It can ask for access again, and you will be asked.".to_owned(),
        ],
        action: format!("{APPS}/{id}/remove"),
        button: "Remove access",
        back: Link::new(APPS, "Connected apps"),
    };
    Ok(visitor.page(&app, page))
}

pub async fn remove(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let (client, name) = find_connected(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    let whose = Whose::Person(visitor.user().id);
    grant::revoke_all(&mut tx, whose, Some(client), TAKEN_BACK, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify(format!("{name} no longer has access.")).await?;
    Ok(Redirect::to(APPS))
}

/// The app and its name, if it has access.
async fn find_connected(app: &App, visitor: &Visitor, id: &str) -> Result<(ClientId, String), PageError> {
    let gone = || PageError::not_found().way_on(APPS, "Connected apps");
    let id = ClientId::from_str(id).map_err(|_| gone())?;
    let found = find(app, visitor, app.clock.now()).await?;
    let row = found.into_iter().find(|row| row.client_id == id).ok_or_else(gone)?;
    Ok((id, row.client_name))
}
