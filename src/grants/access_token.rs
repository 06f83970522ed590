//! Access tokens: JWTs as RFC 9068 describes them. No row is written for one; the grant that it names is
//! looked at when it is used, so that a revocation counts at once.

use std::sync::Arc;

use chrono::DateTime;
use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::base::ids::TokenId;
use crate::base::ids::UserId;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::grants::generation::PresentedGrant;
use crate::grants::subject::SubjectKey;
use crate::organizations::member::Role;
use crate::organizations::organization::Organization;
use crate::scopes::Scopes;
use crate::signing::jwt;
use crate::signing::keyring::Keys;

/// RFC 9068 §2.1.
pub const TYPE: &str = "at+jwt";

/// RFC 9068 §2.2, and `org` and `grant` of ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// The person, as the client knows them, or the client itself where no person is involved (RFC 9068 §2.2).
    pub sub: String,
    pub aud: Audience,
    pub exp: i64,
    pub iat: i64,
    pub jti: TokenId,
    /// As it is written on the wire.
    pub client_id: String,
    /// Space-separated.
    pub scope: String,
    pub org: OrganizationId,
    /// Absent where no person is involved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// When and how the person signed in (RFC 9068 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Of a token that is bound to a key (RFC 9449 §6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts for the person, besides the client (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Thumbprint of the key (RFC 7638).
    pub jkt: String,
}

/// `aud`: one string, or several (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// The resources that were asked for, or else this server's own API.
    pub fn of(resources: &[String], issuer: &str) -> Self {
        match resources {
            [] => Self::One(issuer.to_owned()),
            [one] => Self::One(one.clone()),
            several => Self::Several(several.to_vec()),
        }
    }

    pub fn to_vec(&self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::Several(several) => several.clone(),
        }
    }

    pub fn includes(&self, resource: &str) -> bool {
        match self {
            Self::One(one) => one == resource,
            Self::Several(several) => several.iter().any(|one| one == resource),
        }
    }
}

/// In whose name tokens are made, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    pub url: &'a str,
    pub subjects: &'a SubjectKey,
}

#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    pub client: &'a Client,
    pub holder: Holder<'a>,
    pub scopes: &'a Scopes,
    /// RFC 8707; empty: this server's own API.
    pub resources: &'a [String],
    /// Thumbprint of the key that the token is bound to (RFC 9449 §6.1).
    pub dpop_jkt: Option<&'a str>,
}

/// For whom a token is made.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// A client on its own account (RFC 6749 §4.4).
    Client(OrganizationId),
    /// A client with a person's grant.
    Grant(&'a PresentedGrant),
}

/// How long a token lives: as the client's registration says, but not beyond its grant.
pub fn lifetime(client: &Client, holder: Holder<'_>, now: Timestamp) -> TimeDelta {
    let lifetime = client.registration.lifetimes.access_token;
    match holder {
        Holder::Client(_) => lifetime,
        Holder::Grant(grant) => lifetime.min(grant.expires_at - now),
    }
}

pub fn mint(keys: &Keys, issuer: Issuer<'_>, new: &NewToken<'_>, now: Timestamp) -> anyhow::Result<Secret> {
    let NewToken { client, holder, scopes, resources, dpop_jkt } = *new;
    let (sub, org, grant) = match holder {
        Holder::Client(organization) => (client.identifier(), organization, None),
        Holder::Grant(grant) => {
            (issuer.subjects.subject(client, grant.user_id), grant.organization_id, Some(grant))
        }
    };
    let claims = Claims {
        iss: issuer.url.to_owned(),
        sub,
        aud: Audience::of(resources, issuer.url),
        exp: (now + lifetime(client, holder, now)).timestamp(),
        iat: now.timestamp(),
        jti: TokenId::new(now),
        client_id: client.identifier(),
        scope: scopes.to_string(),
        org,
        grant: grant.map(|grant| grant.id),
        auth_time: grant.and_then(|grant| grant.auth_time).map(|at| at.timestamp()),
        acr: grant.and_then(|grant| grant.acr.clone()),
        amr: grant.map(|grant| grant.amr.clone()).unwrap_or_default(),
        cnf: dpop_jkt.map(|jkt| Confirmation { jkt: jkt.to_owned() }),
        act: grant.and_then(|grant| grant.act.clone()),
    };
    let chosen = client.registration.access_token_signing_alg.map(Into::into);
    jwt::sign(keys, chosen.unwrap_or_else(|| keys.default_algorithm()), TYPE, &claims, now)
}

