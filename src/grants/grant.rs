//! A grant: one person's consent to one client inside one organization.

use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::BrowserSessionId;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::clients::standing;
use crate::grants::child;
use crate::scopes::Scopes;

/// What a person has just agreed to.
#[derive(Debug)]
pub struct NewGrant<'a> {
    pub organization: OrganizationId,
    pub client: ClientId,
    pub user: UserId,
    pub scopes: &'a Scopes,
    /// RFC 8707; empty: this server's own API.
    pub resources: &'a [String],
    /// `None` where no browser is sent back with a code.
    pub redirect_uri: Option<&'a str>,
    /// Whether the request named it; then the exchange must too (RFC 6749 §4.1.3).
    pub redirect_uri_asked: bool,
    /// S256 (RFC 7636 §4.2).
    pub code_challenge: Option<&'a str>,
    /// For the ID tokens (OpenID Connect Core §3.1.2.1).
    pub nonce: Option<&'a str>,
    pub authentication: Authentication,
    /// Thumbprint of the key that its tokens are to be bound to (RFC 9449 §10).
    pub dpop_jkt: Option<&'a str>,
    pub expires_at: Timestamp,
    /// Which key derives its code.
    pub token_key: i16,
}

/// How the person had signed in who agreed.
#[derive(Debug, Clone, Copy)]
pub struct Authentication {
    pub at: Timestamp,
    /// In which browser.
    pub session: BrowserSessionId,
}

/// All that there is to prove who one is, so far (OpenID Connect Core §2).
pub const ACR: &str = "urn:countersign:acr:password";
/// RFC 8176 §2.
pub const AMR: [&str; 1] = ["pwd"];

/// At generation 0: a code may be derived.
pub async fn create(tx: &mut PgTransaction<'_>, new: &NewGrant<'_>, act: &Act) -> sqlx::Result<GrantId> {
    let id = GrantId::new(act.at);
    sqlx::query!(
        r#"
        insert into grants
               (id, organization_id, client_id, user_id, scopes, resources, redirect_uri, redirect_uri_asked,
                code_challenge, nonce, auth_time, acr, amr, sid, dpop_jkt, dpop_from, generation, token_key,
                rotated_at, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text,
                case when $15::text is not null then 0 end, 0, $16, $17, $17, $18)
        "#,
        id as GrantId,
        new.organization as OrganizationId,
        new.client as ClientId,
        new.user as UserId,
        new.scopes as &Scopes,
        new.resources,
        new.redirect_uri,
        new.redirect_uri_asked,
        new.code_challenge,
        new.nonce,
        new.authentication.at,
        ACR,
        &AMR as &[&str],
        new.authentication.session as BrowserSessionId,
        new.dpop_jkt,
        new.token_key,
        act.at,
        new.expires_at,
    )
    .execute(&mut **tx)
    .await?;
    let facts = GrantFacts {
        id,
        organization_id: new.organization,
        client_id: new.client,
        user_id: new.user,
        scopes: new.scopes.clone(),
        parent_id: None,
        label: None,
    };
    standing::accept(tx, new.client, act).await?;
    record(tx, act, "grant.created", &facts).await?;
    Ok(id)
}

/// What is told of a grant that came or went.
#[derive(Debug)]
pub(super) struct GrantFacts {
    pub(super) id: GrantId,
    pub(super) organization_id: OrganizationId,
    pub(super) client_id: ClientId,
    pub(super) user_id: UserId,
    pub(super) scopes: Scopes,
    pub(super) parent_id: Option<GrantId>,
    pub(super) label: Option<String>,
}

pub(super) async fn record(
    tx: &mut PgTransaction<'_>,
    act: &Act,
    action: &str,
    grant: &GrantFacts,
) -> sqlx::Result<()> {
    let mut told = json!({
        "client_id": grant.client_id,
        "user_id": grant.user_id,
        "scopes": grant.scopes,
    });
    if let Some(parent) = grant.parent_id {
        told["parent"] = json!(parent);
        told["label"] = json!(grant.label);
    }
    let is_new = action == "grant.created";
    let change = Change {
        organization: Some(grant.organization_id),
        action,
        target: ("grant", grant.id.to_string()),
        before: (!is_new).then(|| told.clone()),
        after: is_new.then_some(told),
    };
    log::record(tx, act, &change).await
}

