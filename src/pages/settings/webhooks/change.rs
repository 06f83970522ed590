//! `/settings/webhooks/{id}/rotate` and `…/delete`: changes that are asked about first.

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::response::Redirect;

use crate::app::App;
use crate::organizations::webhook;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Link;
use crate::pages::settings::Frame;
use crate::pages::settings::WEBHOOKS;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::overlap;
use crate::pages::settings::secret::ShownOnce;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::webhooks;
use crate::pages::settings::webhooks::detail;

#[derive(Template)]
#[template(path = "pages/settings/webhooks/rotate.html")]
pub struct RotateWebhook {
    frame: Frame,
    id: String,
    name: String,
    /// Carries the hexadecimal signature.
    signature_header: String,
    overlaps: Vec<Choice>,
}

pub async fn get_rotate(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<RotateWebhook>, PageError> {
    let endpoint = detail::find(&app, &visitor, &id).await?;
    let page = RotateWebhook {
        frame: visitor.frame(WEBHOOKS).await?,
        id,
        name: webhooks::row(&endpoint, visitor.act.at).name,
        signature_header: webhooks::signature_header(&app),
        overlaps: overlap::choices("From the next event on only the new secret signs."),
    };
    Ok(visitor.page(&app, page))
}

pub async fn rotate(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Page<ShownOnce>, PageError> {
    let overlap = overlap::read(&posted)?;
    let endpoint = detail::find(&app, &visitor, &id).await?;
    let whose = (visitor.organization().id, endpoint.id);
    let mut tx = app.db.begin().await?;
    let secret = webhook::rotate(&mut tx, whose, overlap.length, &app.secret, &visitor.act).await?;
    let secret = secret.ok_or_else(PageError::not_found)?;
    tx.commit().await?;
    let sentence = match overlap.end {
        None => "The old secret signs nothing more.".to_owned(),
        Some(end) => format!("The old secret ends {end}. Until then both sign."),
    };
    let back = Link::new(format!("{WEBHOOKS}/{id}"), "The webhook");
    webhooks::shown(&app, &visitor, ("The webhook has a new secret", sentence), &secret, back).await
}

pub async fn get_delete(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let endpoint = detail::find(&app, &visitor, &id).await?;
    let name = webhooks::row(&endpoint, visitor.act.at).name;
    let page = Confirm {
        frame: visitor.frame(WEBHOOKS).await?,
        title: format!("Delete the webhook “{name}”?"),
        consequences: vec![
            format!("Nothing more is sent to {}, not even what waits to be.", endpoint.url),
            "What was sent so far, and what was answered, is forgotten.".to_owned(),
            "This cannot be undone.".to_owned(),
        ],
        action: format!("{WEBHOOKS}/{id}/delete"),
        button: "Delete webhook",
        back: Link::new(format!("{WEBHOOKS}/{id}"), name),
    };
    Ok(visitor.page(&app, page))
}

pub async fn delete(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let endpoint = detail::find(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    webhook::delete(&mut tx, visitor.organization().id, endpoint.id, &visitor.act).await?;
    tx.commit().await?;
    let name = webhooks::row(&endpoint, visitor.act.at).name;
    visitor.notify(format!("The webhook “{name}” was deleted.")).await?;
    Ok(Redirect::to(WEBHOOKS))
}
