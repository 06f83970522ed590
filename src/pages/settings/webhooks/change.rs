//! `/settings/webhooks/{id}/rotate` and `…/delete`: changes that are asked about first.

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::response::Redirect;
use chrono::TimeDelta;

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

const OVERLAPS: [(i64, &str, &str); 4] = [
    (0, "Now", "From the next event on only the new secret signs."),
    (3600, "In 1 hour", ""),
    (86_400, "In 24 hours", ""),
    (604_800, "In 7 days", ""),
];

pub async fn get_rotate(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<RotateWebhook>, PageError> {
    let endpoint = detail::find(&app, &visitor, &id).await?;
    let choice = |(seconds, label, hint): (i64, &str, &'static str)| Choice {
        value: seconds.to_string(),
        label: label.to_owned(),
        hint,
        is_checked: seconds == 0,
    };
    let page = RotateWebhook {
        frame: visitor.frame(WEBHOOKS).await?,
        id,
        name: webhooks::row(&endpoint, visitor.act.at).name,
        signature_header: webhooks::signature_header(&app),
        overlaps: OVERLAPS.map(choice).into(),
    };
    Ok(visitor.page(&app, page))
}

pub async fn rotate(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Page<ShownOnce>, PageError> {
    let chosen = posted.one("overlap_seconds")?;
    let overlap = OVERLAPS.iter().find(|(seconds, ..)| seconds.to_string() == chosen);
    let (seconds, when, _) =
        overlap.ok_or_else(|| PageError::bad_request("Choose when the old secret ends."))?;
    let endpoint = detail::find(&app, &visitor, &id).await?;
    let whose = (visitor.organization().id, endpoint.id);
    let mut tx = app.db.begin().await?;
    let overlap = TimeDelta::seconds(*seconds);
    let secret = webhook::rotate(&mut tx, whose, overlap, &app.secret, &visitor.act).await?;
    let secret = secret.ok_or_else(PageError::not_found)?;
    tx.commit().await?;
    let sentence = match seconds {
        0 => "The old secret signs nothing more.".to_owned(),
        _ => format!("The old secret ends {}. Until then both sign.", when.to_lowercase()),
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
