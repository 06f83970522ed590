//! A tenant. All data hangs off exactly one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::text;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::plan::Plan;

/// In characters.
pub const MAX_NAME_LENGTH: usize = 100;

#[derive(Debug, Clone)]
pub struct Organization {
    pub id: OrganizationId,
    /// `company.id` of the session API.
    pub number: i64,
    pub name: String,
    /// With the organization's own limits in place of the plan's.
    pub plan: Plan,
    /// Of which some may be unset.
    pub own_limits: OwnLimits,
    pub credits_cents: i64,
    /// The first debit since the last grant that left nothing or found too little.
    pub credits_exhausted_at: Option<Timestamp>,
    pub ip_allowlist_enabled: bool,
    pub ip_allowlist: IpAllowlist,
    /// Of the company that runs the server: its admins may move everybody's credits.
    pub is_operator: bool,
    pub suspended_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// Limits of an organization that differ from its plan's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnLimits {
    pub requests_per_hour: Option<i32>,
    pub requests_per_minute: Option<i32>,
}

impl Organization {
    /// Nothing is left that the company's API could be used for.
    pub fn has_used_up_its_credits(&self) -> bool {
        self.credits_cents <= 0 && self.credits_exhausted_at.is_some()
    }

    /// Whether its credentials may be used from there. A list goes on to hold when the plan no longer has it: who
    /// pays less must not find a door open that they had shut.
    pub fn admits(&self, ip: IpAddr) -> bool {
        !self.ip_allowlist_enabled || self.ip_allowlist.allows(ip)
    }
}

#[expect(clippy::struct_excessive_bools, reason = "as many as the two tables have")]
struct Row {
    id: OrganizationId,
    number: i64,
    name: String,
    plan: String,
    plan_requests_per_hour: i32,
    plan_requests_per_minute: i32,
    has_oauth_apps: bool,
    has_ip_allowlist: bool,
    requests_per_hour: Option<i32>,
    requests_per_minute: Option<i32>,
    credits_cents: i64,
    credits_exhausted_at: Option<Timestamp>,
    ip_allowlist_enabled: bool,
    ip_allowlist: Vec<IpNet>,
    is_operator: bool,
    suspended_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<Row> for Organization {
    fn from(row: Row) -> Self {
        let OwnLimits { requests_per_hour, requests_per_minute } = OwnLimits {
            requests_per_hour: row.requests_per_hour,
            requests_per_minute: row.requests_per_minute,
        };
        Self {
            id: row.id,
            number: row.number,
            name: row.name,
            plan: Plan {
                name: row.plan,
                requests_per_hour: requests_per_hour.unwrap_or(row.plan_requests_per_hour).unsigned_abs(),
                requests_per_minute: requests_per_minute
                    .unwrap_or(row.plan_requests_per_minute)
                    .unsigned_abs(),
                has_oauth_apps: row.has_oauth_apps,
                has_ip_allowlist: row.has_ip_allowlist,
            },
            own_limits: OwnLimits { requests_per_hour, requests_per_minute },
            credits_cents: row.credits_cents,
            credits_exhausted_at: row.credits_exhausted_at,
            ip_allowlist_enabled: row.ip_allowlist_enabled,
            ip_allowlist: row.ip_allowlist.into(),
            is_operator: row.is_operator,
            suspended_at: row.suspended_at,
            created_at: row.created_at,
        }
    }
}

/// One place knows which columns make an organization; the caller says which rows.
macro_rules! select_organizations {
    ($which:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select o.id as "id: OrganizationId", o.number, o.name, o.plan,
                   p.requests_per_hour as plan_requests_per_hour,
                   p.requests_per_minute as plan_requests_per_minute, p.has_oauth_apps, p.has_ip_allowlist,
                   o.requests_per_hour, o.requests_per_minute, o.credits_cents, o.credits_exhausted_at,
                   o.ip_allowlist_enabled, o.ip_allowlist, o.is_operator, o.suspended_at, o.created_at
              from organizations o
              join plans p on p.name = o.plan
            "# + $which
            $(, $argument)*
        )
    };
}

/// What a new organization begins with.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    pub plan: &'a str,
    pub credits_cents: i64,
}

pub async fn create(
    tx: &mut PgTransaction<'_>,
    name: &str,
    beginning: Beginning<'_>,
    act: &Act,
) -> sqlx::Result<OrganizationId> {
    let id = OrganizationId::new(act.at);
    sqlx::query!(
        "insert into organizations (id, name, plan, credits_cents, created_at) values ($1, $2, $3, $4, $5)",
        id as OrganizationId,
        name,
        beginning.plan,
        beginning.credits_cents,
        act.at,
    )
    .execute(&mut **tx)
    .await?;
    let change = Change {
        organization: Some(id),
        action: "organization.created",
        target: ("organization", id.to_string()),
        before: None,
        after: Some(json!({
            "name": name,
            "plan": beginning.plan,
            "credits_cents": beginning.credits_cents,
        })),
    };
    log::record(tx, act, &change).await?;
    Ok(id)
}

pub async fn find(db: &mut PgConnection, id: OrganizationId) -> sqlx::Result<Option<Organization>> {
    let row = select_organizations!("where o.id = $1", id as OrganizationId).fetch_optional(db).await?;
    Ok(row.map(Organization::from))
}

/// By number, UUID or exact name: how an operator names one on the command line. Several organizations may
/// share a name, so there may be several answers.
pub async fn find_named(db: &mut PgConnection, name: &str) -> sqlx::Result<Vec<Organization>> {
    let rows = select_organizations!(
        "where o.name = $1 or o.number::text = $1 or o.id::text = lower($1) order by o.number",
        name,
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Organization::from).collect())
}

/// Those whose name holds `text`, or whose number or UUID it is; the newest first, at most `limit`, with a number
/// below `before`.
pub async fn search(
    db: &mut PgConnection,
    text: &str,
    (before, limit): (Option<i64>, i64),
) -> sqlx::Result<Vec<Organization>> {
    let rows = select_organizations!(
        "where (strpos(lower(o.name), lower($1)) > 0 or o.number::text = $1 or o.id::text = lower($1))
           and ($2::bigint is null or o.number < $2)
         order by o.number desc
         limit $3",
        text,
        before,
        limit,
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Organization::from).collect())
}

/// Those that a person belongs to, the first one first.
pub async fn list_of(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Organization>> {
    let rows = select_organizations!(
        "join members m on m.organization_id = o.id where m.user_id = $1 order by m.created_at, o.number",
        user as UserId,
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(Organization::from).collect())
}

/// The name as it is kept, or `None` if it is empty, too long or has characters that no name has.
pub fn parse_name(name: &str) -> Option<&str> {
    let name = name.trim();
    let is_good = (1..=MAX_NAME_LENGTH).contains(&name.chars().count()) && text::is_plain(name);
    is_good.then_some(name)
}
