//! Sends webhooks: takes the deliveries that are due, sends each, and records how it went. No connection to the
//! database is held while a receiver thinks.

use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::header;
use sqlx::Acquire;
use sqlx::PgConnection;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use url::Url;

use crate::app::App;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::WebhookEndpointId;
use crate::base::mail::Mail;
use crate::base::outgoing::Request;
use crate::organizations::member;
use crate::organizations::organization;
use crate::organizations::webhook;
use crate::server::worker::Worker;
use crate::webhooks::due;
use crate::webhooks::due::Attempt;
use crate::webhooks::due::Due;
use crate::webhooks::due::Outcome;
use crate::webhooks::endpoint;
use crate::webhooks::signature;

/// At once, to all endpoints together.
const AT_ONCE: usize = 64;

/// How often is looked for deliveries: a look-up in an index that holds only those to be made.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is kept of an answer, in bytes.
const MOST_OF_ANSWER: usize = 1024;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

pub(super) fn start(app: &App) -> Worker {
    let app = app.clone();
    Worker::start(|stopped| deliver_all(app, stopped))
}

async fn deliver_all(app: App, mut stopped: oneshot::Receiver<()>) {
    let mut under_way = JoinSet::new();
    let mut whose = HashMap::new();
    loop {
        let (endpoints, organizations): (Vec<_>, Vec<_>) = whose.values().copied().unzip();
        match take(&app, (&endpoints, &organizations), AT_ONCE - under_way.len()).await {
            Ok(taken) => {
                for due in taken {
                    let (app, of) = (app.clone(), (due.endpoint, due.event.organization));
                    let task = under_way.spawn(async move { deliver(&app, &due).await });
                    whose.insert(task.id(), of);
                }
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "webhooks cannot be delivered; trying again");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        tokio::select! {
            _ = &mut stopped => break,
            // There is room for another.
            Some(ended) = under_way.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                whose.remove(&id);
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    under_way.join_all().await;
}

/// Makes all deliveries that are due, and answers how many there were. For tests, in which nothing happens by itself.
pub async fn deliver_due(app: &App) -> sqlx::Result<usize> {
    let mut count = 0;
    loop {
        let taken = take(app, (&[], &[]), AT_ONCE).await?;
        if taken.is_empty() {
            return Ok(count);
        }
        count += taken.len();
        let mut under_way = JoinSet::new();
        for due in taken {
            let app = app.clone();
            under_way.spawn(async move { deliver(&app, &due).await });
        }
        under_way.join_all().await;
    }
}

async fn take(
    app: &App,
    under_way: (&[WebhookEndpointId], &[OrganizationId]),
    most: usize,
) -> sqlx::Result<Vec<Due>> {
    if most == 0 {
        return Ok(Vec::new());
    }
    let mut db = app.db.acquire().await?;
    due::take(&mut db, under_way, i64::try_from(most).unwrap_or(i64::MAX), app.clock.now()).await
}

async fn deliver(app: &App, due: &Due) {
    let at = app.clock.now();
    let started = Instant::now();
    let outcome = match request(app, due, at) {
        Ok((headers, body)) => send(app, due, headers, body).await,
        Err(error) => {
            tracing::error!(delivery.id = %due.id, error = format!("{error:#}"), "a webhook cannot be signed");
            Outcome::Failed { problem: "This server could not sign the event".to_owned() }
        }
    };
    app.metrics.count_webhook_delivery(outcome.name());
    let duration_ms = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
    if let Err(error) = finish(app, due, &Attempt { at, duration_ms, outcome }).await {
        // It will be made again when the lease is over.
        tracing::warn!(delivery.id = %due.id, error = format!("{error:#}"), "a delivery was not recorded");
    }
}

/// The body, and headers with both signatures over it.
fn request(app: &App, due: &Due, at: Timestamp) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
    let sealed = [Some(&due.secret_sealed), due.previous_secret_sealed.as_ref()];
    let secrets: Vec<_> = sealed
        .into_iter()
        .flatten()
        .map(|sealed| endpoint::unseal(&app.secret, due.endpoint, sealed))
        .collect::<Result<_, _>>()?;
    let body = serde_json::to_vec(&due.event).context("an event is JSON")?;
    let signatures = signature::sign(&secrets, due.event.id, at, &body);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(app.config.webhook_signature_header.clone(), signatures.hex.try_into()?);
    headers.insert(ID, due.event.id.to_string().try_into()?);
    headers.insert(TIMESTAMP, at.timestamp().into());
    headers.insert(SIGNATURE, signatures.standard.try_into()?);
    Ok((headers, body))
}

async fn send(app: &App, due: &Due, headers: HeaderMap, body: Vec<u8>) -> Outcome {
    let request = Request { method: Method::POST, url: &due.url, headers, body, most: MOST_OF_ANSWER };
    match app.outgoing.send(request).await {
        Ok(answer) => Outcome::Answered {
            status: answer.status.as_u16(),
            // PostgreSQL keeps no NUL.
            answer: String::from_utf8_lossy(&answer.body).replace('\0', "\u{fffd}"),
        },
        Err(failure) => Outcome::Failed { problem: failure.to_string() },
    }
}

async fn finish(app: &App, due: &Due, attempt: &Attempt) -> anyhow::Result<()> {
    let now = app.clock.now();
    let mut connection = app.db.acquire().await?;
    let mut tx = connection.begin().await?;
    let Some(because) = due::finish(&mut tx, due, attempt, now).await? else {
        return Ok(tx.commit().await?);
    };
    let organization = due.event.organization;
    if let Some(endpoint) = endpoint::lock(&mut tx, organization, due.endpoint).await? {
        webhook::disable(&mut tx, organization, &endpoint, because, &Act::of_server(now)).await?;
    }
    tx.commit().await?;
    tell_managers(app, due, because, &mut connection).await
}

/// That an endpoint was disabled. Names only its host: the rest of a URL may be a secret.
async fn tell_managers(app: &App, due: &Due, because: &str, db: &mut PgConnection) -> anyhow::Result<()> {
    let organization = organization::find(db, due.event.organization).await?;
    let name = organization.map(|organization| organization.name).unwrap_or_default();
    let url = Url::parse(&due.url)?;
    let host = url.host_str().unwrap_or_default();
    let page = app.config.links.to(&format!("/settings/webhooks/{}", due.endpoint));
    let text = format!(
        "The webhook of {name} at {host} was disabled. {because}.\n\n\
         Nothing more is sent to it. When it works again, enable it here, and send again what was missed:\n\n\
         {page}\n"
    );
    for to in member::list_managers_emails(db, due.event.organization).await? {
        app.mailer.send(Mail {
            to,
            subject: format!("A webhook of {name} was disabled"),
            text: text.clone(),
        });
    }
    Ok(())
}
