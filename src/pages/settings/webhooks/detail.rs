//! `/settings/webhooks/{id}`: one endpoint, what was sent to it, and how it may be changed.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;
use sqlx::PgTransaction;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::WebhookDeliveryId;
use crate::base::ids::WebhookEndpointId;
use crate::organizations::webhook;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::Frame;
use crate::pages::settings::WEBHOOKS;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::settings::webhooks;
use crate::pages::settings::webhooks::EndpointForm;
use crate::pages::settings::webhooks::EndpointRow;
use crate::pages::words;
use crate::webhooks::delivery;
use crate::webhooks::delivery::Delivery;
use crate::webhooks::delivery::State as DeliveryState;
use crate::webhooks::endpoint;
use crate::webhooks::endpoint::Endpoint;
use crate::webhooks::event;

/// Deliveries on one page.
const LIMIT: i64 = 20;

#[derive(Template)]
#[template(path = "pages/settings/webhooks/detail.html")]
pub struct WebhookPage {
    frame: Frame,
    endpoint: EndpointRow,
    /// If it is disabled: why, and since when.
    disabled: Option<(String, Moment)>,
    failing_since: Option<Moment>,
    /// Until when the old secret signs, too.
    overlap: Option<Moment>,
    /// Carries the hexadecimal signature.
    signature_header: String,
    deliveries: Vec<DeliveryRow>,
    /// Address of the next page.
    older: Option<String>,
    form: EndpointForm,
}

struct DeliveryRow {
    id: String,
    event: String,
    state: Tag,
    created: Moment,
    next: Option<Moment>,
    attempts: Vec<AttemptRow>,
    /// As it is sent.
    body: String,
}

struct AttemptRow {
    when: Moment,
    /// What came back: a status or a problem.
    outcome: Tag,
    duration: String,
    /// Empty if there was none.
    answer: String,
}

#[derive(Deserialize)]
pub struct Asked {
    before: Option<WebhookDeliveryId>,
}

