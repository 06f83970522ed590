//! Devices without a browser that ask for access (RFC 8628).
//!
//! A row is there from the request on. Its person decides elsewhere, on a page, and at that moment the grant comes to
//! be; the poll that finds it first moves it on to its first generation, and gets its tokens.

use std::net::IpAddr;

use chrono::TimeDelta;
use ipnet::IpNet;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::grants::user_code::UserCode;
use crate::scopes::Scopes;

/// How long a person has to find a browser, sign in and decide.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// What a device leaves between two polls, until it is told to slow down.
pub const INTERVAL: TimeDelta = TimeDelta::seconds(5);

/// What each haste adds (RFC 8628 §3.5).
const SLOWER: TimeDelta = TimeDelta::seconds(5);

/// A device that counts from less than our interval would never catch up with one that grows without end.
const LONGEST_INTERVAL: TimeDelta = TimeDelta::seconds(30);

/// Requests are not equally long under way.
const SLACK: TimeDelta = TimeDelta::seconds(1);

/// However late the person decided, the device hears of it. Longer than any interval.
const DECISION_KEEPS: TimeDelta = TimeDelta::minutes(1);

/// Tells a device for as long that its code has ended; after that the code is unknown.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// 256 bits (RFC 8628 §5.2).
const DEVICE_CODE_LENGTH: usize = 43;

/// For the device, and for its person.
#[derive(Debug)]
pub struct Codes {
    pub device_code: Secret,
    pub user_code: UserCode,
}

