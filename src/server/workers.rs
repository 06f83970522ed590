//! What goes on beside the requests.

use std::time::Duration;

use chrono::TimeDelta;

use crate::accounts::browser_session;
use crate::accounts::throttle;
use crate::app::App;
use crate::grants::access_token;
use crate::grants::device;
use crate::grants::grant;
use crate::grants::pending_request;
use crate::grants::unused_client;
use crate::organizations::access_log;
use crate::organizations::idempotent_request;
use crate::organizations::invitation;
use crate::organizations::session;
use crate::signing::foreign::used_id;
use crate::webhooks::delivery;

const CLEAN_UP_EVERY: Duration = Duration::from_hours(1);

/// Runs until the process ends.
pub(super) fn start(app: &App) {
    tokio::spawn(clean_up_regularly(app.clone()));
}

async fn clean_up_regularly(app: App) {
    loop {
        if let Err(error) = clean_up(&app).await {
            tracing::warn!(error = format!("{error:#}"), "the clean-up failed; it will be tried again");
        }
        tokio::time::sleep(CLEAN_UP_EVERY).await;
    }
}

/// Removes rows that can never matter again.
pub async fn clean_up(app: &App) -> anyhow::Result<()> {
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    throttle::delete_old(&mut db, now).await?;
    browser_session::delete_expired(&mut db, now).await?;
    session::delete_dead(&mut db, now).await?;
    idempotent_request::delete_old(&mut db, now).await?;
    invitation::delete_old(&mut db, now).await?;
    access_token::delete_expired(&mut db, now).await?;
    used_id::delete_expired(&mut db, now).await?;
    device::delete_old(&mut db, now).await?;
    grant::delete_dead(&mut db, now).await?;
    pending_request::delete_expired(&mut db, now).await?;
    unused_client::delete_all(&mut db, now).await?;
    delivery::delete_old(&mut db, now).await?;
    access_log::drop_before(&mut db, (now - app.config.access_log_retention).date_naive()).await?;
    // Ahead of its time, so that no batch has to wait for it at midnight.
    access_log::create_day(&mut db, (now + TimeDelta::days(1)).date_naive()).await?;
    Ok(())
}