pub async fn get(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Page<WebhookPage>, PageError> {
    let endpoint = find(&app, &visitor, &id).await?;
    let form = webhooks::form(&endpoint.settings());
    page(&app, &visitor, endpoint, asked.before, form).await
}

async fn page(
    app: &App,
    visitor: &Visitor,
    endpoint: Endpoint,
    before: Option<WebhookDeliveryId>,
    form: EndpointForm,
) -> Result<Page<WebhookPage>, PageError> {
    let now = visitor.act.at;
    let mut db = app.db.acquire().await?;
    let mut found = delivery::list(&mut db, endpoint.id, before, LIMIT + 1).await?;
    drop(db);
    let older = paging::cut(&mut found, LIMIT)
        .map(|delivery| format!("{WEBHOOKS}/{}?before={}", endpoint.id, delivery.id));
    let overlap = endpoint.previous_until.filter(|until| *until > now);
    let moment = |at| words::moment(at, now);
    let page = WebhookPage {
        frame: visitor.frame(WEBHOOKS).await?,
        endpoint: webhooks::row(&endpoint, now),
        disabled: endpoint.disabled_because.zip(endpoint.disabled_at.map(moment)),
        failing_since: endpoint.failing_since.map(moment),
        overlap: overlap.map(moment),
        signature_header: webhooks::signature_header(app),
        deliveries: found.into_iter().map(|delivery| delivery_row(delivery, now)).collect(),
        older,
        form,
    };
    Ok(visitor.page(app, page))
}

fn delivery_row(delivery: Delivery, now: Timestamp) -> DeliveryRow {
    let state = match delivery.state() {
        DeliveryState::Delivered => Tag::new("ok", "delivered"),
        DeliveryState::Pending if delivery.attempts.is_empty() => Tag::new("", "waiting"),
        DeliveryState::Pending => Tag::new("warn", "will be tried again"),
        DeliveryState::Failed => Tag::new("danger", "not delivered"),
    };
    DeliveryRow {
        id: delivery.id.to_string(),
        state,
        created: words::moment(delivery.created_at, now),
        next: delivery.next_attempt_at.filter(|at| *at > now).map(|at| words::moment(at, now)),
        body: serde_json::to_string_pretty(&delivery.event).unwrap_or_default(),
        event: delivery.event.kind,
        attempts: delivery.attempts.into_iter().rev().map(|attempt| attempt_row(attempt, now)).collect(),
    }
}

fn attempt_row(attempt: delivery::Attempt, now: Timestamp) -> AttemptRow {
    let outcome = match (attempt.status, attempt.problem) {
        (Some(status @ 200..=299), _) => Tag::new("ok", status.to_string()),
        (Some(status), _) => Tag::new("danger", status.to_string()),
        (None, problem) => Tag::new("danger", problem.unwrap_or_default()),
    };
    AttemptRow {
        when: words::moment(attempt.at, now),
        outcome,
        duration: format!("{} ms", attempt.duration_ms),
        answer: attempt.answer.unwrap_or_default(),
    }
}

pub async fn update(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Response, PageError> {
    let typed = webhooks::read(&posted)?;
    let settings = match typed.clone().checked(&app.outgoing) {
        Ok(settings) => settings,
        Err(invalid) => {
            let endpoint = find(&app, &visitor, &id).await?;
            let page = page(&app, &visitor, endpoint, None, webhooks::refused(&typed, &invalid)).await?;
            return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
        }
    };
    let mut tx = app.db.begin().await?;
    let endpoint = lock(&mut tx, &visitor, &id).await?;
    let organization = visitor.organization().id;
    webhook::update(&mut tx, organization, &endpoint, &settings, &visitor.act).await?;
    tx.commit().await?;
    back(&visitor, &id, "The changes are saved.").await.map(IntoResponse::into_response)
}

pub async fn enable(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let mut tx = app.db.begin().await?;
    let endpoint = lock(&mut tx, &visitor, &id).await?;
    webhook::enable(&mut tx, visitor.organization().id, &endpoint, &visitor.act).await?;
    tx.commit().await?;
    back(&visitor, &id, "The webhook is enabled.").await
}

pub async fn disable(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let mut tx = app.db.begin().await?;
    let endpoint = lock(&mut tx, &visitor, &id).await?;
    let organization = visitor.organization().id;
    webhook::disable(&mut tx, organization, &endpoint, webhook::BY_HAND, &visitor.act).await?;
    tx.commit().await?;
    back(&visitor, &id, "The webhook is disabled: nothing more is sent to it.").await
}

pub async fn test(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let mut tx = app.db.begin().await?;
    let endpoint = lock_enabled(&mut tx, &visitor, &id).await?;
    event::emit_test(&mut tx, visitor.organization().id, endpoint.id, visitor.act.at).await?;
    tx.commit().await?;
    back(&visitor, &id, "A test event is on its way. Load this page again to see what was answered.").await
}

pub async fn redeliver(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path((id, delivery)): Path<(String, String)>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let gone = || PageError::not_found().way_on(&format!("{WEBHOOKS}/{id}"), "Back to the webhook");
    let mut tx = app.db.begin().await?;
    let endpoint = lock_enabled(&mut tx, &visitor, &id).await?;
    let delivery = WebhookDeliveryId::from_str(&delivery).map_err(|_| gone())?;
    if !delivery::redeliver(&mut tx, endpoint.id, delivery, visitor.act.at).await? {
        return Err(gone());
    }
    tx.commit().await?;
    back(&visitor, &id, "The event is sent again. Load this page again to see what was answered.").await
}

async fn back(visitor: &Visitor, id: &str, notice: &str) -> Result<Redirect, PageError> {
    visitor.notify(notice).await?;
    Ok(Redirect::to(&format!("{WEBHOOKS}/{id}")))
}

/// An endpoint of the organization; another's does not exist here.
pub async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<Endpoint, PageError> {
    let id = WebhookEndpointId::from_str(id).map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    endpoint::find(&mut db, visitor.organization().id, id).await?.ok_or_else(gone)
}

async fn lock(tx: &mut PgTransaction<'_>, visitor: &Visitor, id: &str) -> Result<Endpoint, PageError> {
    let id = WebhookEndpointId::from_str(id).map_err(|_| gone())?;
    endpoint::lock(tx, visitor.organization().id, id).await?.ok_or_else(gone)
}

async fn lock_enabled(
    tx: &mut PgTransaction<'_>,
    visitor: &Visitor,
    id: &str,
) -> Result<Endpoint, PageError> {
    let endpoint = lock(tx, visitor, id).await?;
    if endpoint.disabled_at.is_some() {
        let refused =
            PageError::bad_request("The webhook is disabled, so nothing is sent to it. Enable it first.");
        return Err(refused.way_on(&format!("{WEBHOOKS}/{id}"), "Back to the webhook"));
    }
    Ok(endpoint)
}

fn gone() -> PageError {
    PageError::not_found().way_on(WEBHOOKS, "Webhooks")
}
