//! A person's session in one organization, for front ends that keep tokens instead of a cookie: a signed
//! access token and a derived refresh token that moves on with each use.

use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::SessionId;
use crate::base::ids::UserId;
use crate::base::secret::Secret;
use crate::organizations::member::Role;
use crate::organizations::organization;
use crate::organizations::organization::Organization;
use crate::signing::derived;
use crate::signing::derived::Derived;
use crate::signing::derived::Kind;
use crate::signing::derived::Verdict;
use crate::signing::jwt;
use crate::signing::keyring::Keys;

/// Of the access token.
pub const ACCESS_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// Without a refresh for this long, a session ends.
const IDLE: TimeDelta = TimeDelta::days(30);
/// However often it is refreshed.
const LIFETIME: TimeDelta = TimeDelta::days(365);
/// For how long a refresh may be repeated because its answer was lost.
const RETRY_WINDOW: TimeDelta = TimeDelta::seconds(60);
/// Keeps a session's token from passing for an app's (RFC 8725 §3.11).
const TOKEN_TYPE: &str = "session+jwt";

/// What a front end keeps.
#[derive(Debug)]
pub struct SessionTokens {
    pub access_token: Secret,
    pub refresh_token: Secret,
    /// Of the access token.
    pub expires_at: Timestamp,
}

/// A session that a presented access token belongs to.
#[derive(Debug)]
pub struct LiveSession {
    pub id: SessionId,
    /// When the person signed in.
    pub created_at: Timestamp,
    pub user_id: UserId,
    pub email: String,
    pub is_superadmin: bool,
    pub role: Role,
    pub organization: Organization,
}

/// What an access token of a session says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    pub sub: UserId,
    aud: String,
    iat: i64,
    exp: i64,
    pub org: OrganizationId,
    pub sid: SessionId,
}

/// Starts a session.
pub async fn create(
    db: &mut PgConnection,
    keys: &Keys,
    issuer: &str,
    (user, organization): (UserId, OrganizationId),
    now: Timestamp,
) -> anyhow::Result<SessionTokens> {
    let id = SessionId::new(now);
    let token_key = keys.newest_token_key();
    sqlx::query!(
        r#"
        insert into sessions
               (id, user_id, organization_id, generation, token_key, rotated_at, created_at, expires_at)
        values ($1, $2, $3, 1, $4, $5, $5, $6)
        "#,
        id as SessionId,
        user as UserId,
        organization as OrganizationId,
        token_key,
        now,
        now + LIFETIME,
    )
    .execute(db)
    .await?;
    tokens(keys, issuer, &Row { id, user, organization, generation: 1, token_key }, now)
}

struct Row {
    id: SessionId,
    user: UserId,
    organization: OrganizationId,
    generation: i32,
    token_key: i16,
}

fn tokens(keys: &Keys, issuer: &str, row: &Row, now: Timestamp) -> anyhow::Result<SessionTokens> {
    let expires_at = now + ACCESS_LIFETIME;
    let claims = Claims {
        iss: issuer.to_owned(),
        sub: row.user,
        aud: issuer.to_owned(),
        iat: now.timestamp(),
        exp: expires_at.timestamp(),
        org: row.organization,
        sid: row.id,
    };
    let derived = Derived { id: row.id.to_bytes(), generation: row.generation };
    let refresh_token = keys.derive(row.token_key, Kind::Session, derived)?;
    let access_token = jwt::sign(keys, keys.default_algorithm(), TOKEN_TYPE, &claims, now)?;
    Ok(SessionTokens { access_token, refresh_token, expires_at })
}

/// The next tokens for a refresh token; `None` if it is not good (any more). A replay ends the session.
///
/// Each round is one statement that changes the row only as it was read, so that of several refreshes at
/// once one moves the row on and the others find it moved: for them it is a retry.
pub async fn refresh(
    db: &mut PgConnection,
    keys: &Keys,
    issuer: &str,
    presented: &Secret,
    now: Timestamp,
) -> anyhow::Result<Option<SessionTokens>> {
    let Some(presented) = derived::read(keys, Kind::Session, presented.expose()) else { return Ok(None) };
    let id = SessionId::from_bytes(presented.id);
    loop {
        let Some(row) = find_for_refresh(db, id, now).await? else { return Ok(None) };
        let mut next = Row {
            id,
            user: row.user_id,
            organization: row.organization_id,
            generation: row.generation,
            token_key: row.token_key,
        };
        match derived::judge(presented.generation, row.generation, row.rotated_at, RETRY_WINDOW, now) {
            Verdict::Current => {
                next.token_key = keys.newest_token_key();
                if !move_on(db, &next, now).await? {
                    continue;
                }
                next.generation += 1;
            }
            Verdict::Retry => {}
            Verdict::Replay => {
                revoke(db, id, "replay", now).await?;
                tracing::warn!(session.id = %id, "a refresh token was replayed: session revoked");
                return Ok(None);
            }
        }
        return tokens(keys, issuer, &next, now).map(Some);
    }
}

