//! Who belongs to an organization, and as what.

use std::fmt;

use serde_json::Value;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::scopes::Scopes;

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Role {
    Owner,
    Admin,
    Member,
}

impl Role {
    /// What a person may do in the organization when no app or key stands between.
    pub fn scopes(self) -> Scopes {
        self.may_give(&Scopes::built_in())
    }

    /// What of `scopes` a person may do themselves, and so may let an app do.
    pub fn may_give(self, scopes: &Scopes) -> Scopes {
        match self {
            Self::Owner | Self::Admin => scopes.clone(),
            Self::Member => scopes.without_admin(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        })
    }
}

pub async fn add(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    user: UserId,
    role: Role,
    act: &Act,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into members (organization_id, user_id, role, created_at) values ($1, $2, $3, $4)",
        organization as OrganizationId,
        user as UserId,
        role as Role,
        act.at,
    )
    .execute(&mut **tx)
    .await?;
    let change = Change {
        organization: Some(organization),
        action: "member.added",
        target: ("member", user.to_string()),
        before: None,
        after: Some(json!({ "role": role.to_string() })),
    };
    log::record(tx, act, &change).await
}

/// `None` for a stranger.
pub async fn find_role(
    db: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> sqlx::Result<Option<Role>> {
    sqlx::query_scalar!(
        r#"select role as "role: Role" from members where organization_id = $1 and user_id = $2"#,
        organization as OrganizationId,
        user as UserId,
    )
    .fetch_optional(db)
    .await
}

/// Somebody who belongs to an organization.
#[derive(Debug)]
pub struct Member {
    pub user_id: UserId,
    pub email: String,
    pub role: Role,
    pub since: Timestamp,
}

/// In the order in which they registered, at most `limit`, those after `after`.
pub async fn list(
    db: &mut PgConnection,
    organization: OrganizationId,
    after: Option<UserId>,
    limit: i64,
) -> sqlx::Result<Vec<Member>> {
    sqlx::query_as!(
        Member,
        r#"
        select m.user_id as "user_id: UserId", u.email, m.role as "role: Role", m.created_at as since
          from members m
          join users u on u.id = m.user_id
         where m.organization_id = $1
           and ($2::uuid is null or m.user_id > $2)
         order by m.user_id
         limit $3
        "#,
        organization as OrganizationId,
        after as Option<UserId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// `None` for a stranger.
pub async fn find(
    db: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> sqlx::Result<Option<Member>> {
    sqlx::query_as!(
        Member,
        r#"
        select m.user_id as "user_id: UserId", u.email, m.role as "role: Role", m.created_at as since
          from members m
          join users u on u.id = m.user_id
         where m.organization_id = $1
           and m.user_id = $2
        "#,
        organization as OrganizationId,
        user as UserId,
    )
    .fetch_optional(db)
    .await
}

pub async fn count(db: &mut PgConnection, organization: OrganizationId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from members where organization_id = $1"#,
        organization as OrganizationId,
    )
    .fetch_one(db)
    .await
}

/// Whether somebody with this address, in whatever case, belongs to it.
pub async fn is_member(
    db: &mut PgConnection,
    organization: OrganizationId,
    email: &str,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists(select
                        from members m
                        join users u on u.id = m.user_id
                       where m.organization_id = $1
                         and lower(u.email) = lower($2)) as "exists!"
        "#,
        organization as OrganizationId,
        email,
    )
    .fetch_one(db)
    .await
}

/// What came of a change to somebody's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amended {
    Yes,
    /// The owner's membership is changed only by handing the organization over.
    IsOwner,
    NoSuchMember,
}

/// To `role`, which is not the owner's.
pub async fn change_role(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    user: UserId,
    role: Role,
    act: &Act,
) -> sqlx::Result<Amended> {
    let old = sqlx::query_scalar!(
        r#"
        select role as "role: Role"
          from members
         where organization_id = $1
           and user_id = $2
           for update
        "#,
        organization as OrganizationId,
        user as UserId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    match old {
        None => return Ok(Amended::NoSuchMember),
        Some(Role::Owner) => return Ok(Amended::IsOwner),
        Some(old) if old == role => return Ok(Amended::Yes),
        Some(old) => {
            set_role(tx, organization, user, role).await?;
            let (before, after) = (json!({ "role": old.to_string() }), json!({ "role": role.to_string() }));
            record(tx, (organization, user), "member.role_changed", (Some(before), Some(after)), act).await?;
        }
    }
    Ok(Amended::Yes)
}

/// Takes somebody out. What they hold here ends with it: see `grants::membership`, which is the way to do this.
pub async fn remove(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    user: UserId,
    act: &Act,
) -> sqlx::Result<Amended> {
    let removed = sqlx::query_scalar!(
        r#"
        delete from members
         where organization_id = $1
           and user_id = $2
           and role <> 'owner'
        returning role as "role: Role"
        "#,
        organization as OrganizationId,
        user as UserId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(role) = removed else {
        let role = find_role(tx, organization, user).await?;
        return Ok(if role.is_some() { Amended::IsOwner } else { Amended::NoSuchMember });
    };
    let before = json!({ "role": role.to_string() });
    record(tx, (organization, user), "member.removed", (Some(before), None), act).await?;
    Ok(Amended::Yes)
}

/// What came of handing an organization over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transferred {
    Yes,
    NotTheOwner,
    /// Also the owner themselves. Nothing may be committed then.
    NoSuchMember,
}

/// The owner becomes an admin first: there is never more than one owner, which an index holds.
pub async fn transfer_ownership(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    (from, to): (UserId, UserId),
    act: &Act,
) -> sqlx::Result<Transferred> {
    let demoted = sqlx::query!(
        r#"
        update members
           set role = 'admin'
         where organization_id = $1
           and user_id = $2
           and role = 'owner'
        "#,
        organization as OrganizationId,
        from as UserId,
    )
    .execute(&mut **tx)
    .await?;
    if demoted.rows_affected() == 0 {
        return Ok(Transferred::NotTheOwner);
    }
    if from == to || !set_role(tx, organization, to, Role::Owner).await? {
        return Ok(Transferred::NoSuchMember);
    }
    let change = Change {
        organization: Some(organization),
        action: "organization.ownership_transferred",
        target: ("organization", organization.to_string()),
        before: Some(json!({ "owner": from })),
        after: Some(json!({ "owner": to })),
    };
    log::record(tx, act, &change).await?;
    Ok(Transferred::Yes)
}

async fn set_role(
    db: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    role: Role,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update members set role = $3 where organization_id = $1 and user_id = $2",
        organization as OrganizationId,
        user as UserId,
        role as Role,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn record(
    tx: &mut PgTransaction<'_>,
    (organization, user): (OrganizationId, UserId),
    action: &str,
    (before, after): (Option<Value>, Option<Value>),
    act: &Act,
) -> sqlx::Result<()> {
    let target = ("member", user.to_string());
    log::record(tx, act, &Change { organization: Some(organization), action, target, before, after }).await
}

/// The addresses of those who may manage the organization.
pub async fn list_managers_emails(
    db: &mut PgConnection,
    organization: OrganizationId,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"
        select u.email
          from members m
          join users u on u.id = m.user_id
         where m.organization_id = $1
           and m.role in ('owner', 'admin')
         order by u.email
        "#,
        organization as OrganizationId,
    )
    .fetch_all(db)
    .await
}
