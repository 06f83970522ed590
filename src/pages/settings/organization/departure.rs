//! `/settings/organization/leave`

use axum::extract::State;
use axum::response::Redirect;

use crate::app::App;
use crate::grants::membership;
use crate::organizations::member::Role;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Link;
use crate::pages::settings::ORGANIZATION;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::organization::members::check;
use crate::pages::settings::visitor::Visitor;

pub async fn get(State(app): State<App>, visitor: Visitor) -> Result<Page<Confirm>, PageError> {
    if visitor.role() == Role::Owner {
        let sentence = "You are the owner: hand the organization over to somebody first.";
        return Err(PageError::forbidden(sentence).way_on(ORGANIZATION, "Organization"));
    }
    let page = Confirm {
        frame: visitor.frame(ORGANIZATION).await?,
        title: format!("Leave {}?", visitor.organization().name),
        consequences: vec![
            "Apps that you allowed to use its data lose that access at once.".to_owned(),
            "API keys that you made stay: those belong to the organization.".to_owned(),
            "To come back, you have to be invited again.".to_owned(),
        ],
        action: format!("{ORGANIZATION}/leave"),
        button: "Leave",
        back: Link::new(ORGANIZATION, "Organization"),
    };
    Ok(visitor.page(&app, page))
}

pub async fn post(State(app): State<App>, visitor: Visitor, _posted: Form) -> Result<Redirect, PageError> {
    let mut tx = app.db.begin().await?;
    check(membership::end(&mut tx, visitor.organization().id, visitor.user().id, &visitor.act).await?)?;
    tx.commit().await?;
    visitor.notify(format!("You left {}.", visitor.organization().name)).await?;
    // To another organization, or to the page for those who belong to none.
    Ok(Redirect::to(ORGANIZATION))
}
