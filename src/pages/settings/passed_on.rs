//! `/settings/apps/parts/{id}`: what an app passed on of what it was given, and how to take that back alone.

use std::str::FromStr;

use axum::extract::Path;
use axum::extract::State;
use axum::response::Redirect;

use crate::app::App;
use crate::base::ids::GrantId;
use crate::grants::child;
use crate::grants::child::PassedOn;
use crate::grants::grant;
use crate::grants::grant::Whose;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Link;
use crate::pages::settings::APPS;
use crate::pages::settings::apps::TAKEN_BACK;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::visitor::Visitor;

/// As people know it: by what it is for, or else by who has it.
pub fn name(part: &PassedOn) -> &str {
    part.label.as_deref().unwrap_or(&part.client_name)
}

pub async fn get_remove(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let part = find(&app, &visitor, &id).await?;
    let page = Confirm {
        frame: visitor.frame(APPS).await?,
        title: format!("Remove the access of {}?", name(&part)),
        consequences: vec![
            "It is refused from its next request on.".to_owned(),
            "The app that passed access on keeps its own, and can pass it on again.".to_owned(),
        ],
        action: format!("{APPS}/parts/{}/remove", part.id),
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
    let part = find(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    grant::revoke(&mut tx, Whose::Person(visitor.user().id), part.id, TAKEN_BACK, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify(format!("{} no longer has access.", name(&part))).await?;
    Ok(Redirect::to(APPS))
}

async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<PassedOn, PageError> {
    let gone = || PageError::not_found().way_on(APPS, "Connected apps");
    let id = GrantId::from_str(id).map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    let parts = child::list(&mut db, visitor.user().id, app.clock.now()).await?;
    parts.into_iter().find(|part| part.id == id).ok_or_else(gone)
}
