//! `/admin/apps`: every registered app, and whether the operator vouches for it. Those that registered themselves are
//! there once a person has let them in, and before that for whoever has their identifier.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::response::Redirect;

use crate::app::App;
use crate::base::ids::ClientId;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::redirect_uri;
use crate::clients::standing;
use crate::pages::admin::APPS;
use crate::pages::admin::Asked;
use crate::pages::admin::LIMIT;
use crate::pages::admin::Superadmin;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::settings::Frame;
use crate::pages::settings::confirm::Confirm;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/admin/apps.html")]
pub struct Apps {
    frame: Frame,
    q: String,
    rows: Vec<Row>,
    older: Option<String>,
}

#[expect(clippy::struct_excessive_bools, reason = "each shows by itself")]
struct Row {
    id: String,
    /// As apps write it.
    identifier: String,
    name: String,
    /// By whom, or how it came.
    origin: String,
    registered_itself: bool,
    is_in_quarantine: bool,
    homepage: Option<String>,
    redirect_uris: Vec<String>,
    scopes: Vec<String>,
    is_reviewed: bool,
    is_disabled: bool,
    created: Moment,
}

pub async fn get(
    State(app): State<App>,
    superadmin: Superadmin,
    Query(asked): Query<Asked>,
) -> Result<Page<Apps>, PageError> {
    let before = asked.before.as_deref().and_then(|id| id.parse().ok());
    let mut db = app.db.acquire().await?;
    let mut found = client::search(&mut db, asked.text(), (before, LIMIT + 1)).await?;
    drop(db);
    let older = paging::cut(&mut found, LIMIT).map(|last| asked.older(APPS, &last.id.to_string()));
    let now = app.clock.now();
    let row = |client: Client| Row {
        id: client.id.to_string(),
        identifier: client.identifier(),
        origin: origin(&client),
        registered_itself: client.registered_itself(),
        is_in_quarantine: client.is_in_quarantine(),
        name: client.registration.name,
        homepage: client.registration.homepage_url,
        redirect_uris: client.registration.redirect_uris,
        scopes: client.registration.scopes.iter().map(str::to_owned).collect(),
        is_reviewed: client.is_reviewed,
        is_disabled: client.disabled_at.is_some(),
        created: words::moment(client.created_at, now),
    };
    let page = Apps {
        frame: superadmin.frame(APPS).await?,
        q: asked.text().to_owned(),
        rows: found.into_iter().map(row).collect(),
        older,
    };
    Ok(superadmin.0.page(&app, page))
}

fn origin(client: &Client) -> String {
    match (&client.publisher, &client.metadata_url) {
        (Some(publisher), _) => format!("by {publisher}"),
        (None, Some(url)) => format!("Describes itself at {}", redirect_uri::host_for_people(url)),
        (None, None) => "Registered itself".to_owned(),
    }
}

/// Only of one that registered itself: others are their organization's to delete.
async fn find_own(app: &App, id: &str) -> Result<Client, PageError> {
    let gone = || PageError::not_found().way_on(APPS, "Apps");
    let id = ClientId::from_str(id).map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    let found = client::find(&mut db, id).await?.map(ClientWithSecrets::into_client);
    found.filter(Client::registered_itself).ok_or_else(gone)
}

pub async fn get_delete(
    State(app): State<App>,
    superadmin: Superadmin,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let client = find_own(&app, &id).await?;
    let page = Confirm {
        frame: superadmin.frame(APPS).await?,
        title: format!("Delete {}?", client.registration.name),
        consequences: vec![
            "It is refused from its next request on, for everybody who let it in.".to_owned(),
            "It can register itself again. To keep it away, disable it and leave it here.".to_owned(),
        ],
        action: format!("{APPS}/{id}/delete"),
        button: "Delete app",
        back: Link::new(APPS, "Apps"),
    };
    Ok(superadmin.0.page(&app, page))
}

pub async fn delete(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let client = find_own(&app, &id).await?;
    let mut tx = app.db.begin().await?;
    client::delete(&mut tx, None, client.id, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify(format!("{} is deleted.", client.registration.name)).await?;
    Ok(Redirect::to(APPS))
}

/// `reviewed` or `disabled`, set to `true` or `false`.
pub async fn change(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Redirect, PageError> {
    let gone = || PageError::not_found().way_on(APPS, "Apps");
    let id = ClientId::from_str(&id).map_err(|_| gone())?;
    let mut tx = app.db.begin().await?;
    let found = client::find(&mut tx, id).await?.ok_or_else(gone)?.client;
    let name = &found.registration.name;
    let words = match posted.one("change")? {
        "review" => {
            standing::set_reviewed(&mut tx, id, true, &visitor.act).await?;
            format!("{name} is reviewed.")
        }
        "unreview" => {
            standing::set_reviewed(&mut tx, id, false, &visitor.act).await?;
            format!("{name} is no longer reviewed.")
        }
        "disable" => {
            standing::set_disabled(&mut tx, &found, true, &visitor.act).await?;
            format!("{name} is disabled.")
        }
        "enable" => {
            standing::set_disabled(&mut tx, &found, false, &visitor.act).await?;
            format!("{name} is enabled.")
        }
        _ => return Err(PageError::bad_request("Choose one of the changes that the page offers.")),
    };
    tx.commit().await?;
    visitor.notify(words).await?;
    Ok(Redirect::to(APPS))
}