/// A consent given before, as the consent page wants to know it.
#[derive(Debug, Clone)]
pub struct EarlierConsent {
    pub scopes: Scopes,
    pub resources: Vec<String>,
    pub created_at: Timestamp,
}

impl EarlierConsent {
    /// Whether a request for this need not be put to the person again.
    pub fn covers(&self, scopes: &Scopes, resources: &[String]) -> bool {
        scopes.is_subset_of(&self.scopes)
            && resources.iter().all(|resource| self.resources.contains(resource))
            && resources.is_empty() == self.resources.is_empty()
    }
}

/// The consents of a person to a client in an organization that still count, the newest first. Of a client that
/// registered itself only those to what it says now; and what another client passed on is none.
pub async fn earlier_consents(
    db: &mut PgConnection,
    (user, client, organization): (UserId, ClientId, OrganizationId),
    now: Timestamp,
) -> sqlx::Result<Vec<EarlierConsent>> {
    sqlx::query_as!(
        EarlierConsent,
        r#"
        select g.scopes as "scopes: Scopes", g.resources, g.created_at
          from grants g
          join clients c on c.id = g.client_id
         where g.user_id = $1
           and g.client_id = $2
           and g.organization_id = $3
           and g.parent_id is null
           and g.revoked_at is null
           and g.expires_at > $4
           and (c.consents_count_from is null or g.created_at >= c.consents_count_from)
         order by g.id desc
         limit 20
        "#,
        user as UserId,
        client as ClientId,
        organization as OrganizationId,
        now,
    )
    .fetch_all(db)
    .await
}

/// A grant as its person, or its organization's admin, sees it.
#[derive(Debug)]
pub struct GrantSummary {
    pub id: GrantId,
    pub client_id: ClientId,
    pub client_name: String,
    /// `client_id` of one that a document describes.
    pub client_metadata_url: Option<String>,
    /// `None` for one that registered itself.
    pub publisher: Option<String>,
    pub is_reviewed: bool,
    pub organization_id: OrganizationId,
    pub organization_name: String,
    pub user_id: UserId,
    pub user_email: String,
    pub scopes: Scopes,
    pub resources: Vec<String>,
    /// The grant of which it is a part.
    pub parent_id: Option<GrantId>,
    pub label: Option<String>,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// Whose grants are listed.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// In all organizations.
    Person(UserId),
    PersonIn(UserId, OrganizationId),
    Organization(OrganizationId),
}

impl Whose {
    const fn filters(self) -> (Option<UserId>, Option<OrganizationId>) {
        match self {
            Self::Person(user) => (Some(user), None),
            Self::PersonIn(user, organization) => (Some(user), Some(organization)),
            Self::Organization(organization) => (None, Some(organization)),
        }
    }
}

