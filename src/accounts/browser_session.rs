//! Sessions of browsers: what tower-sessions keeps of them in PostgreSQL, and a person's list of their own.
//!
//! The cookie holds 128 random bits, the row their SHA-256: a stolen database opens no session. Saving only
//! ever updates, so a request that was under way cannot bring a revoked session back.

use std::collections::HashMap;
use std::fmt;

use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::types::Json;
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::Id;
use tower_sessions::session::Record;
use tower_sessions::session_store;

use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::ids::BrowserSessionId;
use crate::base::ids::UserId;
use crate::base::secret::sha256;

/// Without a visit for this long, a session ends.
const IDLE: TimeDelta = TimeDelta::days(14);

/// Visits are noted no more often than this: a page view should not cost a write.
const NOTE_VISITS_EVERY: TimeDelta = TimeDelta::minutes(5);

/// Under which name [`SignIn`] stands in a session.
pub const SIGN_IN: &str = "sign_in";

/// Who signed in, when and from where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignIn {
    pub session_id: BrowserSessionId,
    pub user_id: UserId,
    /// `auth_time`.
    pub at: Timestamp,
    pub address: String,
    pub user_agent: String,
}

/// A row of a person's own list.
#[derive(Debug)]
pub struct BrowserSession {
    pub id: BrowserSessionId,
    pub sign_in: SignIn,
    /// To within five minutes.
    pub last_seen_at: Timestamp,
}

/// The live sessions of a person, the one seen last first.
pub async fn list(db: &mut PgConnection, user: UserId, now: Timestamp) -> sqlx::Result<Vec<BrowserSession>> {
    let rows = sqlx::query!(
        r#"
        select id as "id: BrowserSessionId", data -> 'sign_in' as "sign_in!: Json<serde_json::Value>", last_seen_at
          from browser_sessions
         where user_id = $1
           and expires_at > $2
         order by last_seen_at desc, id desc
        "#,
        user as UserId,
        now,
    )
    .fetch_all(db)
    .await?;
    // What another release wrote, and this one cannot read, is no session here either.
    let session = |(id, sign_in, last_seen_at): (BrowserSessionId, serde_json::Value, Timestamp)| {
        SignIn::deserialize(sign_in).ok().map(|sign_in| BrowserSession { id, sign_in, last_seen_at })
    };
    Ok(rows.into_iter().filter_map(|row| session((row.id, row.sign_in.0, row.last_seen_at))).collect())
}

/// `false` if the person has no such session.
pub async fn revoke(db: &mut PgConnection, user: UserId, id: BrowserSessionId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "delete from browser_sessions where id = $1 and user_id = $2",
        id as BrowserSessionId,
        user as UserId,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends all sessions of a person but one, and answers which.
pub async fn revoke_others(
    db: &mut PgConnection,
    user: UserId,
    keep: BrowserSessionId,
) -> sqlx::Result<Vec<BrowserSessionId>> {
    sqlx::query_scalar!(
        r#"delete from browser_sessions where user_id = $1 and id <> $2 returning id as "id: BrowserSessionId""#,
        user as UserId,
        keep as BrowserSessionId,
    )
    .fetch_all(db)
    .await
}

pub async fn delete_expired(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from browser_sessions where expires_at < $1", now).execute(db).await?;
    Ok(())
}

/// tower-sessions' store. Expiry goes by our clock.
#[derive(Clone)]
pub struct Store {
    db: PgPool,
    clock: Clock,
}

impl Store {
    pub fn new(db: PgPool, clock: Clock) -> Self {
        Self { db, clock }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

#[async_trait::async_trait]
impl SessionStore for Store {
    /// Somebody who signs in again goes on with their session under another cookie: of two requests that do it at
    /// once, the later one.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let now = self.clock.now();
        let sign_in = sign_in(&record.data);
        sqlx::query!(
            r#"
            insert into browser_sessions
                   (id, cookie_hash, user_id, data, created_at, last_seen_at, expires_at)
            values ($1, $2, $3, $4, $5, $5, $6)
            on conflict (id) do update
               set cookie_hash = excluded.cookie_hash, user_id = excluded.user_id, data = excluded.data,
                   last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at
            "#,
            sign_in.as_ref().map_or_else(|| BrowserSessionId::new(now), |sign_in| sign_in.session_id)
                as BrowserSessionId,
            &cookie_hash(&record.id),
            sign_in.map(|sign_in| sign_in.user_id) as Option<UserId>,
            Json(&record.data) as _,
            now,
            now + IDLE,
        )
        .execute(&self.db)
        .await
        .map_err(backend)?;
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        sqlx::query!(
            "update browser_sessions set data = $2, user_id = $3 where cookie_hash = $1",
            &cookie_hash(&record.id),
            Json(&record.data) as _,
            sign_in(&record.data).map(|sign_in| sign_in.user_id) as Option<UserId>,
        )
        .execute(&self.db)
        .await
        .map_err(backend)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let now = self.clock.now();
        let hash = cookie_hash(id);
        let row = sqlx::query!(
            r#"
            select data as "data: Json<HashMap<String, serde_json::Value>>", last_seen_at
              from browser_sessions
             where cookie_hash = $1
               and expires_at > $2
            "#,
            &hash,
            now,
        )
        .fetch_optional(&self.db)
        .await
        .map_err(backend)?;
        let Some(row) = row else { return Ok(None) };
        if row.last_seen_at + NOTE_VISITS_EVERY <= now {
            sqlx::query!(
                "update browser_sessions set last_seen_at = $2, expires_at = $3 where cookie_hash = $1",
                &hash,
                now,
                now + IDLE,
            )
            .execute(&self.db)
            .await
            .map_err(backend)?;
        }
        // tower-sessions asks for an expiry but leaves it to the store to heed it.
        Ok(Some(Record { id: *id, data: row.data.0, expiry_date: OffsetDateTime::UNIX_EPOCH }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        sqlx::query!("delete from browser_sessions where cookie_hash = $1", &cookie_hash(id))
            .execute(&self.db)
            .await
            .map_err(backend)?;
        Ok(())
    }
}

fn cookie_hash(id: &Id) -> [u8; 32] {
    sha256(&id.0.to_be_bytes())
}

fn sign_in(data: &HashMap<String, serde_json::Value>) -> Option<SignIn> {
    SignIn::deserialize(data.get(SIGN_IN)?).ok()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn backend(error: sqlx::Error) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}
