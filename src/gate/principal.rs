//! Any accepted credential becomes a [`Principal`] here, and everything after that is blind to which it was.

use std::sync::Arc;

use chrono::DateTime;

use crate::api_keys::format;
use crate::api_keys::format::KeyParts;
use crate::api_keys::verify::KnownKey;
use crate::app::App;
use crate::audit::act::Actor;
use crate::audit::act::ActorKind;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::clients::identifier;
use crate::gate::challenge::Scheme;
use crate::gate::dpop;
use crate::gate::dpop::Call;
use crate::gate::dpop::proof;
use crate::gate::error::ApiError;
use crate::gate::presented::Presented;
use crate::grants::access_token::Claims;
use crate::grants::access_token::LiveToken;
use crate::grants::grant::ACR;
use crate::organizations::credential::Credential;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::organization::Organization;
use crate::organizations::session;
use crate::organizations::session::LiveSession;
use crate::scopes::Scopes;

/// What any accepted credential resolves to.
#[derive(Debug, Clone)]
pub struct Principal {
    pub organization: Arc<Organization>,
    /// The person behind the credential: who consented, signed in, or made the key.
    pub user: Option<Person>,
    pub client: Option<Named<ClientId>>,
    pub key: Option<Named<ApiKeyId>>,
    pub scopes: Scopes,
    /// The credential's own, besides its organization's; empty: from anywhere.
    pub ip_allowlist: IpAllowlist,
    pub credential: Credential,
    /// How the credential came; refusals are told in its terms.
    pub scheme: Scheme,
    /// How the person had proved who they are; `None` where nobody had.
    pub sign_in: Option<SignIn>,
}

/// RFC 9470 §6.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub at: Timestamp,
    pub acr: String,
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

impl Principal {
    fn of_key(key: &KnownKey, organization: Arc<Organization>) -> Self {
        let person = |(id, email): &(UserId, String)| Person {
            id: *id,
            email: email.clone(),
            // A key never carries its maker's rights over the whole server.
            is_superadmin: false,
        };
        Self {
            user: key.created_by.as_ref().map(person),
            client: None,
            key: Some(Named { id: key.id, name: key.label.clone() }),
            scopes: key.scopes.clone(),
            ip_allowlist: key.ip_allowlist.clone(),
            credential: Credential::ApiKey(key.id),
            organization,
            scheme: Scheme::Bearer,
            // That its maker had signed in to make it was another time.
            sign_in: None,
        }
    }

    fn of_token(claims: &Claims, token: LiveToken) -> Self {
        let client_id = token.client.id;
        Self {
            organization: token.organization,
            user: token.user.map(|(id, email)| Person { id, email, is_superadmin: false }),
            client: Some(Named { id: client_id, name: token.client.registration.name.clone() }),
            key: None,
            scopes: token.scopes,
            ip_allowlist: IpAllowlist::default(),
            credential: claims.grant.map_or(Credential::Client(client_id), Credential::Grant),
            scheme: if claims.cnf.is_some() { Scheme::Dpop } else { Scheme::Bearer },
            sign_in: sign_in(claims),
        }
    }
}

fn sign_in(claims: &Claims) -> Option<SignIn> {
    let at = DateTime::from_timestamp(claims.auth_time?, 0)?;
    Some(SignIn { at, acr: claims.acr.clone()? })
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
            organization: Arc::new(session.organization),
            scheme: Scheme::Bearer,
            sign_in: Some(SignIn { at: session.created_at, acr: ACR.to_owned() }),
        }
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
    /// A token of ours that came without what must come with it.
    Unproven(Whose, proof::Refusal),
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

