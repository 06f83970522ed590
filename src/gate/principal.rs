//! Any accepted credential becomes a [`Principal`] here, and everything after that is blind to which it was.

use axum::http::HeaderMap;
use axum::http::header;

use crate::api_keys::format;
use crate::api_keys::verify;
use crate::api_keys::verify::FoundKey;
use crate::app::App;
use crate::audit::act::Actor;
use crate::audit::act::ActorKind;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::clients::identifier;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::grants::access_token;
use crate::grants::access_token::Claims;
use crate::grants::access_token::LiveToken;
use crate::organizations::credential::Credential;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::organization::Organization;
use crate::organizations::session;
use crate::organizations::session::LiveSession;
use crate::scopes::Scopes;

/// What any accepted credential resolves to.
#[derive(Debug, Clone)]
pub struct Principal {
    pub organization: Organization,
    /// The person behind the credential: who consented, signed in, or made the key.
    pub user: Option<Person>,
    pub client: Option<Named<ClientId>>,
    pub key: Option<Named<ApiKeyId>>,
    pub scopes: Scopes,
    /// The credential's own, besides its organization's; empty: from anywhere.
    pub ip_allowlist: IpAllowlist,
    pub credential: Credential,
}

#[derive(Debug, Clone)]
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub is_superadmin: bool,
}

#[derive(Debug, Clone)]
pub struct Named<T> {
    pub id: T,
    pub name: String,
}

impl From<FoundKey> for Principal {
    fn from(key: FoundKey) -> Self {
        Self {
            // A key never carries its maker's rights over the whole server.
            user: key.created_by.map(|(id, email)| Person { id, email, is_superadmin: false }),
            client: None,
            key: Some(Named { id: key.id, name: key.label }),
            scopes: key.scopes,
            ip_allowlist: key.ip_allowlist,
            credential: Credential::ApiKey(key.id),
            organization: key.organization,
        }
    }
}

impl Principal {
    fn of_token(claims: &Claims, token: LiveToken) -> Self {
        let client_id = token.client_id;
        Self {
            organization: token.organization,
            user: token.user.map(|(id, email)| Person { id, email, is_superadmin: false }),
            client: Some(Named { id: client_id, name: token.client_name }),
            key: None,
            scopes: token.scopes,
            ip_allowlist: IpAllowlist::default(),
            credential: claims.grant.map_or(Credential::Client(client_id), Credential::Grant),
        }
    }
}

impl From<LiveSession> for Principal {
    fn from(session: LiveSession) -> Self {
        Self {
            user: Some(Person {
                id: session.user_id,
                email: session.email,
                is_superadmin: session.is_superadmin,
            }),
            client: None,
            key: None,
            scopes: session.role.scopes(),
            ip_allowlist: IpAllowlist::default(),
            credential: Credential::Session(session.id),
            organization: session.organization,
        }
    }
}

/// The credential that a request carries, not yet looked at.
pub enum Presented<'a> {
    Bearer(&'a str),
    ApiKey(&'a str),
}

/// `None` if there is no credential at all. Two that differ are refused: a proxy and a server that prefer
/// different ones would otherwise disagree on who is asking.
pub fn presented(headers: &HeaderMap) -> Result<Option<Presented<'_>>, ApiError> {
    let twice = || ApiErrorCode::BadRequest.because("Send one credential, not several");
    let mut keys = headers.get_all("x-api-key").iter();
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let key = keys.next().map(|value| value.to_str().unwrap_or_default().trim());
    let authorization = authorizations.next().map(|value| value.to_str().unwrap_or_default());
    if keys.next().is_some() || authorizations.next().is_some() {
        return Err(twice());
    }
    // RFC 9110 §11.1: the scheme in any case. RFC 6750 §3.1: another scheme is as good as none.
    let bearer = authorization.and_then(|value| match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        _ => None,
    });
    match (authorization, key) {
        (Some(_), Some(key)) if bearer != Some(key) => Err(twice()),
        (Some(_), _) => Ok(bearer.map(Presented::Bearer)),
        (None, Some(key)) => Ok(Some(Presented::ApiKey(key))),
        (None, None) => Ok(None),
    }
}

impl Principal {
    /// Whom the company's API takes the caller for: the person, or else the client or the key itself.
    pub fn subject(&self) -> String {
        match (&self.user, &self.client, &self.key) {
            (Some(user), _, _) => user.id.to_string(),
            (None, Some(client), _) => client.id.to_string(),
            (None, None, Some(key)) => key.id.to_string(),
            (None, None, None) => self.credential.to_string(),
        }
    }

