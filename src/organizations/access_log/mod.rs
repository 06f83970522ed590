//! The access log: who asked what of the credential API and of forward-auth, and what came of it. Written in
//! batches, in one partition a day.

pub mod reading;

use std::net::IpAddr;

use chrono::NaiveDate;
use chrono::TimeDelta;
use ipnet::IpNet;
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::PgTransaction;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::base::clock::Timestamp;
use crate::base::ids::AccessEntryId;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::organizations::credential::Credential;
use crate::organizations::rate_limit::WindowState;

/// What is kept of a path and of a user agent, in bytes: entries wait in memory, and callers choose both.
const MAX_TEXT: usize = 512;
/// Of a method; the longest of RFC 9110 has seven.
const MAX_METHOD: usize = 20;

/// One request, at its end.
#[derive(Debug, Clone)]
pub struct AccessEntry {
    pub id: AccessEntryId,
    /// When the request came.
    pub at: Timestamp,
    pub organization: OrganizationId,
    pub credential: Credential,
    /// The app, where one is involved.
    pub client: Option<ClientId>,
    pub user: Option<UserId>,
    pub via: Via,
    /// As [`shown_method`] gives it.
    pub method: String,
    /// Without query, as [`shown`] gives it.
    pub path: String,
    pub status: u16,
    /// The code of a refusal.
    pub reason: Option<&'static str>,
    pub address: IpAddr,
    /// As [`shown`] gives it.
    pub user_agent: Option<String>,
    pub duration: TimeDelta,
    /// Whether the credential was in force and used from where it may be: then this is its last use.
    pub is_use: bool,
    /// The limit, if this is the first request that it refuses in its window.
    pub exceeded: Option<WindowState>,
}

/// Where a request was decided upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Via {
    Api,
    ForwardAuth,
}

impl Via {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::ForwardAuth => "forward_auth",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Api, Self::ForwardAuth].into_iter().find(|via| via.name() == name)
    }
}

/// The beginning of what a caller wrote, without what cannot be shown or stored.
pub fn shown(text: &str) -> String {
    beginning(text, MAX_TEXT)
}

pub fn shown_method(method: &str) -> String {
    beginning(method, MAX_METHOD)
}

fn beginning(text: &str, bytes: usize) -> String {
    let end = text.floor_char_boundary(bytes);
    text[..end].replace(char::is_control, "\u{fffd}")
}

/// Writes entries; those that are there already are left. Returns the ids of those that were not. Their days must
/// have been created.
pub async fn insert(
    tx: &mut PgTransaction<'_>,
    entries: &[&AccessEntry],
) -> sqlx::Result<Vec<AccessEntryId>> {
    let columns = Columns::of(entries);
    sqlx::query_scalar!(
        r#"
        insert into access_log
               (id, at, organization_id, credential_kind, credential_id, client_id, user_id, via, method, path,
                status, reason, address, user_agent, duration_us)
        select *
          from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[],
                      $8::text[], $9::text[], $10::text[], $11::smallint[], $12::text[], $13::inet[],
                      $14::text[], $15::integer[])
            on conflict do nothing
        returning id as "id: AccessEntryId"
        "#,
        &columns.id as &[AccessEntryId],
        &columns.at,
        &columns.organization_id as &[OrganizationId],
        &columns.credential_kind as &[&str],
        &columns.credential_id,
        &columns.client_id as &[Option<ClientId>],
        &columns.user_id as &[Option<UserId>],
        &columns.via as &[&str],
        &columns.method as &[&str],
        &columns.path as &[&str],
        &columns.status,
        &columns.reason as &[Option<&str>],
        &columns.address as &[IpNet],
        &columns.user_agent as &[Option<&str>],
        &columns.duration_us,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Entries, turned by a quarter.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<AccessEntryId>,
    at: Vec<Timestamp>,
    organization_id: Vec<OrganizationId>,
    credential_kind: Vec<&'static str>,
    credential_id: Vec<Uuid>,
    client_id: Vec<Option<ClientId>>,
    user_id: Vec<Option<UserId>>,
    via: Vec<&'static str>,
    method: Vec<&'a str>,
    path: Vec<&'a str>,
    status: Vec<i16>,
    reason: Vec<Option<&'static str>>,
    address: Vec<IpNet>,
    user_agent: Vec<Option<&'a str>>,
    duration_us: Vec<i32>,
}

impl<'a> Columns<'a> {
    fn of(entries: &[&'a AccessEntry]) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            columns.id.push(entry.id);
            columns.at.push(entry.at);
            columns.organization_id.push(entry.organization);
            columns.credential_kind.push(entry.credential.kind());
            columns.credential_id.push(Uuid::from_bytes(entry.credential.to_bytes()));
            columns.client_id.push(entry.client);
            columns.user_id.push(entry.user);
            columns.via.push(entry.via.name());
            columns.method.push(&entry.method);
            columns.path.push(&entry.path);
            columns.status.push(i16::try_from(entry.status).unwrap_or_default());
            columns.reason.push(entry.reason);
            columns.address.push(entry.address.into());
            columns.user_agent.push(entry.user_agent.as_deref());
            let microseconds = entry.duration.num_microseconds().and_then(|us| i32::try_from(us).ok());
            columns.duration_us.push(microseconds.unwrap_or(i32::MAX));
        }
        columns
    }
}

/// Makes the partition of a day (in UTC) unless it is there.
pub async fn create_day(db: &mut PgConnection, day: NaiveDate) -> sqlx::Result<()> {
    sqlx::query!("select access_log_create_day($1)", day).execute(db).await?;
    Ok(())
}

/// Forgets the days before; returns how many.
pub async fn drop_before(db: &mut PgConnection, day: NaiveDate) -> sqlx::Result<i32> {
    sqlx::query_scalar!(r#"select access_log_drop_before($1) as "dropped!""#, day).fetch_one(db).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_write_is_cut_where_a_character_ends() {
        let long = "ä".repeat(MAX_TEXT);
        assert_eq!(shown(&long), "ä".repeat(MAX_TEXT / 2));
        assert_eq!(shown("a\0b\nc"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(shown_method("PROPFIND"), "PROPFIND");
    }
}
