//! An offer to somebody with an e-mail address to join an organization.
//!
//! Whoever accepts must have the token, which only the mail holds, and be signed in under the address that was
//! invited: a mail that was passed on lets nobody else in.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::accounts::user;
use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::audit::log::Filter;
use crate::base::clock::Timestamp;
use crate::base::ids::InvitationId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::organizations::member;
use crate::organizations::member::Role;

pub const LIFETIME: TimeDelta = TimeDelta::days(7);
/// Of an organization, at one time.
pub const MAX_OPEN: i64 = 100;
/// In `DAY`. Mail with words of ours and a name of theirs must not become a way to pester people.
pub const MAX_MAILS: usize = 300;
pub const MAX_MAILS_TO_ONE: usize = 5;
const DAY: TimeDelta = TimeDelta::days(1);
/// For so long after its end an invitation is shown, to be sent again.
const KEPT_AFTER_END: TimeDelta = TimeDelta::days(30);
/// Of the token, in letters and digits: 190 bits and more.
const TOKEN_LENGTH: usize = 32;

/// What is recorded of one that is made, or made anew.
const CREATED: &str = "invitation.created";

#[derive(Debug)]
pub struct Invitation {
    pub id: InvitationId,
    /// As typed.
    pub email: String,
    pub role: Role,
    /// E-mail address of who invited, if that was a person who is still there.
    pub invited_by: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

pub struct NewInvitation<'a> {
    pub organization: OrganizationId,
    /// One that mail can be sent to.
    pub email: &'a str,
    /// Not the owner's: there is one, and they hand it over.
    pub role: Role,
    pub invited_by: Option<UserId>,
}

/// Why somebody was not invited. The text is for whoever tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotInvited {
    #[error("This person belongs to the organization already")]
    IsMember,
    #[error("There are {MAX_OPEN} open invitations already: withdraw one first")]
    TooManyOpen,
    #[error("Too many invitations were sent within a day: try again tomorrow")]
    TooManyMails,
}