    pub fn whose(&self) -> Whose {
        Whose {
            organization: self.organization.id,
            credential: self.credential,
            client: self.client.as_ref().map(|client| client.id),
            user: self.user.as_ref().map(|user| user.id),
        }
    }

    /// Who does what this credential is used for.
    pub fn actor(&self) -> Actor {
        let email = self.user.as_ref().map(|user| user.email.clone());
        match (&self.key, &self.client) {
            (Some(key), _) => Actor::api_key(key.id, &key.name),
            (None, Some(client)) => match email {
                Some(email) => Actor::client(client.id, &format!("{} for {email}", client.name)),
                None => Actor::client(client.id, &client.name),
            },
            (None, None) => Actor {
                kind: ActorKind::User,
                id: self.user.as_ref().map(|user| user.id.to_string()),
                name: email,
            },
        }
    }
}

/// What a presented credential is to us.
pub enum Found {
    Live(Box<Principal>),
    /// One of ours that counts no more: revoked, expired, or its person has left.
    Dead(Whose),
    Unknown,
}

/// Whose a credential is or was, as far as the access log wants to know it.
#[derive(Debug, Clone, Copy)]
pub struct Whose {
    pub organization: OrganizationId,
    pub credential: Credential,
    pub client: Option<ClientId>,
    pub user: Option<UserId>,
}

/// The principal of a credential; `None` if it is not in force.
pub async fn resolve(
    app: &App,
    presented: &Presented<'_>,
    now: Timestamp,
) -> Result<Option<Principal>, ApiError> {
    Ok(match look_up(app, presented, app.config.links.issuer(), now).await? {
        Found::Live(principal) => Some(*principal),
        Found::Dead(_) | Found::Unknown => None,
    })
}

/// The one function that turns a credential into a principal. A token must be for `resource` (RFC 9068 §4).
pub async fn look_up(
    app: &App,
    presented: &Presented<'_>,
    resource: &str,
    now: Timestamp,
) -> Result<Found, ApiError> {
    let prefix = &app.config.api_key_prefix;
    let (text, may_be_token) = match presented {
        Presented::Bearer(text) => (*text, true),
        Presented::ApiKey(text) => (*text, false),
    };
    if let Some(parts) = format::parse(text, prefix) {
        let mut db = app.db.acquire().await?;
        let Some(key) = verify::find(&mut db, &parts, now).await? else { return Ok(Found::Unknown) };
        let dead = Whose {
            organization: key.organization.id,
            credential: Credential::ApiKey(key.id),
            client: None,
            user: None,
        };
        return Ok(if key.is_live { Found::Live(Box::new(key.into())) } else { Found::Dead(dead) });
    }
    if !may_be_token || format::looks_like_key(text, prefix) {
        return Ok(Found::Unknown);
    }
    look_up_token(app, text, resource, now).await
}

async fn look_up_token(app: &App, text: &str, resource: &str, now: Timestamp) -> Result<Found, ApiError> {
    let keys = app.keys_that(|keys| keys.know(text)).await?;
    let issuer = app.config.links.issuer();
    if let Some(claims) = access_token::read(&keys, issuer, text, now) {
        let Some(client) = identifier::row_id(&claims.client_id) else { return Ok(Found::Unknown) };
        let credential = claims.grant.map_or(Credential::Client(client), Credential::Grant);
        let dead = Whose { organization: claims.org, credential, client: Some(client), user: None };
        // A token for another resource is no token here.
        if !claims.aud.includes(resource) {
            return Ok(Found::Dead(dead));
        }
        let mut db = app.db.acquire().await?;
        let live = access_token::find_live(&mut db, &claims, now).await?;
        return Ok(live
            .map_or(Found::Dead(dead), |token| Found::Live(Box::new(Principal::of_token(&claims, token)))));
    }
    let Some(claims) = session::read(&keys, issuer, text, now) else { return Ok(Found::Unknown) };
    let dead = Whose {
        organization: claims.org,
        credential: Credential::Session(claims.sid),
        client: None,
        user: Some(claims.sub),
    };
    let mut db = app.db.acquire().await?;
    let live = session::find_live(&mut db, &claims, now).await?;
    Ok(live.map_or(Found::Dead(dead), |session| Found::Live(Box::new(session.into()))))
}