/// The live ones, the newest first, at most `limit`, those older than `before`.
pub async fn list(
    db: &mut PgConnection,
    whose: Whose,
    (before, limit): (Option<GrantId>, i64),
    now: Timestamp,
) -> sqlx::Result<Vec<GrantSummary>> {
    let (user, organization) = whose.filters();
    sqlx::query_as!(
        GrantSummary,
        r#"
        select g.id as "id: GrantId", g.client_id as "client_id: ClientId", c.name as client_name,
               c.metadata_url as client_metadata_url, p.name as "publisher?", c.is_reviewed,
               g.organization_id as "organization_id: OrganizationId", o.name as organization_name,
               g.user_id as "user_id: UserId", u.email as user_email, g.scopes as "scopes: Scopes",
               g.resources, g.parent_id as "parent_id: GrantId", g.label, g.created_at, g.last_used_at
          from grants g
          join clients c on c.id = g.client_id
          left join organizations p on p.id = c.organization_id
          join organizations o on o.id = g.organization_id
          join users u on u.id = g.user_id
         where ($1::uuid is null or g.user_id = $1)
           and ($2::uuid is null or g.organization_id = $2)
           and ($3::uuid is null or g.id < $3)
           and g.revoked_at is null
           and g.expires_at > $4
         order by g.id desc
         limit $5
        "#,
        user as Option<UserId>,
        organization as Option<OrganizationId>,
        before as Option<GrantId>,
        now,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Every code, refresh token and access token under it is dead at once, and what was passed on of it. `false` if
/// `whose` has no such live grant.
pub async fn revoke(
    tx: &mut PgTransaction<'_>,
    whose: Whose,
    id: GrantId,
    because: &str,
    act: &Act,
) -> sqlx::Result<bool> {
    let (user, organization) = whose.filters();
    let revoked = sqlx::query_as!(
        GrantFacts,
        r#"
        update grants
           set revoked_at = $4, revoked_because = $5
         where id = $1
           and ($2::uuid is null or user_id = $2)
           and ($3::uuid is null or organization_id = $3)
           and revoked_at is null
        returning id as "id: GrantId", organization_id as "organization_id: OrganizationId",
                  client_id as "client_id: ClientId", user_id as "user_id: UserId", scopes as "scopes: Scopes",
                  parent_id as "parent_id: GrantId", label
        "#,
        id as GrantId,
        user as Option<UserId>,
        organization as Option<OrganizationId>,
        act.at,
        because,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(revoked) = revoked else { return Ok(false) };
    record(tx, act, "grant.revoked", &revoked).await?;
    child::end_under(tx, vec![revoked.id], act).await?;
    Ok(true)
}

/// Takes back all that a person gave: to `client`, or to all; as `whose` says, everywhere or in one organization.
pub async fn revoke_all(
    tx: &mut PgTransaction<'_>,
    whose: Whose,
    client: Option<ClientId>,
    because: &str,
    act: &Act,
) -> sqlx::Result<()> {
    let (user, organization) = whose.filters();
    let revoked = sqlx::query_as!(
        GrantFacts,
        r#"
        update grants
           set revoked_at = $4, revoked_because = $5
         where ($1::uuid is null or user_id = $1)
           and ($2::uuid is null or organization_id = $2)
           and ($3::uuid is null or client_id = $3)
           and revoked_at is null
        returning id as "id: GrantId", organization_id as "organization_id: OrganizationId",
                  client_id as "client_id: ClientId", user_id as "user_id: UserId", scopes as "scopes: Scopes",
                  parent_id as "parent_id: GrantId", label
        "#,
        user as Option<UserId>,
        organization as Option<OrganizationId>,
        client as Option<ClientId>,
        act.at,
        because,
    )
    .fetch_all(&mut **tx)
    .await?;
    for grant in &revoked {
        record(tx, act, "grant.revoked", grant).await?;
    }
    child::end_under(tx, revoked.iter().map(|grant| grant.id).collect(), act).await
}

/// Removes grants whose tokens can never come back, a day after; but of those that a person never took back
/// the newest stays, because it remembers the consent, and of each session of a browser the newest, because it
/// remembers which apps are to hear of the session's end.
pub async fn delete_dead(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        r#"
        delete from grants g
         using clients c
         where c.id = g.client_id
           and (   g.expires_at < $1
                or g.revoked_at < $1
                or (    g.parent_id is null
                    and g.rotated_at < $1 - case when g.generation = 0
                                                   or not c.grant_types @> '{refresh_token}'
                                                 then interval '1 day'
                                                 else make_interval(secs => c.refresh_token_idle_seconds) end
                    and exists (select from grants newer
                                 where newer.user_id = g.user_id
                                   and newer.client_id = g.client_id
                                   and newer.organization_id = g.organization_id
                                   and newer.parent_id is null
                                   and newer.revoked_at is null
                                   and newer.id > g.id
                                   and (   newer.sid is not distinct from g.sid
                                        or not exists (select from browser_sessions s where s.id = g.sid)))))
        "#,
        now - chrono::TimeDelta::days(1),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
