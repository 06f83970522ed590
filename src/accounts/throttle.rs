//! Slows guessing down: after a few failures in a row, an account and an address each have to wait before
//! the next attempt counts. Nobody is locked out for good, or guessing would be a way to lock others out.

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::secret::sha256;

/// What is slowed down.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// The e-mail address as typed, whether or not there is such an account.
    Account(&'a str),
    /// Where the attempt comes from.
    Address(&'a str),
}

/// Failures older than this are forgotten.
const MEMORY: TimeDelta = TimeDelta::minutes(15);

impl Subject<'_> {
    /// How many failures in a row cost nothing. An address may be shared by an office.
    const fn free_failures(self) -> i32 {
        match self {
            Self::Account(_) => 5,
            Self::Address(_) => 20,
        }
    }

    fn key(self) -> [u8; 32] {
        match self {
            Self::Account(email) => sha256(format!("account {}", email.to_lowercase()).as_bytes()),
            Self::Address(address) => sha256(format!("address {address}").as_bytes()),
        }
    }

    /// One second after the last free failure, then twice as long each time, up to a minute.
    fn wait_after(self, failures: i32) -> TimeDelta {
        let beyond = failures - self.free_failures();
        if beyond < 0 { TimeDelta::zero() } else { TimeDelta::seconds((1_i64 << beyond.min(6)).min(60)) }
    }
}

/// How long the subjects still have to wait; `None` when they may try now.
pub async fn wait(
    db: &mut PgConnection,
    subjects: [Subject<'_>; 2],
    now: Timestamp,
) -> sqlx::Result<Option<TimeDelta>> {
    let mut longest = TimeDelta::zero();
    for subject in subjects {
        let row = sqlx::query!(
            "select failures, last_at from sign_in_failures where subject = $1 and last_at > $2",
            &subject.key(),
            now - MEMORY,
        )
        .fetch_optional(&mut *db)
        .await?;
        if let Some(row) = row {
            longest = longest.max(row.last_at + subject.wait_after(row.failures) - now);
        }
    }
    Ok((longest > TimeDelta::zero()).then_some(longest))
}

/// Counts a failure against each subject.
pub async fn record_failure(
    db: &mut PgConnection,
    subjects: [Subject<'_>; 2],
    now: Timestamp,
) -> sqlx::Result<()> {
    for subject in subjects {
        sqlx::query!(
            r#"
            insert into sign_in_failures (subject, failures, last_at)
            values ($1, 1, $2)
            on conflict (subject) do update
               set failures = case when sign_in_failures.last_at > $3 then sign_in_failures.failures + 1 else 1 end,
                   last_at = $2
            "#,
            &subject.key(),
            now,
            now - MEMORY,
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// After a success the account starts afresh. The address does not: one good account must not buy
/// more guesses at others.
pub async fn forget(db: &mut PgConnection, subject: Subject<'_>) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_failures where subject = $1", &subject.key()).execute(db).await?;
    Ok(())
}

/// Removes what no longer counts.
pub async fn delete_old(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_failures where last_at < $1", now - MEMORY).execute(db).await?;
    Ok(())
}
