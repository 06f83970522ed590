//! Codes and refresh tokens: the generations of a grant.
//!
//! The row holds which generation was issued last. Presenting that one moves the row on; presenting the one
//! before, soon, is a client that lost our answer, and gets the same successor; anything else is a copy in
//! other hands, and ends the grant (RFC 9700 §4.14.2).

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::BrowserSessionId;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::Secret;
use crate::clients::registration::Lifetimes;
use crate::grants::child;
use crate::grants::grant;
use crate::grants::grant::GrantFacts;
use crate::scopes::Scopes;
use crate::signing::derived;
use crate::signing::derived::Derived;
use crate::signing::derived::Kind;
use crate::signing::derived::Verdict;
use crate::signing::keyring::Keys;

/// A code is exchanged at once, by a program (RFC 6749 §4.1.2 allows ten minutes at most).
pub const CODE_LIFETIME: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// A grant as a code or refresh token finds it.
#[derive(Debug, Clone)]
pub struct PresentedGrant {
    pub id: GrantId,
    pub organization_id: OrganizationId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub scopes: Scopes,
    pub resources: Vec<String>,
    /// `None` where no browser was sent back with a code.
    pub redirect_uri: Option<String>,
    pub redirect_uri_asked: bool,
    pub code_challenge: Option<String>,
    pub nonce: Option<String>,
    /// When the person signed in.
    pub auth_time: Option<Timestamp>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub sid: Option<BrowserSessionId>,
    /// Thumbprint of the key that its tokens are bound to (RFC 9449 §6.1).
    pub dpop_jkt: Option<String>,
    /// From which generation on.
    pub dpop_from: Option<i32>,
    pub parent_id: Option<GrantId>,
    pub label: Option<String>,
    /// Who acts with it, where it is a part of another grant (RFC 8693 §4.1).
    pub act: Option<Value>,
    pub generation: i32,
    pub token_key: i16,
    pub rotated_at: Timestamp,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Or signed out of.
    pub revoked_at: Option<Timestamp>,
}

impl PresentedGrant {
    /// What it means that a client presents `generation` now. A code is never retried: the browser has seen it.
    pub fn judge(&self, generation: i32, lifetimes: &Lifetimes, now: Timestamp) -> Verdict {
        let window = if generation == 0 { chrono::TimeDelta::zero() } else { lifetimes.retry_window };
        derived::judge(generation, self.generation, self.rotated_at, window, now)
    }

    /// The key without which the code or refresh token of a generation is of no use to anybody.
    pub fn key_of(&self, generation: i32) -> Option<&str> {
        self.dpop_jkt.as_deref().filter(|_| self.dpop_from.is_some_and(|from| generation >= from))
    }

    /// Until when the token that was issued last may be presented.
    pub fn presentable_until(&self, lifetimes: &Lifetimes) -> Timestamp {
        let idle = if self.generation == 0 { CODE_LIFETIME } else { lifetimes.refresh_token_idle };
        (self.rotated_at + idle).min(self.expires_at)
    }

    /// The browser's session in which the app has signed the person in; `None` for an app that is elsewhere, to which
    /// no browser was sent.
    pub fn browser_session(&self) -> Option<BrowserSessionId> {
        self.sid.filter(|_| self.redirect_uri.is_some())
    }

    /// The token of the generation that was issued last. Fails if its key is not in the ring.
    pub fn token(&self, keys: &Keys) -> anyhow::Result<Secret> {
        let kind = if self.generation == 0 { Kind::Code } else { Kind::Refresh };
        keys.derive(self.token_key, kind, Derived { id: self.id.to_bytes(), generation: self.generation })
    }
}

/// The grant that a token of ours names and which of its generations the token is; `None` for a token that we
/// did not derive, or whose grant is gone.
pub async fn find(
    db: &mut PgConnection,
    keys: &Keys,
    kind: Kind,
    token: &str,
) -> sqlx::Result<Option<(PresentedGrant, i32)>> {
    let Some(derived) = derived::read(keys, kind, token) else { return Ok(None) };
    let grant = find_by_id(db, GrantId::from_bytes(derived.id)).await?;
    Ok(grant.map(|grant| (grant, derived.generation)))
}

/// One place knows which columns make a [`PresentedGrant`] of grants `g` and members `m`.
macro_rules! presented_grants {
    ($before:tt, $after:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            PresentedGrant,
            $before
                + r#"
               g.id as "id: GrantId", g.organization_id as "organization_id: OrganizationId",
               g.client_id as "client_id: ClientId", g.user_id as "user_id: UserId",
               case when m.role = 'member' then array_remove(g.scopes, 'admin') else g.scopes end
                   as "scopes!: Scopes",
               g.resources, g.redirect_uri, g.redirect_uri_asked, g.code_challenge, g.nonce,
               g.auth_time, g.acr, g.amr, g.sid as "sid: BrowserSessionId", g.dpop_jkt, g.dpop_from,
               g.parent_id as "parent_id: GrantId", g.label, g.act, g.generation, g.token_key, g.rotated_at,
               g.created_at, g.expires_at, coalesce(g.revoked_at, g.signed_out_at) as revoked_at
            "#
                + $after
            $(, $argument)*
        )
    };
}

