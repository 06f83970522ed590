//! Reading the access log: entries by a filter, and how many there were over time.

use std::net::IpAddr;

use chrono::TimeDelta;
use ipnet::IpNet;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::base::clock::Timestamp;
use crate::base::ids::AccessEntryId;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::organizations::access_log::MAX_METHOD;
use crate::organizations::access_log::MAX_TEXT;
use crate::organizations::access_log::Via;
use crate::organizations::credential::Credential;

/// An entry as it is read again.
#[derive(Debug)]
pub struct ReadEntry {
    pub id: AccessEntryId,
    pub at: Timestamp,
    pub credential: Credential,
    pub client: Option<ClientId>,
    pub user: Option<UserId>,
    pub via: Via,
    pub method: String,
    pub path: String,
    pub status: i16,
    pub reason: Option<String>,
    pub address: IpAddr,
    pub user_agent: Option<String>,
    pub duration: TimeDelta,
}

/// Which entries are wanted.
#[derive(Debug, Default)]
pub struct Filter {
    pub key: Option<ApiKeyId>,
    pub client: Option<ClientId>,
    pub grant: Option<GrantId>,
    /// From the first to the second, both included.
    pub statuses: Option<(i16, i16)>,
    pub method: Option<String>,
    /// What the path begins with.
    pub path: Option<String>,
    pub via: Option<Via>,
    pub since: Option<Timestamp>,
    /// Not included.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// A key and a grant at once: nothing has both.
    fn credential(&self) -> Option<Uuid> {
        let key = self.key.map(ApiKeyId::to_bytes);
        let grant = self.grant.map(GrantId::to_bytes);
        match (key, grant) {
            (Some(_), Some(_)) => Some(Uuid::nil()),
            (one, other) => one.or(other).map(Uuid::from_bytes),
        }
    }
}

/// Those of the organization, the newest first, at most `limit`, those older than `before`.
pub async fn list(
    db: &mut PgConnection,
    organization: OrganizationId,
    filter: &Filter,
    (before, limit): (Option<AccessEntryId>, i64),
) -> sqlx::Result<Vec<ReadEntry>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select id as "id: AccessEntryId", at, credential_kind, credential_id, client_id as "client_id: ClientId",
               user_id as "user_id: UserId", via as "via: Via", method, path, status, reason,
               address as "address: IpNet", user_agent, duration_us
          from access_log
         where organization_id = $1
           and ($2::uuid is null or id < $2)
           and ($3::uuid is null or credential_id = $3)
           and ($4::uuid is null or client_id = $4)
           and status between $5 and $6
           and ($7::text is null or method = $7)
           and ($8::text is null or starts_with(path, $8))
           and ($9::text is null or via = $9)
           and ($10::timestamptz is null or at >= $10)
           and ($11::timestamptz is null or at < $11)
         order by id desc
         limit $12
        "#,
        organization as OrganizationId,
        before as Option<AccessEntryId>,
        filter.credential(),
        filter.client as Option<ClientId>,
        filter.statuses.map_or(i16::MIN, |(first, _)| first),
        filter.statuses.map_or(i16::MAX, |(_, last)| last),
        filter.method,
        filter.path,
        filter.via.map(Via::name),
        filter.since,
        filter.until,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().filter_map(Row::into_entry).collect())
}

struct Row {
    id: AccessEntryId,
    at: Timestamp,
    credential_kind: String,
    credential_id: Uuid,
    client_id: Option<ClientId>,
    user_id: Option<UserId>,
    via: Via,
    method: String,
    path: String,
    status: i16,
    reason: Option<String>,
    address: IpNet,
    user_agent: Option<String>,
    duration_us: i32,
}

impl Row {
    /// `None` for a kind of credential that only a later version of this server knows.
    fn into_entry(self) -> Option<ReadEntry> {
        Some(ReadEntry {
            id: self.id,
            at: self.at,
            credential: Credential::from_parts(&self.credential_kind, self.credential_id.into_bytes())?,
            client: self.client_id,
            user: self.user_id,
            via: self.via,
            method: self.method,
            path: self.path,
            status: self.status,
            reason: self.reason,
            address: self.address.addr(),
            user_agent: self.user_agent,
            duration: TimeDelta::microseconds(self.duration_us.into()),
        })
    }
}

/// How many requests there were in one stretch of time, by how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    pub start: Timestamp,
    pub ok: i64,
    /// Anything else in 4xx.
    pub refused: i64,
    /// 429.
    pub limited: i64,
    /// 5xx.
    pub failed: i64,
}

/// Counts what the filter lets through from `since` to `until`, in stretches of `width`; those without a request
/// are left out.
pub async fn summary(
    db: &mut PgConnection,
    organization: OrganizationId,
    filter: &Filter,
    (since, until): (Timestamp, Timestamp),
    width: TimeDelta,
) -> sqlx::Result<Vec<Bucket>> {
    sqlx::query_as!(
        Bucket,
        r#"
        select date_bin(make_interval(secs => $11), at, $9) as "start!",
               count(*) filter (where status < 400) as "ok!",
               count(*) filter (where status between 400 and 499 and status <> 429) as "refused!",
               count(*) filter (where status = 429) as "limited!",
               count(*) filter (where status >= 500) as "failed!"
          from access_log
         where organization_id = $1
           and ($2::uuid is null or credential_id = $2)
           and ($3::uuid is null or client_id = $3)
           and status between $4 and $5
           and ($6::text is null or method = $6)
           and ($7::text is null or starts_with(path, $7))
           and ($8::text is null or via = $8)
           and at >= $9
           and at < $10
         group by 1
         order by 1
        "#,
        organization as OrganizationId,
        filter.credential(),
        filter.client as Option<ClientId>,
        filter.statuses.map_or(i16::MIN, |(first, _)| first),
        filter.statuses.map_or(i16::MAX, |(_, last)| last),
        filter.method,
        filter.path,
        filter.via.map(Via::name),
        since,
        until,
        width.as_seconds_f64(),
    )
    .fetch_all(db)
    .await
}

/// `403`, or all of a kind as `4xx`: from the first to the second, both included.
pub fn parse_statuses(text: &str) -> Option<(i16, i16)> {
    if let [kind @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] = text.as_bytes() {
        let first = i16::from(kind - b'0') * 100;
        return Some((first, first + 99));
    }
    let status = text.parse().ok().filter(|status| (100..600).contains(status) && text.len() == 3)?;
    Some((status, status))
}

pub fn parse_method(text: &str) -> Option<String> {
    let is_good = (1..=MAX_METHOD).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic());
    is_good.then(|| text.to_uppercase())
}

/// The beginning of a path.
pub fn parse_path(text: &str) -> Option<String> {
    let is_good = text.starts_with('/') && text.len() <= MAX_TEXT && !text.contains(char::is_control);
    is_good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_or_a_kind() {
        assert_eq!(parse_statuses("403"), Some((403, 403)));
        assert_eq!(parse_statuses("4xx"), Some((400, 499)));
        for nonsense in ["", "4", "4x", "0xx", "6xx", "999", "099", "+403", "-403", "4xxx", "xx4"] {
            assert_eq!(parse_statuses(nonsense), None, "{nonsense}");
        }
    }
}
