//! The outbox of logouts: apps that are to hear that a session of a browser has ended. A row goes when the app has
//! heard, or is given up.

use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::BrowserSessionId;
use crate::base::ids::ClientId;
use crate::base::ids::UserId;
use crate::webhooks::due;

/// To one app at once: a slow one must not hold up the others.
const AT_ONCE: i64 = 4;

/// Taken by whoever holds this, to be made now.
#[derive(Debug)]
pub struct Due {
    pub client_id: ClientId,
    pub user_id: UserId,
    pub session: BrowserSessionId,
    started_at: Timestamp,
    /// Until when it is ours alone.
    lease: Timestamp,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Heard,
    /// The app heard, and will not do it; or it no longer wants to hear.
    Refused,
    /// It may not have heard.
    Failed,
}

impl Outcome {
    /// As the metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heard => "delivered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Takes up to `most` that are due, of each app a few.
pub async fn take(db: &mut PgConnection, most: i64, now: Timestamp) -> sqlx::Result<Vec<Due>> {
    let lease = now + due::LEASE;
    let rows = sqlx::query!(
        r#"
        with first as (
            select sid, client_id, next_attempt_at
              from logout_deliveries
             where next_attempt_at <= $1
             order by next_attempt_at
             limit 1000
        ), fair as (
            select sid, client_id, row_number() over (partition by client_id order by next_attempt_at, sid) as place
              from first
        ), taken as materialized (
            select d.sid, d.client_id
              from logout_deliveries d
              join fair on fair.sid = d.sid and fair.client_id = d.client_id
             where fair.place <= $2
               and d.next_attempt_at <= $1
             limit $3
               for update of d skip locked
        )
        update logout_deliveries d
           set next_attempt_at = $4
          from taken
         where d.sid = taken.sid
           and d.client_id = taken.client_id
        returning d.sid as "session: BrowserSessionId", d.client_id as "client_id: ClientId",
                  d.user_id as "user_id: UserId", d.started_at
        "#,
        now,
        AT_ONCE,
        most,
        lease,
    )
    .fetch_all(db)
    .await?;
    let due = rows.into_iter().map(|row| Due {
        client_id: row.client_id,
        user_id: row.user_id,
        session: row.session,
        started_at: row.started_at,
        lease,
    });
    Ok(due.collect())
}

/// Notes how it went: what failed is tried again later, for a day. `false` if it is given up.
pub async fn finish(
    db: &mut PgConnection,
    due: &Due,
    outcome: Outcome,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let next = due::next_attempt(due.started_at, now).filter(|_| outcome == Outcome::Failed);
    let Some(next) = next else {
        sqlx::query!(
            "delete from logout_deliveries where sid = $1 and client_id = $2",
            due.session as BrowserSessionId,
            due.client_id as ClientId,
        )
        .execute(db)
        .await?;
        return Ok(outcome == Outcome::Heard);
    };
    // If the lease is no longer ours, somebody else says when.
    sqlx::query!(
        r#"
        update logout_deliveries
           set next_attempt_at = $4
         where sid = $1
           and client_id = $2
           and next_attempt_at = $3
        "#,
        due.session as BrowserSessionId,
        due.client_id as ClientId,
        due.lease,
        next,
    )
    .execute(db)
    .await?;
    Ok(true)
}