/// `None` also if the person has left the organization, or it is suspended. Of the scopes those that the person may still give.
pub async fn find_by_id(db: &mut PgConnection, id: GrantId) -> sqlx::Result<Option<PresentedGrant>> {
    let found = presented_grants!(
        "select",
        "from grants g
         join members m on m.organization_id = g.organization_id and m.user_id = g.user_id
         join organizations o on o.id = g.organization_id
        where g.id = $1
          and o.suspended_at is null",
        id as GrantId,
    );
    found.fetch_optional(db).await
}

/// A refresh as nearly all are: of a grant that is bound to no key, and without a resource.
#[derive(Debug, Clone, Copy)]
pub struct PlainRefresh<'a> {
    pub client_id: ClientId,
    /// Must all have been granted; empty: whatever was.
    pub asked: &'a Scopes,
    /// Of which at least one must be left.
    pub allowed: &'a Scopes,
    pub idle: chrono::TimeDelta,
    /// Derives the next token.
    pub token_key: i16,
}

/// Reads the grant of a refresh token and moves it on, in one statement, if the token is the one that was issued last and
/// nothing stands against it. `None`: then the grant is to be read and judged.
pub async fn refresh_plainly(
    db: &mut PgConnection,
    presented: Derived,
    plain: PlainRefresh<'_>,
    now: Timestamp,
) -> sqlx::Result<Option<PresentedGrant>> {
    let moved = presented_grants!(
        "update grants g
            set generation = g.generation + 1, token_key = $3, rotated_at = $4, last_used_at = $4
           from members m, organizations o
          where g.id = $1
            and g.generation = $2
            and g.client_id = $5
            and g.rotated_at > $6
            and g.expires_at > $4
            and g.revoked_at is null
            and g.signed_out_at is null
            and g.dpop_jkt is null
            and m.organization_id = g.organization_id
            and m.user_id = g.user_id
            and o.id = g.organization_id
            and o.suspended_at is null
            and $7 <@ case when m.role = 'member' then array_remove(g.scopes, 'admin') else g.scopes end
            and $8 && case when m.role = 'member' then array_remove(g.scopes, 'admin') else g.scopes end
         returning",
        "",
        GrantId::from_bytes(presented.id) as GrantId,
        presented.generation,
        plain.token_key,
        now,
        plain.client_id as ClientId,
        now - plain.idle,
        plain.asked as &Scopes,
        plain.allowed as &Scopes,
    );
    moved.fetch_optional(db).await
}

/// Moves the row on by one, if it still stands where it was read. `None` if another request was faster:
/// then the row is to be read and judged again. The next token is derived by `token_key`, and bound to the key `dpop_jkt`
/// unless it is bound already; without one, an unbound token stays so.
pub async fn move_on(
    db: &mut PgConnection,
    grant: &PresentedGrant,
    (token_key, dpop_jkt): (i16, Option<&str>),
    now: Timestamp,
) -> sqlx::Result<Option<PresentedGrant>> {
    let next =
        PresentedGrant { generation: grant.generation + 1, token_key, rotated_at: now, ..grant.clone() };
    let next = match dpop_jkt {
        Some(key) if grant.dpop_jkt.is_none() => {
            PresentedGrant { dpop_jkt: Some(key.to_owned()), dpop_from: Some(next.generation), ..next }
        }
        _ => next,
    };
    let done = sqlx::query!(
        r#"
        update grants
           set generation = generation + 1, token_key = $3, rotated_at = $4, last_used_at = $4, dpop_jkt = $5,
               dpop_from = $6
         where id = $1
           and generation = $2
           and revoked_at is null
           and signed_out_at is null
        "#,
        grant.id as GrantId,
        grant.generation,
        token_key,
        now,
        next.dpop_jkt,
        next.dpop_from,
    )
    .execute(db)
    .await?;
    Ok((done.rows_affected() > 0).then_some(next))
}

/// Why a client's request ends a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client asked for it (RFC 7009).
    Client,
    /// Two hold one code or refresh token.
    Replay,
}

/// Ends the grant with all its tokens and with what was passed on of it, whoever's it is.
pub async fn revoke(
    tx: &mut PgTransaction<'_>,
    presented: &PresentedGrant,
    ending: Ending,
    act: &Act,
) -> sqlx::Result<()> {
    let (because, action) = match ending {
        Ending::Client => ("client", "grant.revoked"),
        Ending::Replay => ("replay", "grant.replayed"),
    };
    let done = sqlx::query!(
        "update grants set revoked_at = $2, revoked_because = $3 where id = $1 and revoked_at is null",
        presented.id as GrantId,
        act.at,
        because,
    )
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    let facts = GrantFacts {
        id: presented.id,
        organization_id: presented.organization_id,
        client_id: presented.client_id,
        user_id: presented.user_id,
        scopes: presented.scopes.clone(),
        parent_id: presented.parent_id,
        label: presented.label.clone(),
    };
    grant::record(tx, act, action, &facts).await?;
    child::end_under(tx, vec![presented.id], act).await
}
