//! Access tokens: JWTs as RFC 9068 describes them. No row is written for one; the grant that it names is
//! looked at when it is used, so that a revocation counts at once.

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
use crate::clients::identifier;
use crate::grants::generation::PresentedGrant;
use crate::grants::subject::SubjectKey;
use crate::organizations::member::Role;
use crate::organizations::organization;
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

/// The claims of a token of ours that has not run out. Says nothing of revocation: see [`find_live`].
pub fn read(keys: &Keys, issuer: &str, token: &str, now: Timestamp) -> Option<Claims> {
    let claims: Claims = jwt::verify(keys, TYPE, token, now)?;
    (claims.iss == issuer && now.timestamp() < claims.exp).then_some(claims)
}

/// A token that may be used now.
#[derive(Debug)]
pub struct LiveToken {
    pub scopes: Scopes,
    pub client_id: ClientId,
    pub client_name: String,
    /// `None` for a client that registered itself.
    pub client_organization_id: Option<OrganizationId>,
    pub user: Option<(UserId, String)>,
    pub organization: Organization,
}

/// The token, if it still counts: its grant lives, its person still belongs to the organization, its client works, and
/// it was not revoked alone.
pub async fn find_live(
    db: &mut PgConnection,
    claims: &Claims,
    now: Timestamp,
) -> sqlx::Result<Option<LiveToken>> {
    let Ok(scopes) = Scopes::parse(&claims.scope) else { return Ok(None) };
    let Some(client_id) = identifier::row_id(&claims.client_id) else { return Ok(None) };
    let row = sqlx::query!(
        r#"
        select c.name as client_name, c.organization_id as "client_organization_id: OrganizationId",
               u.id as "user_id?: UserId", u.email as "email?", m.role as "role?: Role"
          from clients c
          left join organizations p on p.id = c.organization_id
          left join grants g on g.id = $2 and g.client_id = c.id
          left join users u on u.id = g.user_id
          left join members m on m.organization_id = g.organization_id and m.user_id = g.user_id
         where c.id = $1
           and c.disabled_at is null
           -- Of the organization that the token is for, the caller hears more.
           and (p.suspended_at is null or p.id = $5)
           and ($2::uuid is null or (g.revoked_at is null and g.signed_out_at is null and g.expires_at > $4
                                 and m.role is not null))
           and not exists (select from grants q where q.id = g.parent_id and q.signed_out_at is not null)
           and not exists (select from revoked_access_tokens r where r.jti = $3)
        "#,
        client_id as ClientId,
        claims.grant as Option<GrantId>,
        claims.jti as TokenId,
        now,
        claims.org as OrganizationId,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Some(organization) = organization::find(db, claims.org).await? else { return Ok(None) };
    Ok(Some(LiveToken {
        // A person who is no admin any more cannot act as one through an app.
        scopes: row.role.map_or_else(|| scopes.clone(), |role| role.may_give(&scopes)),
        client_id,
        client_name: row.client_name,
        client_organization_id: row.client_organization_id,
        user: row.user_id.zip(row.email),
        organization,
    }))
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
