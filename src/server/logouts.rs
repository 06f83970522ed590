//! Tells apps that a person has signed out (OpenID Connect Back-Channel Logout §2.5): takes what is due, sends each, and
//! notes how it went. No connection to the database is held while an app thinks.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::header;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::outgoing::Failure;
use crate::base::outgoing::Request;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::grants::logout_delivery;
use crate::grants::logout_delivery::Due;
use crate::grants::logout_delivery::Outcome;
use crate::grants::logout_token;
use crate::server::worker::Worker;

/// At once, to all apps together.
const AT_ONCE: i64 = 64;

/// How often is looked for them: a look-up in an index that holds only those to be made.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An app only has to note it; who takes longer must not hold up the others for long.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn start(app: &App) -> Worker {
    let app = app.clone();
    Worker::start(|stopped| deliver_all(app, stopped))
}

async fn deliver_all(app: App, mut stopped: oneshot::Receiver<()>) {
    loop {
        if let Err(error) = deliver_due(&app).await {
            tracing::warn!(error = format!("{error:#}"), "apps cannot be told of logouts; trying again");
        }
        tokio::select! {
            _ = &mut stopped => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Makes all deliveries that are due, and answers how many there were.
pub async fn deliver_due(app: &App) -> sqlx::Result<usize> {
    let mut count = 0;
    loop {
        let mut db = app.db.acquire().await?;
        let taken = logout_delivery::take(&mut db, AT_ONCE, app.clock.now()).await?;
        drop(db);
        if taken.is_empty() {
            return Ok(count);
        }
        count += taken.len();
        let mut under_way = JoinSet::new();
        for due in taken {
            let app = app.clone();
            under_way.spawn(async move {
                if let Err(error) = deliver(&app, &due).await {
                    // It will be made again when the lease is over.
                    tracing::warn!(client.id = %due.client_id, error = format!("{error:#}"), "a logout was not told");
                }
            });
        }
        under_way.join_all().await;
    }
}

async fn deliver(app: &App, due: &Due) -> anyhow::Result<()> {
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let found = client::find(&mut db, due.client_id).await?;
    drop(db);
    let client = found.map(ClientWithSecrets::into_client).filter(Client::works);
    let outcome = match &client {
        Some(client) => tell(app, client, due, now).await?,
        None => Outcome::Refused,
    };
    app.metrics.count_logout_delivery(outcome.name());
    let mut db = app.db.acquire().await?;
    if !logout_delivery::finish(&mut db, due, outcome, app.clock.now()).await? {
        tracing::info!(client.id = %due.client_id, "an app was not told of a logout, and will not be");
    }
    Ok(())
}

/// With a token of this moment: it does not live as long as a delivery may be tried.
async fn tell(app: &App, client: &Client, due: &Due, now: Timestamp) -> anyhow::Result<Outcome> {
    // Since the session ended the app has said that it no longer wants to hear.
    let Some(url) = &client.registration.backchannel_logout_uri else { return Ok(Outcome::Refused) };
    let token = logout_token::mint(&app.keys.current(), app.issuer(), client, due, now)?;
    let mut headers = HeaderMap::new();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form);
    // A JWT has no character that a form would encode.
    let body = format!("logout_token={}", token.expose()).into_bytes();
    let request = Request { method: Method::POST, url, headers, body, most: 0 };
    let answer = tokio::time::timeout(TIMEOUT, app.outgoing.send(request)).await;
    Ok(match answer {
        Ok(Ok(answer)) => outcome(answer.status.as_u16()),
        Ok(Err(Failure::Refused(_))) => Outcome::Refused,
        Ok(Err(_)) | Err(_) => Outcome::Failed,
    })
}

/// An app that says no is not told twice (Back-Channel Logout §2.5, §2.8); one that is too busy, or failed, is.
const fn outcome(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Heard,
        408 | 425 | 429 | 500 | 502..=599 => Outcome::Failed,
        _ => Outcome::Refused,
    }
}
