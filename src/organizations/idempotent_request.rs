//! Requests that a caller may repeat without having them done twice (Idempotency-Key).

use chrono::TimeDelta;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::secret::sha256;

/// For how long an answer can be had again.
pub const MEMORY: TimeDelta = TimeDelta::hours(24);

/// A request that was begun and never ended, because its node died, may be begun again after this.
const ABANDONED: TimeDelta = TimeDelta::minutes(1);

/// Which request: keys of different credentials have nothing to do with each other.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    pub credential: [u8; 16],
    pub key: &'a str,
}

/// What is known of a request that is being sent.
#[derive(Debug)]
pub enum Known {
    /// Nothing: it is now noted as begun, and is the caller's to do.
    New,
    /// It is being done by somebody else.
    InProgress,
    /// The key was used for another request.
    Different,
    /// It was done; the answer's body is sealed.
    Done { status: u16, answer_sealed: Vec<u8> },
}

/// One statement notes the request, so that of several at once one is [`Known::New`].
pub async fn begin(
    db: &mut PgConnection,
    request: RequestKey<'_>,
    organization: OrganizationId,
    content: &[u8],
    now: Timestamp,
) -> sqlx::Result<Known> {
    let hash = sha256(content);
    let credential = Uuid::from_bytes(request.credential);
    let begun = sqlx::query!(
        r#"
        insert into idempotent_requests as known (credential_id, key, organization_id, request_hash, created_at)
        values ($1, $2, $3, $4, $5)
        on conflict (credential_id, key) do update
           set request_hash = $4, status = null, answer_sealed = null, created_at = $5
         where known.created_at < $6
            or (known.status is null and known.created_at < $7)
        "#,
        credential,
        request.key,
        organization as OrganizationId,
        &hash,
        now,
        now - MEMORY,
        now - ABANDONED,
    )
    .execute(&mut *db)
    .await?;
    if begun.rows_affected() > 0 {
        return Ok(Known::New);
    }
    let row = sqlx::query!(
        "select request_hash, status, answer_sealed from idempotent_requests where credential_id = $1 and key = $2",
        credential,
        request.key,
    )
    .fetch_optional(db)
    .await?;
    Ok(match row {
        Some(row) if row.request_hash != hash => Known::Different,
        Some(row) => match (row.status.and_then(|status| u16::try_from(status).ok()), row.answer_sealed) {
            (Some(status), Some(answer_sealed)) => Known::Done { status, answer_sealed },
            _ => Known::InProgress,
        },
        // Forgotten at this very moment.
        None => Known::InProgress,
    })
}

/// Keeps the answer for whoever asks again.
pub async fn finish(
    db: &mut PgConnection,
    request: RequestKey<'_>,
    status: u16,
    answer_sealed: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update idempotent_requests set status = $3, answer_sealed = $4 where credential_id = $1 and key = $2",
        Uuid::from_bytes(request.credential),
        request.key,
        i16::try_from(status).unwrap_or_default(),
        answer_sealed,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// After our own failure: the request may be sent again with the same key.
pub async fn forget(db: &mut PgConnection, request: RequestKey<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from idempotent_requests where credential_id = $1 and key = $2",
        Uuid::from_bytes(request.credential),
        request.key,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn delete_old(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from idempotent_requests where created_at < $1", now - MEMORY).execute(db).await?;
    Ok(())
}