/// `act` tells from where the device asks.
pub async fn create(
    db: &mut PgConnection,
    client: ClientId,
    (scopes, resources): (&Scopes, &[String]),
    act: &Act,
) -> sqlx::Result<Codes> {
    let device_code = Secret::generate("dc_", DEVICE_CODE_LENGTH);
    loop {
        let user_code = UserCode::generate();
        let done = sqlx::query!(
            r#"
            insert into device_authorizations
                   (device_code_hash, user_code, client_id, scopes, resources, address, user_agent, interval_seconds,
                    created_at, expires_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            on conflict (user_code) do nothing
            "#,
            &device_code.hash() as &SecretHash,
            &user_code as &UserCode,
            client as ClientId,
            scopes as &Scopes,
            resources,
            act.address.map(IpNet::from) as Option<IpNet>,
            act.user_agent,
            seconds(INTERVAL),
            act.at,
            act.at + LIFETIME,
        )
        .execute(&mut *db)
        .await?;
        // Otherwise it is another device's at this moment.
        if done.rows_affected() > 0 {
            return Ok(Codes { device_code, user_code });
        }
    }
}

fn seconds(interval: TimeDelta) -> i32 {
    i32::try_from(interval.num_seconds()).unwrap_or(i32::MAX)
}

/// A request that waits for its person.
#[derive(Debug)]
pub struct DeviceRequest {
    pub client_id: ClientId,
    pub scopes: Scopes,
    pub resources: Vec<String>,
    /// Address of one host.
    address: Option<IpNet>,
    pub user_agent: Option<String>,
    pub created_at: Timestamp,
}

impl DeviceRequest {
    pub fn address(&self) -> Option<IpAddr> {
        self.address.map(|address| address.addr())
    }
}

/// `None` also for a code that has ended, or was decided on.
pub async fn find_waiting(
    db: &mut PgConnection,
    code: &UserCode,
    now: Timestamp,
) -> sqlx::Result<Option<DeviceRequest>> {
    sqlx::query_as!(
        DeviceRequest,
        r#"
        select client_id as "client_id: ClientId", scopes as "scopes: Scopes", resources,
               address as "address: IpNet", user_agent, created_at
          from device_authorizations
         where user_code = $1
           and decided_at is null
           and expires_at > $2
        "#,
        code as &UserCode,
        now,
    )
    .fetch_optional(db)
    .await
}

/// What the person said: the grant that they gave, or `None`, a refusal. `false` if there is nothing to decide any
/// more.
pub async fn decide(
    db: &mut PgConnection,
    code: &UserCode,
    grant: Option<GrantId>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update device_authorizations
           set decided_at = $2, grant_id = $3
         where user_code = $1
           and decided_at is null
           and expires_at > $2
        "#,
        code as &UserCode,
        now,
        grant as Option<GrantId>,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What a device is told that polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    Waiting,
    TooSoon,
    Refused,
    Expired,
    Granted(GrantId),
}

#[derive(Debug)]
struct Polling {
    interval_seconds: i32,
    last_polled_at: Option<Timestamp>,
    expires_at: Timestamp,
    decided_at: Option<Timestamp>,
    grant_id: Option<GrantId>,
}

impl Polling {
    /// Haste costs nothing but waiting: what was decided is told at once.
    fn judge(&self, now: Timestamp) -> Polled {
        let ends_at = self.decided_at.map_or(self.expires_at, |at| self.expires_at.max(at + DECISION_KEEPS));
        if now >= ends_at {
            return Polled::Expired;
        }
        match (self.decided_at, self.grant_id) {
            (Some(_), Some(grant)) => Polled::Granted(grant),
            (Some(_), None) => Polled::Refused,
            (None, _) if self.last_polled_at.is_some_and(|at| now < at + self.interval() - SLACK) => {
                Polled::TooSoon
            }
            (None, _) => Polled::Waiting,
        }
    }

    fn interval(&self) -> TimeDelta {
        TimeDelta::seconds(self.interval_seconds.into())
    }
}

/// `None` for a code that `client` was not given; then nothing is counted. Of several polls at once each sees what the
/// one before left.
pub async fn poll(
    tx: &mut PgTransaction<'_>,
    code: &SecretHash,
    client: ClientId,
    now: Timestamp,
) -> sqlx::Result<Option<Polled>> {
    let found = sqlx::query_as!(
        Polling,
        r#"
        select interval_seconds, last_polled_at, expires_at, decided_at, grant_id as "grant_id: GrantId"
          from device_authorizations
         where device_code_hash = $1
           and client_id = $2
           for update
        "#,
        code as &SecretHash,
        client as ClientId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(found) = found else { return Ok(None) };
    let polled = found.judge(now);
    let interval = match polled {
        Polled::Waiting => found.interval(),
        Polled::TooSoon => (found.interval() + SLOWER).min(LONGEST_INTERVAL),
        Polled::Refused | Polled::Expired | Polled::Granted(_) => return Ok(Some(polled)),
    };
    sqlx::query!(
        "update device_authorizations set last_polled_at = $2, interval_seconds = $3 where device_code_hash = $1",
        code as &SecretHash,
        now,
        seconds(interval),
    )
    .execute(&mut **tx)
    .await?;
    Ok(Some(polled))
}

pub async fn delete_old(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from device_authorizations where expires_at < $1", now - REMEMBERED)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_hears_of_a_decision_however_late_it_was() {
        let at = |seconds| Timestamp::default() + TimeDelta::seconds(seconds);
        let polling = |decided_at, grant_id| Polling {
            interval_seconds: 5,
            last_polled_at: Some(at(595)),
            expires_at: at(600),
            decided_at,
            grant_id,
        };
        let grant = GrantId::from_bytes([1; 16]);

        assert_eq!(polling(None, None).judge(at(598)), Polled::TooSoon);
        assert_eq!(polling(None, None).judge(at(599)), Polled::Waiting);
        assert_eq!(polling(None, None).judge(at(600)), Polled::Expired);
        assert_eq!(polling(Some(at(599)), Some(grant)).judge(at(658)), Polled::Granted(grant));
        assert_eq!(polling(Some(at(599)), Some(grant)).judge(at(659)), Polled::Expired);
        assert_eq!(polling(Some(at(10)), None).judge(at(599)), Polled::Refused);
        assert_eq!(polling(Some(at(10)), None).judge(at(600)), Polled::Expired);
    }
}
