//! An authorization request whose parameters do not stand in the browser's address: its client pushed them before
//! (RFC 9126).
//!
//! It counts until it is answered, not until it is seen: on the way to a decision the browser comes with the same
//! address again and again, after the sign-in, when the page is loaded anew, with the decision itself.

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;

/// `expires_in` (RFC 9126 §2.2): how soon a browser must come with a pushed request.
pub const BEGIN_WITHIN: TimeDelta = TimeDelta::seconds(90);
/// How long one that was begun in time may take: the person may have to register first, or to look for a password.
const ANSWER_WITHIN: TimeDelta = TimeDelta::minutes(30);

/// What every `request_uri` of ours begins with (RFC 9126 §2.2).
const URN: &str = "urn:ietf:params:oauth:request_uri:";
/// Random characters after it.
const LENGTH: usize = 32;

/// One that a browser has come with.
#[derive(Debug)]
pub struct PendingRequest {
    key: SecretHash,
    /// As a query.
    pub parameters: String,
    /// When a browser came with it first.
    pub begun_at: Timestamp,
}

/// Whether a `request_uri` has the shape of ours.
pub fn is_ours(request_uri: &str) -> bool {
    request_uri.starts_with(URN)
}

/// Keeps what the client pushed; the answer is the `request_uri`.
pub async fn push(
    db: &mut PgConnection,
    client: ClientId,
    parameters: &str,
    now: Timestamp,
) -> sqlx::Result<Secret> {
    let request_uri = Secret::generate(URN, LENGTH);
    sqlx::query!(
        "insert into pending_requests (key_hash, client_id, parameters, expires_at) values ($1, $2, $3, $4)",
        request_uri.hash() as SecretHash,
        client as ClientId,
        parameters,
        now + BEGIN_WITHIN,
    )
    .execute(db)
    .await?;
    Ok(request_uri)
}

/// A browser comes with it, for the first time or once more. `None` if the client pushed no such request, or it has
/// expired or was answered.
pub async fn begin(
    db: &mut PgConnection,
    client: ClientId,
    request_uri: &Secret,
    now: Timestamp,
) -> sqlx::Result<Option<PendingRequest>> {
    sqlx::query_as!(
        PendingRequest,
        r#"
        update pending_requests
           set expires_at = case when begun_at is null then $4 else expires_at end,
               begun_at = coalesce(begun_at, $3)
         where key_hash = $1
           and client_id = $2
           and expires_at > $3
        returning key_hash as "key: SecretHash", parameters, begun_at as "begun_at!"
        "#,
        request_uri.hash() as SecretHash,
        client as ClientId,
        now,
        now + ANSWER_WITHIN,
    )
    .fetch_optional(db)
    .await
}

/// What a request asks for that a browser has come with, for a page on the way.
pub async fn find_parameters(
    db: &mut PgConnection,
    client: ClientId,
    request_uri: &Secret,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select parameters from pending_requests where key_hash = $1 and client_id = $2 and begun_at is not null",
        request_uri.hash() as SecretHash,
        client as ClientId,
    )
    .fetch_optional(db)
    .await
}

/// With its answer. `false` if it was answered before: of several at once the first is the one.
pub async fn use_up(db: &mut PgConnection, request: &PendingRequest) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from pending_requests where key_hash = $1", &request.key as &SecretHash)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub async fn delete_expired(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from pending_requests where expires_at <= $1", now).execute(db).await?;
    Ok(())
}
