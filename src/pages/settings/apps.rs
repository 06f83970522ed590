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
use crate::grants::grant;
use crate::grants::grant::GrantSummary;
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
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

/// More than anybody connects by hand.
const LIMIT: i64 = 1000;

/// As its revocation is remembered.
const TAKEN_BACK: &str = "taken back by the person";

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
}

pub async fn list(State(app): State<App>, visitor: Visitor) -> Result<Page<Apps>, PageError> {
    let now = app.clock.now();
    let grants = find(&app, &visitor, now).await?;
    let page = Apps {
        frame: visitor.frame(APPS).await?,
        issuer_host: app.config.links.host().to_owned(),
        connected: by_app(&grants, &app.config.scopes, now),
    };
    Ok(visitor.page(&app, page))
}

async fn find(app: &App, visitor: &Visitor, now: Timestamp) -> Result<Vec<GrantSummary>, PageError> {
    let mut db = app.db.acquire().await?;
    Ok(grant::list(&mut db, Whose::Person(visitor.user().id), (None, LIMIT), now).await?)
}

/// An app connected on three devices has three grants, but is one app to the person.
fn by_app(grants: &[GrantSummary], catalog: &ScopeCatalog, now: Timestamp) -> Vec<ConnectedApp> {
    let mut groups: Vec<Vec<&GrantSummary>> = Vec::new();
    for grant in grants {
        match groups.iter_mut().find(|group| group[0].client_id == grant.client_id) {
            Some(group) => group.push(grant),
            None => groups.push(vec![grant]),
        }
    }
    groups.into_iter().map(|group| connected_app(&group, catalog, now)).collect()
}

fn connected_app(grants: &[&GrantSummary], catalog: &ScopeCatalog, now: Timestamp) -> ConnectedApp {
    let newest = grants[0];
    let mut organizations: Vec<Vec<&GrantSummary>> = Vec::new();
    for grant in grants {
        match organizations.iter_mut().find(|group| group[0].organization_id == grant.organization_id) {
            Some(group) => group.push(grant),
            None => organizations.push(vec![grant]),
        }
    }
    ConnectedApp {
        id: newest.client_id.to_string(),
        face: AppFace {
            name: newest.client_name.clone(),
            initials: words::initials(&newest.client_name),
            logo: newest.client_logo_url.clone(),
            publisher: newest.publisher.clone(),
            is_reviewed: newest.is_reviewed,
        },
        accesses: organizations.into_iter().map(|group| access(&group, catalog, now)).collect(),
    }
}

fn access(grants: &[&GrantSummary], catalog: &ScopeCatalog, now: Timestamp) -> Access {
    let newest = grants[0];
    let has = |name: &str| grants.iter().any(|grant| grant.scopes.contains(name));
    let mut resources: Vec<String> = grants.iter().flat_map(|grant| grant.resources.clone()).collect();
    resources.sort();
    resources.dedup();
    let last_use = grants.iter().filter_map(|grant| grant.last_used_at).max();
    Access {
        organization: newest.organization_name.clone(),
        scopes: catalog
            .entries()
            .iter()
            .filter(|entry| has(&entry.name))
            .map(|entry| entry.sentence.clone())
            .collect(),
        resources,
        granted: words::moment(newest.created_at, now),
        last_use: last_use.map(|at| words::moment(at, now)),
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
            "It is refused from its next request on, in every organization and on every device.".to_owned(),
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
    let mut db = app.db.acquire().await?;
    grant::revoke_all(&mut db, visitor.user().id, client, TAKEN_BACK, app.clock.now()).await?;
    drop(db);
    visitor.notify(format!("{name} no longer has access.")).await?;
    Ok(Redirect::to(APPS))
}

/// The app and its name, if it has access.
async fn find_connected(app: &App, visitor: &Visitor, id: &str) -> Result<(ClientId, String), PageError> {
    let gone = || PageError::not_found().way_on(APPS, "Connected apps");
    let id = ClientId::from_str(id).map_err(|_| gone())?;
    let grants = find(app, visitor, app.clock.now()).await?;
    let grant = grants.into_iter().find(|grant| grant.client_id == id).ok_or_else(gone)?;
    Ok((id, grant.client_name))
}
