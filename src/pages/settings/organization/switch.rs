//! `/settings/switch`: which of their organizations a person wants to see.

use axum::response::Redirect;

use crate::gate::session;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::settings::ORGANIZATION;
use crate::pages::settings::visitor::Visitor;

pub async fn post(visitor: Visitor, posted: Form) -> Result<Redirect, PageError> {
    let asked = posted.one("organization")?;
    let mut organizations = visitor.signed_in.organizations.iter();
    let found = organizations.find(|organization| organization.id.to_string() == asked);
    let found = found.ok_or_else(|| PageError::not_found().way_on(ORGANIZATION, "Organization"))?;
    session::choose(&visitor.session, found.id).await?;
    // Not back to where they were: what that page showed is the other organization's.
    Ok(Redirect::to(ORGANIZATION))
}