struct RefreshRow {
    user_id: UserId,
    organization_id: OrganizationId,
    generation: i32,
    token_key: i16,
    rotated_at: Timestamp,
}

async fn find_for_refresh(
    db: &mut PgConnection,
    id: SessionId,
    now: Timestamp,
) -> sqlx::Result<Option<RefreshRow>> {
    sqlx::query_as!(
        RefreshRow,
        r#"
        select s.user_id as "user_id: UserId", s.organization_id as "organization_id: OrganizationId",
               s.generation, s.token_key, s.rotated_at
          from sessions s
          join members m on m.organization_id = s.organization_id and m.user_id = s.user_id
         where s.id = $1
           and s.revoked_at is null
           and s.expires_at > $2
           and s.rotated_at > $3
        "#,
        id as SessionId,
        now,
        now - IDLE,
    )
    .fetch_optional(db)
    .await
}

/// `false` if the row has moved on meanwhile.
async fn move_on(db: &mut PgConnection, row: &Row, now: Timestamp) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update sessions
           set generation = generation + 1, token_key = $3, rotated_at = $4
         where id = $1
           and generation = $2
           and revoked_at is null
        "#,
        row.id as SessionId,
        row.generation,
        row.token_key,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The claims of an access token of ours that has not run out. Says nothing of revocation: see [`find_live`].
pub fn read(keys: &Keys, issuer: &str, token: &str, now: Timestamp) -> Option<Claims> {
    let claims: Claims = jwt::verify(keys, TOKEN_TYPE, token, now)?;
    let is_good = claims.iss == issuer && claims.aud == issuer && now.timestamp() < claims.exp;
    is_good.then_some(claims)
}

/// The session of an access token, if it still lives and its person still belongs to the organization.
pub async fn find_live(
    db: &mut PgConnection,
    claims: &Claims,
    now: Timestamp,
) -> sqlx::Result<Option<LiveSession>> {
    let row = sqlx::query!(
        r#"
        select u.id as "user_id: UserId", u.email, u.is_superadmin, m.role as "role: Role",
               s.organization_id as "organization_id: OrganizationId", s.created_at
          from sessions s
          join users u on u.id = s.user_id
          join members m on m.organization_id = s.organization_id and m.user_id = s.user_id
         where s.id = $1
           and s.revoked_at is null
           and s.expires_at > $2
        "#,
        claims.sid as SessionId,
        now,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Some(organization) = organization::find(db, row.organization_id).await? else { return Ok(None) };
    Ok(Some(LiveSession {
        id: claims.sid,
        created_at: row.created_at,
        user_id: row.user_id,
        email: row.email,
        is_superadmin: row.is_superadmin,
        role: row.role,
        organization,
    }))
}

/// Ends a session: both its tokens are dead at once.
pub async fn revoke(db: &mut PgConnection, id: SessionId, because: &str, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        "update sessions set revoked_at = $2, revoked_because = $3 where id = $1 and revoked_at is null",
        id as SessionId,
        now,
        because,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends all sessions of a person.
pub async fn revoke_all_of(
    db: &mut PgConnection,
    user: UserId,
    because: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update sessions set revoked_at = $2, revoked_because = $3 where user_id = $1 and revoked_at is null",
        user as UserId,
        now,
        because,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends all sessions of a person in one organization.
pub async fn revoke_all_in(
    db: &mut PgConnection,
    (organization, user): (OrganizationId, UserId),
    because: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update sessions
           set revoked_at = $3, revoked_because = $4
         where organization_id = $1
           and user_id = $2
           and revoked_at is null
        "#,
        organization as OrganizationId,
        user as UserId,
        now,
        because,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes sessions that can never come back.
pub async fn delete_dead(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from sessions where expires_at < $1 or rotated_at < $2 or revoked_at < $2",
        now,
        now - IDLE,
    )
    .execute(db)
    .await?;
    Ok(())
}