/// Replaces what was offered to the same address, whatever its case: the link in the older mail is dead then.
pub async fn create(
    tx: &mut PgTransaction<'_>,
    new: &NewInvitation<'_>,
    act: &Act,
) -> sqlx::Result<Result<(InvitationId, Secret), NotInvited>> {
    lock(tx, new.organization).await?;
    if member::is_member(tx, new.organization, new.email).await? {
        return Ok(Err(NotInvited::IsMember));
    }
    if count_others(tx, new.organization, new.email, act.at).await? >= MAX_OPEN {
        return Ok(Err(NotInvited::TooManyOpen));
    }
    if !may_mail(tx, new.organization, new.email, act.at).await? {
        return Ok(Err(NotInvited::TooManyMails));
    }
    let token = Secret::generate("", TOKEN_LENGTH);
    let id = sqlx::query_scalar!(
        r#"
        insert into invitations
               (id, organization_id, email, role, token_hash, invited_by, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (organization_id, lower(email)) do update
           set email = $3, role = $4, token_hash = $5, invited_by = $6, created_at = $7, expires_at = $8
        returning id as "id: InvitationId"
        "#,
        InvitationId::new(act.at) as InvitationId,
        new.organization as OrganizationId,
        new.email,
        new.role as Role,
        &token.hash() as &SecretHash,
        new.invited_by as Option<UserId>,
        act.at,
        act.at + LIFETIME,
    )
    .fetch_one(&mut **tx)
    .await?;
    let after = json!({ "email": new.email, "role": new.role.to_string() });
    record(tx, new.organization, (CREATED, id), (None, Some(after)), act).await?;
    Ok(Ok((id, token)))
}

/// Whoever invites for the same organization waits, so that limits hold.
async fn lock(tx: &mut PgTransaction<'_>, organization: OrganizationId) -> sqlx::Result<()> {
    sqlx::query!(
        "select id from organizations where id = $1 for no key update",
        organization as OrganizationId
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(())
}

async fn count_others(
    db: &mut PgConnection,
    organization: OrganizationId,
    email: &str,
    now: Timestamp,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
          from invitations
         where organization_id = $1
           and lower(email) <> lower($2)
           and expires_at > $3
        "#,
        organization as OrganizationId,
        email,
        now,
    )
    .fetch_one(db)
    .await
}

/// By the audit log, which also knows of those that were withdrawn.
async fn may_mail(
    db: &mut PgConnection,
    organization: OrganizationId,
    email: &str,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let filter = Filter { action: Some(CREATED.to_owned()), since: Some(now - DAY), ..Filter::default() };
    let limit = i64::try_from(MAX_MAILS).unwrap_or(i64::MAX);
    let sent = log::list(db, Some(organization), &filter, (None, limit)).await?;
    let is_same = |other: &str| other.to_lowercase() == email.to_lowercase();
    let to_one = sent.iter().filter_map(|entry| entry.after.as_ref()?["email"].as_str());
    Ok(sent.len() < MAX_MAILS && to_one.filter(|other| is_same(other)).count() < MAX_MAILS_TO_ONE)
}

/// The newest first, at most `limit`, those older than `before`; also those that have run out lately.
pub async fn list(
    db: &mut PgConnection,
    organization: OrganizationId,
    before: Option<InvitationId>,
    limit: i64,
) -> sqlx::Result<Vec<Invitation>> {
    sqlx::query_as!(
        Invitation,
        r#"
        select i.id as "id: InvitationId", i.email, i.role as "role: Role", u.email as "invited_by?",
               i.created_at, i.expires_at
          from invitations i
          left join users u on u.id = i.invited_by
         where i.organization_id = $1
           and ($2::uuid is null or i.id < $2)
         order by i.id desc
         limit $3
        "#,
        organization as OrganizationId,
        before as Option<InvitationId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// `None` if the organization has no such invitation.
pub async fn find(
    db: &mut PgConnection,
    organization: OrganizationId,
    id: InvitationId,
) -> sqlx::Result<Option<Invitation>> {
    sqlx::query_as!(
        Invitation,
        r#"
        select i.id as "id: InvitationId", i.email, i.role as "role: Role", u.email as "invited_by?",
               i.created_at, i.expires_at
          from invitations i
          left join users u on u.id = i.invited_by
         where i.organization_id = $1
           and i.id = $2
        "#,
        organization as OrganizationId,
        id as InvitationId,
    )
    .fetch_optional(db)
    .await
}

/// `false` if the organization has no such invitation.
pub async fn withdraw(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    id: InvitationId,
    act: &Act,
) -> sqlx::Result<bool> {
    let withdrawn = sqlx::query!(
        r#"
        delete from invitations
         where organization_id = $1
           and id = $2
        returning email, role as "role: Role"
        "#,
        organization as OrganizationId,
        id as InvitationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = withdrawn else { return Ok(false) };
    let before = json!({ "email": row.email, "role": row.role.to_string() });
    record(tx, organization, ("invitation.withdrawn", id), (Some(before), None), act).await?;
    Ok(true)
}

/// What the holder of a token is offered.
#[derive(Debug)]
pub struct Offer {
    pub organization_name: String,
    pub email: String,
    pub role: Role,
    pub invited_by: Option<String>,
    pub expires_at: Timestamp,
}

/// `None` if the token is not that of an open invitation.
pub async fn find_offer(
    db: &mut PgConnection,
    token: &SecretHash,
    now: Timestamp,
) -> sqlx::Result<Option<Offer>> {
    sqlx::query_as!(
        Offer,
        r#"
        select o.name as organization_name, i.email, i.role as "role: Role", u.email as "invited_by?",
               i.expires_at
          from invitations i
          join organizations o on o.id = i.organization_id
          left join users u on u.id = i.invited_by
         where i.token_hash = $1
           and i.expires_at > $2
        "#,
        token as &SecretHash,
        now,
    )
    .fetch_optional(db)
    .await
}

/// Makes the person, whose address is `email`, a member. `None` if the token is not that of an open invitation
/// to them: of several at once, one finds it. The token, which only the mail held, proves that the address is theirs.
pub async fn accept(
    tx: &mut PgTransaction<'_>,
    token: &SecretHash,
    (user, email): (UserId, &str),
    act: &Act,
) -> sqlx::Result<Option<OrganizationId>> {
    let found = sqlx::query!(
        r#"
        delete from invitations
         where token_hash = $1
           and expires_at > $2
           and lower(email) = lower($3)
        returning id as "id: InvitationId", organization_id as "organization_id: OrganizationId", email,
                  role as "role: Role"
        "#,
        token as &SecretHash,
        act.at,
        email,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(found) = found else { return Ok(None) };
    user::note_verified_email(tx, user, act.at).await?;
    let organization = found.organization_id;
    let after = json!({ "email": found.email, "role": found.role.to_string() });
    record(tx, organization, ("invitation.accepted", found.id), (None, Some(after)), act).await?;
    // Somebody whom the operator let in meanwhile keeps the role that they have.
    if member::find_role(tx, organization, user).await?.is_none() {
        member::add(tx, organization, user, found.role, act).await?;
    }
    Ok(Some(organization))
}

/// Removes those that ended a while ago.
pub async fn delete_old(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from invitations where expires_at < $1", now - KEPT_AFTER_END).execute(db).await?;
    Ok(())
}

async fn record(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    (action, id): (&str, InvitationId),
    (before, after): (Option<serde_json::Value>, Option<serde_json::Value>),
    act: &Act,
) -> sqlx::Result<()> {
    let target = ("invitation", id.to_string());
    log::record(tx, act, &Change { organization: Some(organization), action, target, before, after }).await
}
