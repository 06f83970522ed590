//! The device code grant (RFC 8628 §3.4): a device asks whether its person has decided.

use sqlx::Connection;

use crate::app::App;
use crate::audit::act::Act;
use crate::base::ids::GrantId;
use crate::clients::client::Client;
use crate::grants::device;
use crate::grants::device::Polled;
use crate::grants::generation;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::token::Given;
use crate::oauth::token::TokenResponse;
use crate::oauth::token::answer_for;

pub(super) async fn exchange(
    app: &App,
    client: &Client,
    params: &Params,
    act: &Act,
    key: Option<&str>,
) -> Result<TokenResponse, OAuthError> {
    let device_code = params.required_secret("device_code")?;
    // What it names is looked at before the poll is counted.
    resource::asked(params, &app.config)?;
    let now = act.at;
    let mut db = app.db.acquire().await?;

    // Committed whatever the answer is: also a refused poll counts.
    let mut tx = db.begin().await?;
    let polled = device::poll(&mut tx, &device_code.hash(), client.id, now).await?;
    tx.commit().await?;
    let id = granted(polled)?;

    let Some(grant) = generation::find_by_id(&mut db, id).await? else {
        return Err(ErrorCode::InvalidGrant.because("the person may not act for the organization any more"));
    };
    if grant.revoked_at.is_some() {
        return Err(ErrorCode::InvalidGrant.because("the grant was revoked"));
    }
    let used = || ErrorCode::InvalidGrant.because("the device code was used before");
    if grant.generation != 0 {
        return Err(used());
    }
    let resources = resource::narrowed(params, &app.config, &grant.resources)?;
    let bound_to = key.filter(|_| !client.registration.is_confidential());
    let with = (app.keys.current().newest_token_key(), bound_to);
    // Of several polls at once one moves the grant on. The others are an impatient device, not a thief: nothing is
    // revoked.
    let grant = generation::move_on(&mut db, &grant, with, now).await?.ok_or_else(used)?;
    let given = Given { grant: &grant, scopes: &grant.scopes, resources: &resources, key, nonce: None };
    drop(db);
    answer_for(app, client, given, now).await
}

/// RFC 8628 §3.5.
fn granted(polled: Option<Polled>) -> Result<GrantId, OAuthError> {
    let (code, description) = match polled {
        Some(Polled::Granted(grant)) => return Ok(grant),
        Some(Polled::Waiting) => (ErrorCode::AuthorizationPending, "the person has not decided yet"),
        Some(Polled::TooSoon) => {
            (ErrorCode::SlowDown, "the device asks too often: 5 seconds more from now on")
        }
        Some(Polled::Refused) => (ErrorCode::AccessDenied, "the person refused"),
        Some(Polled::Expired) => (ErrorCode::ExpiredToken, "the device code has ended"),
        None => (ErrorCode::InvalidGrant, "the device code is unknown or was issued to another client"),
    };
    Err(code.because(description))
}
