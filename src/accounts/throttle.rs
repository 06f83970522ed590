//! Slows guessing down: after a few failures in a row, an account, a person or a network has to wait before
//! the next attempt counts. Nobody is locked out for good, or guessing would be a way to lock others out.

use std::net::IpAddr;

use chrono::TimeDelta;
use sqlx::Connection;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::UserId;
use crate::base::network::subscriber;
use crate::base::secret::sha256;

/// What is slowed down.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// The e-mail address as typed, whether or not there is such an account.
    Account(&'a str),
    /// Where the attempt comes from: an IPv4 address, or the /64 that one IPv6 subscriber has.
    Network(IpAddr),
    /// The same, for signing up: every attempt counts, also a good one.
    Registration(IpAddr),
    /// A person who types the codes of devices (RFC 8628 §5.1).
    UserCode(UserId),
    /// The same, by where they are.
    UserCodeFrom(IpAddr),
}

/// Failures older than this are forgotten.
const MEMORY: TimeDelta = TimeDelta::minutes(15);

impl Subject<'_> {
    /// How many failures in a row cost nothing. A network may be an office's.
    const fn free_failures(self) -> i32 {
        match self {
            Self::Account(_) | Self::UserCode(_) => 5,
            Self::Network(_) | Self::UserCodeFrom(_) => 20,
            Self::Registration(_) => 30,
        }
    }

    fn key(self) -> [u8; 32] {
        match self {
            Self::Account(email) => sha256(format!("account {}", email.to_lowercase()).as_bytes()),
            Self::Network(ip) => sha256(format!("network {}", subscriber(ip)).as_bytes()),
            Self::Registration(ip) => sha256(format!("registration {}", subscriber(ip)).as_bytes()),
            Self::UserCode(user) => sha256(format!("user code {user}").as_bytes()),
            Self::UserCodeFrom(ip) => sha256(format!("user code from {}", subscriber(ip)).as_bytes()),
        }
    }
}

/// One second after the last free failure, then twice as long each time, up to this.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(1);

/// Counts an attempt against each subject, before it is looked at, so that many at once gain nothing. `Some` if
/// one of them has to wait first: then the attempt counts against none.
pub async fn admit(
    db: &mut PgConnection,
    subjects: &[Subject<'_>],
    now: Timestamp,
) -> sqlx::Result<Option<TimeDelta>> {
    let mut tx = db.begin().await?;
    for subject in subjects {
        if !count(&mut tx, *subject, now).await? {
            tx.rollback().await?;
            return find_wait(db, *subject, now).await.map(Some);
        }
    }
    tx.commit().await?;
    Ok(None)
}

/// `false` if the subject has to wait; one statement, so that of several at once one is first.
async fn count(db: &mut PgConnection, subject: Subject<'_>, now: Timestamp) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into sign_in_failures as known (subject, failures, last_at)
        values ($1, 1, $2)
        on conflict (subject) do update
           set failures = case when known.last_at > $3 then known.failures + 1 else 1 end,
               last_at = $2
         where known.failures < $4
            or known.last_at + least(make_interval(secs => power(2, least(known.failures - $4, 16))), $5) <= $2
        "#,
        &subject.key(),
        now,
        now - MEMORY,
        subject.free_failures(),
        LONGEST_WAIT as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// How long a subject that was refused has to wait; at least a second.
async fn find_wait(db: &mut PgConnection, subject: Subject<'_>, now: Timestamp) -> sqlx::Result<TimeDelta> {
    let row =
        sqlx::query!("select failures, last_at from sign_in_failures where subject = $1", &subject.key())
            .fetch_optional(db)
            .await?;
    let wait = row.map_or(TimeDelta::zero(), |row| {
        let beyond = (row.failures - subject.free_failures()).clamp(0, 16);
        row.last_at + TimeDelta::seconds(1 << beyond).min(LONGEST_WAIT) - now
    });
    Ok(wait.max(TimeDelta::seconds(1)))
}

/// After a success the subject starts afresh.
pub async fn forget(db: &mut PgConnection, subject: Subject<'_>) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_failures where subject = $1", &subject.key()).execute(db).await?;
    Ok(())
}

/// Makes one attempt not count.
pub async fn take_back(db: &mut PgConnection, subject: Subject<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "update sign_in_failures set failures = failures - 1 where subject = $1 and failures > 0",
        &subject.key(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes what no longer counts.
pub async fn delete_old(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_failures where last_at < $1", now - MEMORY).execute(db).await?;
    Ok(())
}
