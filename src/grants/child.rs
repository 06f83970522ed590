//! A part of a grant, passed on to another actor (RFC 8693): an agent, or the next service. It has no more scopes than
//! its parent and lives no longer.
//!
//! A row of `grants` like any other, but without codes and refresh tokens. Whoever is born to a grant holds the lock of
//! its row meanwhile, and whoever ends a grant ends its children in the same transaction (`end_under`): so none
//! outlives its parent, and using one asks for nothing but its own row.

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::grants::grant;
use crate::grants::grant::GrantFacts;
use crate::scopes::Scopes;

/// How many live at the same time under one grant. Each stands on a page that a person reads.
pub const MAX_LIVE: i64 = 100;

/// As the end of one is remembered that ended with its parent.
const WITH_PARENT: &str = "with its parent";

#[derive(Debug)]
pub struct NewChild<'a> {
    pub parent: GrantId,
    /// Which client acts with it.
    pub client: ClientId,
    pub scopes: &'a Scopes,
    /// RFC 8707; empty: this server's own API.
    pub resources: &'a [String],
    /// What it is for, in the client's words.
    pub label: Option<&'a str>,
    /// `act` of its tokens (RFC 8693 §4.1).
    pub act: &'a Value,
    /// No later than its parent's end.
    pub expires_at: Timestamp,
    /// For the column: no token is derived.
    pub token_key: i16,
}

/// What came of passing a grant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    On(GrantId),
    /// The parent ended meanwhile.
    ParentEnded,
    /// [`MAX_LIVE`] others live.
    TooMany,
}

/// The same part of the same grant is passed on once, however often it is asked for; each time its life begins anew.
pub async fn pass_on(tx: &mut PgTransaction<'_>, new: &NewChild<'_>, act: &Act) -> sqlx::Result<Passed> {
    let parent = sqlx::query!(
        "select from grants where id = $1 and revoked_at is null and signed_out_at is null and expires_at > $2
            for no key update",
        new.parent as GrantId,
        act.at,
    )
    .fetch_optional(&mut **tx)
    .await?;
    if parent.is_none() {
        return Ok(Passed::ParentEnded);
    }
    if let Some(id) = prolong(tx, new, act.at).await? {
        return Ok(Passed::On(id));
    }
    let living = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
          from grants
         where parent_id = $1
           and revoked_at is null
           and expires_at > $2
        "#,
        new.parent as GrantId,
        act.at,
    )
    .fetch_one(&mut **tx)
    .await?;
    if living >= MAX_LIVE {
        return Ok(Passed::TooMany);
    }
    create(tx, new, act).await.map(Passed::On)
}

async fn prolong(db: &mut PgConnection, new: &NewChild<'_>, now: Timestamp) -> sqlx::Result<Option<GrantId>> {
    sqlx::query_scalar!(
        r#"
        update grants
           set expires_at = greatest(expires_at, $7), last_used_at = $8
         where parent_id = $1
           and client_id = $2
           and scopes = $3
           and resources = $4
           and label is not distinct from $5
           and act = $6
           and revoked_at is null
           and expires_at > $8
        returning id as "id: GrantId"
        "#,
        new.parent as GrantId,
        new.client as ClientId,
        new.scopes as &Scopes,
        new.resources,
        new.label,
        new.act,
        new.expires_at,
        now,
    )
    .fetch_optional(db)
    .await
}

/// Whose it is and how they signed in it has from its parent; but no browser's session, whose end is told to those who
/// signed somebody in.
async fn create(tx: &mut PgTransaction<'_>, new: &NewChild<'_>, act: &Act) -> sqlx::Result<GrantId> {
    let created = sqlx::query_as!(
        GrantFacts,
        r#"
        insert into grants
               (id, organization_id, client_id, user_id, scopes, resources, redirect_uri_asked, auth_time, acr, amr,
                parent_id, label, act, generation, token_key, rotated_at, created_at, last_used_at, expires_at)
        select $1, organization_id, $3, user_id, $4, $5, false, auth_time, acr, amr, id, $6, $7, 0, $8, $9, $9, $9,
               $10
          from grants
         where id = $2
        returning id as "id: GrantId", organization_id as "organization_id: OrganizationId",
                  client_id as "client_id: ClientId", user_id as "user_id: UserId", scopes as "scopes: Scopes",
                  parent_id as "parent_id: GrantId", label
        "#,
        GrantId::new(act.at) as GrantId,
        new.parent as GrantId,
        new.client as ClientId,
        new.scopes as &Scopes,
        new.resources,
        new.label,
        new.act,
        new.token_key,
        act.at,
        new.expires_at,
    )
    .fetch_one(&mut **tx)
    .await?;
    grant::record(tx, act, "grant.created", &created).await?;
    Ok(created.id)
}

/// Ends all that hangs from grants that have just been ended.
///
/// Floor by floor: each statement sees what was born while the one before it waited for a lock.
pub(super) async fn end_under(
    tx: &mut PgTransaction<'_>,
    mut ended: Vec<GrantId>,
    act: &Act,
) -> sqlx::Result<()> {
    while !ended.is_empty() {
        let children = sqlx::query_as!(
            GrantFacts,
            r#"
            update grants
               set revoked_at = $2, revoked_because = $3
             where parent_id = any($1)
               and revoked_at is null
               and expires_at > $2
            returning id as "id: GrantId", organization_id as "organization_id: OrganizationId",
                      client_id as "client_id: ClientId", user_id as "user_id: UserId", scopes as "scopes: Scopes",
                      parent_id as "parent_id: GrantId", label
            "#,
            &ended as &[GrantId],
            act.at,
            WITH_PARENT,
        )
        .fetch_all(&mut **tx)
        .await?;
        for child in &children {
            grant::record(tx, act, "grant.revoked", child).await?;
        }
        ended = children.iter().map(|child| child.id).collect();
    }
    Ok(())
}

/// A part of what a person gave to an app, as the person sees it.
#[derive(Debug)]
pub struct PassedOn {
    pub id: GrantId,
    /// To which the person gave it.
    pub app_id: ClientId,
    pub organization_id: OrganizationId,
    /// Of the client that acts with it.
    pub client_name: String,
    pub label: Option<String>,
    pub scopes: Scopes,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Timestamp,
}

/// All that live of what a person gave, also parts of parts; the newest first.
pub async fn list(db: &mut PgConnection, user: UserId, now: Timestamp) -> sqlx::Result<Vec<PassedOn>> {
    sqlx::query_as!(
        PassedOn,
        r#"
        with recursive family (id, app_id) as (
            select id, client_id
              from grants
             where user_id = $1
               and parent_id is null
               and revoked_at is null
               and expires_at > $2
            union all
            select child.id, parent.app_id
              from grants child
              join family parent on parent.id = child.parent_id
             where child.revoked_at is null
               and child.expires_at > $2
        )
        select g.id as "id: GrantId", family.app_id as "app_id!: ClientId",
               g.organization_id as "organization_id: OrganizationId", c.name as client_name, g.label,
               g.scopes as "scopes: Scopes", g.created_at, g.last_used_at, g.expires_at
          from family
          join grants g on g.id = family.id
          join clients c on c.id = g.client_id
         where g.parent_id is not null
         order by g.id desc
        "#,
        user as UserId,
        now,
    )
    .fetch_all(db)
    .await
}