/// The claims of a token of ours that has not run out. Says nothing of revocation: see [`judge`].
pub fn read(keys: &Keys, issuer: &str, token: &str, now: Timestamp) -> Option<Claims> {
    let claims: Claims = jwt::verify(keys, TYPE, token, now)?;
    (claims.iss == issuer && now.timestamp() < claims.exp).then_some(claims)
}

/// A grant, as far as its access tokens depend on it.
#[derive(Debug)]
pub struct TokenGrant {
    client_id: ClientId,
    user: (UserId, String),
    /// `None` if the person has left the organization.
    role: Option<Role>,
    expires_at: Timestamp,
    /// Revoked or signed out of, itself or the one of which it is a part.
    is_over: bool,
}

pub async fn find_grant(db: &mut PgConnection, id: GrantId) -> sqlx::Result<Option<TokenGrant>> {
    let row = sqlx::query!(
        r#"
        select g.client_id as "client_id: ClientId", u.id as "user_id: UserId", u.email, m.role as "role?: Role",
               g.expires_at,
               (   g.revoked_at is not null
                or g.signed_out_at is not null
                or exists (select from grants q where q.id = g.parent_id and q.signed_out_at is not null)) as "is_over!"
          from grants g
          join users u on u.id = g.user_id
          left join members m on m.organization_id = g.organization_id and m.user_id = g.user_id
         where g.id = $1
        "#,
        id as GrantId,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| TokenGrant {
        client_id: row.client_id,
        user: (row.user_id, row.email),
        role: row.role,
        expires_at: row.expires_at,
        is_over: row.is_over,
    }))
}

/// What a token stands on, as it is now.
#[derive(Debug)]
pub struct Basis {
    pub client: Arc<Client>,
    /// Of a token that has one, and it was found.
    pub grant: Option<Arc<TokenGrant>>,
    pub organization: Arc<Organization>,
    /// Alone (RFC 7009).
    pub is_revoked: bool,
}

/// A token that may be used now.
#[derive(Debug)]
pub struct LiveToken {
    pub scopes: Scopes,
    pub client: Arc<Client>,
    pub user: Option<(UserId, String)>,
    pub organization: Arc<Organization>,
}

/// The token, if it still counts: its grant lives, its person still belongs to the organization, its client works, and
/// it was not revoked alone.
pub fn judge(claims: &Claims, basis: Basis, now: Timestamp) -> Option<LiveToken> {
    let Basis { client, grant, organization, is_revoked } = basis;
    let scopes = Scopes::parse(&claims.scope).ok()?;
    // Of the organization that the token is for, the caller hears more.
    let is_stopped = client.suspended_at.is_some() && !client.belongs_to(organization.id);
    if is_revoked || is_stopped || client.disabled_at.is_some() {
        return None;
    }
    if claims.grant.is_none() {
        return Some(LiveToken { scopes, client, user: None, organization });
    }
    let grant =
        grant.filter(|grant| grant.client_id == client.id && !grant.is_over && now < grant.expires_at)?;
    Some(LiveToken {
        // A person who is no admin any more cannot act as one through an app.
        scopes: grant.role?.may_give(&scopes),
        client,
        user: Some(grant.user.clone()),
        organization,
    })
}

/// Whether the token was revoked alone.
pub async fn is_revoked(db: &mut PgConnection, id: TokenId) -> sqlx::Result<bool> {
    let is_revoked = sqlx::query_scalar!(
        r#"select exists (select from revoked_access_tokens where jti = $1) as "is_revoked!""#,
        id as TokenId,
    );
    is_revoked.fetch_one(db).await
}

/// Revokes one token and leaves its grant (RFC 7009 §2.1). The row goes when the token would have run out.
pub async fn revoke(db: &mut PgConnection, claims: &Claims) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into revoked_access_tokens (jti, expires_at) values ($1, $2) on conflict (jti) do nothing",
        claims.jti as TokenId,
        DateTime::from_timestamp(claims.exp, 0).unwrap_or_default(),
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn delete_expired(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from revoked_access_tokens where expires_at < $1", now).execute(db).await?;
    Ok(())
}
