//! An authorization request whose parameters do not stand in the browser's address as they are: its client pushed them
//! before (RFC 9126), or signed them as one object (RFC 9101).
//!
//! It counts until it is answered, not until it is seen: on the way to a decision the browser comes with the same
//! address again and again, after the sign-in, when the page is loaded anew, with the decision itself. Meanwhile an
//! object may run out, which many clients sign for a minute.

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::signing::foreign::used_id;
use crate::signing::foreign::used_id::UsedId;

/// `expires_in` (RFC 9126 §2.2): how soon a browser must come with a pushed request.
pub const BEGIN_WITHIN: TimeDelta = TimeDelta::seconds(90);
/// How long one that was begun in time may take: the person may have to register first, or to look for a password.
const ANSWER_WITHIN: TimeDelta = TimeDelta::minutes(30);

/// What every `request_uri` of ours begins with (RFC 9126 §2.2).
const URN: &str = "urn:ietf:params:oauth:request_uri:";
/// Random characters after it.
const LENGTH: usize = 32;

#[derive(Debug, Clone, Copy)]
pub struct NewRequest<'a> {
    pub client: ClientId,
    /// As a query.
    pub parameters: &'a str,
    /// The parameters come from a request object.
    pub is_signed: bool,
}

/// Of a request object that counts once.
#[derive(Debug, Clone)]
pub struct ObjectId {
    /// `jti`
    pub id: String,
    /// From then on the object is refused because of its age.
    pub expires_at: Timestamp,
}

/// One that a browser has come with.
#[derive(Debug)]
pub struct PendingRequest {
    key: SecretHash,
    client_id: ClientId,
    /// As a query.
    pub parameters: String,
    /// The parameters come from a request object.
    pub is_signed: bool,
    /// When a browser came with it first.
    pub begun_at: Timestamp,
}

/// Whether a `request_uri` has the shape of ours.
pub fn is_ours(request_uri: &str) -> bool {
    request_uri.starts_with(URN)
}

/// Keeps what the client pushed; the answer is the `request_uri`.
pub async fn push(db: &mut PgConnection, new: NewRequest<'_>, now: Timestamp) -> sqlx::Result<Secret> {
    let request_uri = Secret::generate(URN, LENGTH);
    sqlx::query!(
        r#"
        insert into pending_requests (key_hash, client_id, parameters, is_signed, expires_at)
        values ($1, $2, $3, $4, $5)
        "#,
        request_uri.hash() as SecretHash,
        new.client as ClientId,
        new.parameters,
        new.is_signed,
        now + BEGIN_WITHIN,
    )
    .execute(db)
    .await?;
    Ok(request_uri)
}

/// Keeps what a browser has come with as an `object`; of several that do so at once all get the same.
pub async fn keep(
    db: &mut PgConnection,
    object: &Secret,
    new: NewRequest<'_>,
    id: Option<&ObjectId>,
    now: Timestamp,
) -> sqlx::Result<PendingRequest> {
    sqlx::query_as!(
        PendingRequest,
        r#"
        insert into pending_requests
               (key_hash, client_id, parameters, is_signed, object_id, object_expires_at, begun_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (key_hash) do update
           set begun_at = excluded.begun_at, expires_at = excluded.expires_at
        returning key_hash as "key: SecretHash", client_id as "client_id: ClientId", parameters, is_signed,
                  begun_at as "begun_at!"
        "#,
        object.hash() as SecretHash,
        new.client as ClientId,
        new.parameters,
        new.is_signed,
        id.map(|id| &id.id),
        id.map(|id| id.expires_at),
        now,
        now + ANSWER_WITHIN,
    )
    .fetch_one(db)
    .await
}

/// A browser comes with a `request_uri`, or once more with an object. `None` if it is not one of the client's, or has
/// expired or was answered.
pub async fn begin(
    db: &mut PgConnection,
    client: ClientId,
    key: &Secret,
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
        returning key_hash as "key: SecretHash", client_id as "client_id: ClientId", parameters, is_signed,
                  begun_at as "begun_at!"
        "#,
        key.hash() as SecretHash,
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
    key: &Secret,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select parameters from pending_requests where key_hash = $1 and client_id = $2 and begun_at is not null",
        key.hash() as SecretHash,
        client as ClientId,
    )
    .fetch_optional(db)
    .await
}

/// With its answer, in one transaction. `false` if it was answered before: of several at once the first is the one.
pub async fn use_up(db: &mut PgConnection, request: &PendingRequest) -> sqlx::Result<bool> {
    let row = sqlx::query!(
        "delete from pending_requests where key_hash = $1 returning object_id, object_expires_at",
        &request.key as &SecretHash,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(false) };
    match (row.object_id, row.object_expires_at) {
        (Some(id), Some(expires_at)) => use_object(db, request.client_id, &ObjectId { id, expires_at }).await,
        _ => Ok(true),
    }
}

/// `false` if an object of the client with this id was used before.
pub async fn use_object(db: &mut PgConnection, client: ClientId, object: &ObjectId) -> sqlx::Result<bool> {
    let issuer = client.to_string();
    let id = UsedId { purpose: "request_object", issuer: &issuer, id: &object.id };
    used_id::use_once(db, id, object.expires_at).await
}

pub async fn delete_expired(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from pending_requests where expires_at <= $1", now).execute(db).await?;
    Ok(())
}
