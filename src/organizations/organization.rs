//! A tenant. All data hangs off exactly one.

use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::text;
use crate::organizations::plan::Plan;

/// In characters.
pub const MAX_NAME_LENGTH: usize = 100;

#[derive(Debug, Clone)]
pub struct Organization {
    pub id: OrganizationId,
    /// `company.id` of the session API.
    pub number: i64,
    pub name: String,
    pub plan: Plan,
    pub credits_cents: i64,
    pub created_at: Timestamp,
}

/// A row of the join that every reader of organizations makes; also used by the subjects above, which fetch
/// an organization together with their own row.
#[derive(Debug)]
pub struct OrganizationRow {
    pub organization_id: OrganizationId,
    pub number: i64,
    pub name: String,
    pub plan: String,
    pub requests_per_hour: i32,
    pub requests_per_minute: i32,
    pub has_oauth_apps: bool,
    pub credits_cents: i64,
    pub created_at: Timestamp,
}

impl From<OrganizationRow> for Organization {
    fn from(row: OrganizationRow) -> Self {
        Self {
            id: row.organization_id,
            number: row.number,
            name: row.name,
            plan: Plan {
                name: row.plan,
                requests_per_hour: row.requests_per_hour.unsigned_abs(),
                requests_per_minute: row.requests_per_minute.unsigned_abs(),
                has_oauth_apps: row.has_oauth_apps,
            },
            credits_cents: row.credits_cents,
            created_at: row.created_at,
        }
    }
}

/// What a new organization begins with.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    pub plan: &'a str,
    pub credits_cents: i64,
}

pub async fn create(
    db: &mut PgConnection,
    name: &str,
    beginning: Beginning<'_>,
    now: Timestamp,
) -> sqlx::Result<OrganizationId> {
    let id = OrganizationId::new(now);
    sqlx::query!(
        "insert into organizations (id, name, plan, credits_cents, created_at) values ($1, $2, $3, $4, $5)",
        id as OrganizationId,
        name,
        beginning.plan,
        beginning.credits_cents,
        now,
    )
    .execute(db)
    .await?;
    Ok(id)
}

pub async fn find(db: &mut PgConnection, id: OrganizationId) -> sqlx::Result<Option<Organization>> {
    let row = sqlx::query_as!(
        OrganizationRow,
        r#"
        select o.id as "organization_id: OrganizationId", o.number, o.name, o.plan, p.requests_per_hour,
               p.requests_per_minute, p.has_oauth_apps, o.credits_cents, o.created_at
          from organizations o
          join plans p on p.name = o.plan
         where o.id = $1
        "#,
        id as OrganizationId,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Organization::from))
}

/// By number, UUID or exact name: how an operator names one on the command line. Several organizations may
/// share a name, so there may be several answers.
pub async fn find_named(db: &mut PgConnection, name: &str) -> sqlx::Result<Vec<Organization>> {
    let rows = sqlx::query_as!(
        OrganizationRow,
        r#"
        select o.id as "organization_id: OrganizationId", o.number, o.name, o.plan, p.requests_per_hour,
               p.requests_per_minute, p.has_oauth_apps, o.credits_cents, o.created_at
          from organizations o
          join plans p on p.name = o.plan
         where o.name = $1
            or o.number::text = $1
            or o.id::text = lower($1)
         order by o.number
        "#,
        name,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Organization::from).collect())
}

/// Those that a person belongs to, the first one first.
pub async fn list_of(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Organization>> {
    let rows = sqlx::query_as!(
        OrganizationRow,
        r#"
        select o.id as "organization_id: OrganizationId", o.number, o.name, o.plan, p.requests_per_hour,
               p.requests_per_minute, p.has_oauth_apps, o.credits_cents, o.created_at
          from members m
          join organizations o on o.id = m.organization_id
          join plans p on p.name = o.plan
         where m.user_id = $1
         order by m.created_at, o.number
        "#,
        user as UserId,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Organization::from).collect())
}

/// The name as it is kept, or `None` if it is empty, too long or has characters that no name has.
pub fn parse_name(name: &str) -> Option<&str> {
    let name = name.trim();
    let is_good = (1..=MAX_NAME_LENGTH).contains(&name.chars().count()) && text::is_plain(name);
    is_good.then_some(name)
}