/// The principal of a credential; `None` if it is not in force. For what takes no token that is bound to a key.
pub async fn resolve(
    app: &App,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Option<Principal>, ApiError> {
    if presented.scheme() == Scheme::Dpop {
        return Ok(None);
    }
    Ok(match look_up(app, presented, app.config.links.issuer(), None, now).await? {
        Found::Live(principal) => Some(*principal),
        Found::Dead(_) | Found::Unproven(..) | Found::Unknown => None,
    })
}

/// The one function that turns a credential into a principal. A token must be for `resource` (RFC 9068 §4), and one
/// that is bound to a key for this very `call`, which a bearer token need not be.
pub async fn look_up(
    app: &App,
    presented: Presented<'_>,
    resource: &str,
    call: Option<Call<'_>>,
    now: Timestamp,
) -> Result<Found, ApiError> {
    let prefix = &app.config.api_key_prefix;
    let (Presented::Bearer(text) | Presented::ApiKey(text) | Presented::Dpop(text)) = presented;
    // No key is bound to another.
    let may_be_key = presented.scheme() == Scheme::Bearer;
    if let Some(parts) = format::parse(text, prefix).filter(|_| may_be_key) {
        return Ok(of_key(app, &parts, now).await?);
    }
    if matches!(presented, Presented::ApiKey(_)) || format::looks_like_key(text, prefix) {
        return Ok(Found::Unknown);
    }
    let call = call.filter(|_| presented.scheme() == Scheme::Dpop);
    if let Some(claims) = app.read_token(text, now).await? {
        return of_access_token(app, (&claims, text), resource, call, now).await;
    }
    let keys = app.keys.current();
    let Some(claims) = session::read(&keys, app.config.links.issuer(), text, now) else {
        return Ok(Found::Unknown);
    };
    Box::pin(of_session(app, &claims, call, now)).await
}

async fn of_key(app: &App, presented: &KeyParts<'_>, now: Timestamp) -> sqlx::Result<Found> {
    let Some((key, organization)) = app.cache.key(presented.public_id).await? else {
        return Ok(Found::Unknown);
    };
    if !key.is_proved_by(presented, now) {
        return Ok(Found::Unknown);
    }
    if key.is_live(now) {
        return Ok(Found::Live(Box::new(Principal::of_key(&key, organization))));
    }
    let credential = Credential::ApiKey(key.id);
    Ok(Found::Dead(Whose { organization: organization.id, credential, client: None, user: None }))
}

async fn of_access_token(
    app: &App,
    (claims, text): (&Claims, &str),
    resource: &str,
    call: Option<Call<'_>>,
    now: Timestamp,
) -> Result<Found, ApiError> {
    let Some(client) = identifier::row_id(&claims.client_id) else { return Ok(Found::Unknown) };
    let credential = claims.grant.map_or(Credential::Client(client), Credential::Grant);
    let dead = Whose { organization: claims.org, credential, client: Some(client), user: None };
    // A token for another resource is no token here.
    if !claims.aud.includes(resource) {
        return Ok(Found::Dead(dead));
    }
    let proof = match dpop::check(app, (claims, text), call, now) {
        Ok(proof) => proof,
        Err(refusal) => return Ok(Found::Unproven(dead, refusal)),
    };
    let Some(live) = app.cache.live_token(claims, now).await? else { return Ok(Found::Dead(dead)) };
    // Last: what is refused for another reason has not used its proof up, nor room in our memory.
    if let Some(proof) = proof
        && let Err(refusal) = Box::pin(dpop::use_once(app, &proof, now)).await
    {
        return Ok(Found::Unproven(dead, refusal));
    }
    Ok(Found::Live(Box::new(Principal::of_token(claims, live))))
}

async fn of_session(
    app: &App,
    claims: &session::Claims,
    call: Option<Call<'_>>,
    now: Timestamp,
) -> Result<Found, ApiError> {
    let whose = Whose {
        organization: claims.org,
        credential: Credential::Session(claims.sid),
        client: None,
        user: Some(claims.sub),
    };
    if call.is_some() {
        return Ok(Found::Unproven(whose, proof::Refusal::Unbound));
    }
    let mut db = app.db.acquire().await?;
    let live = session::find_live(&mut db, claims, now).await?;
    Ok(live.map_or(Found::Dead(whose), |session| Found::Live(Box::new(session.into()))))
}
