//! Who is asking. Any accepted credential becomes a [`Principal`] here, and everything after that is blind to
//! which it was.

use std::fmt;

use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use sqlx::PgConnection;

use crate::api_keys::format;
use crate::api_keys::verify;
use crate::api_keys::verify::LiveKey;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::SessionId;
use crate::base::ids::UserId;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::rate_limit;
use crate::grants::access_token;
use crate::grants::access_token::LiveToken;
use crate::organizations::organization::Organization;
use crate::organizations::rate_limit::Decision;
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

/// Which credential it was: for the log, the rate limit and for its revocation, not for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    ApiKey(ApiKeyId),
    Grant(GrantId),
    Client(ClientId),
    Session(SessionId),
}

impl Credential {
    pub const fn to_bytes(self) -> [u8; 16] {
        match self {
            Self::ApiKey(id) => id.to_bytes(),
            Self::Grant(id) => id.to_bytes(),
            Self::Client(id) => id.to_bytes(),
            Self::Session(id) => id.to_bytes(),
        }
    }
}

/// As `X-Auth-Credential` and the log name it.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "api_key:{id}"),
            Self::Grant(id) => write!(f, "grant:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
        }
    }
}

impl From<&LiveKey> for Principal {
    fn from(key: &LiveKey) -> Self {
        let user = key.created_by.clone();
        Self {
            organization: key.organization.clone(),
            // A key never carries its maker's rights over the whole server.
            user: user.map(|(id, email)| Person { id, email, is_superadmin: false }),
            client: None,
            key: Some(Named { id: key.id, name: key.label.clone() }),
            scopes: key.scopes.clone(),
            credential: Credential::ApiKey(key.id),
        }
    }
}

impl From<LiveToken> for Principal {
    fn from(token: LiveToken) -> Self {
        let client_id = token.claims.client_id;
        Self {
            organization: token.organization,
            user: token.user.map(|(id, email)| Person { id, email, is_superadmin: false }),
            client: Some(Named { id: client_id, name: token.client_name }),
            key: None,
            scopes: token.scopes,
            credential: token.claims.grant.map_or(Credential::Client(client_id), Credential::Grant),
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

/// The one function that turns a credential into a principal; `None` if it is not in force.
pub async fn resolve(
    app: &App,
    presented: &Presented<'_>,
    address: ClientAddress,
    now: Timestamp,
) -> Result<Option<Principal>, ApiError> {
    let prefix = &app.config.api_key_prefix;
    let (text, may_be_token) = match presented {
        Presented::Bearer(text) => (*text, true),
        Presented::ApiKey(text) => (*text, false),
    };
    if let Some(parts) = format::parse(text, prefix) {
        let mut db = app.db.acquire().await?;
        let Some(key) = verify::find_live(&mut db, &parts, now).await? else { return Ok(None) };
        verify::note_use(&mut db, &key, &address.to_string(), now).await?;
        return Ok(Some(Principal::from(&key)));
    }
    if !may_be_token || format::looks_like_key(text, prefix) {
        return Ok(None);
    }
    resolve_token(app, text, now).await
}

async fn resolve_token(app: &App, text: &str, now: Timestamp) -> Result<Option<Principal>, ApiError> {
    let keys = app.keys_that(|keys| keys.know(text)).await?;
    let issuer = app.config.links.issuer();
    if let Some(claims) = access_token::read(&keys, issuer, text, now) {
        // RFC 9068 §4: a token for another resource is no token here.
        if !claims.aud.includes(issuer) {
            return Ok(None);
        }
        let mut db = app.db.acquire().await?;
        return Ok(access_token::find_live(&mut db, claims, now).await?.map(Principal::from));
    }
    let Some(claims) = session::read(&keys, issuer, text, now) else { return Ok(None) };
    let mut db: sqlx::pool::PoolConnection<_> = app.db.acquire().await?;
    let db: &mut PgConnection = &mut db;
    Ok(session::find_live(db, &claims, now).await?.map(Principal::from))
}

/// `WWW-Authenticate` for a caller that is not known (RFC 6750 §3, RFC 9728 §5.1).
pub fn challenge(app: &App, error: Option<&str>) -> String {
    let metadata = app.config.links.protected_resource_metadata();
    match error {
        Some(error) => format!("Bearer error=\"{error}\", resource_metadata=\"{metadata}\""),
        None => format!("Bearer resource_metadata=\"{metadata}\""),
    }
}

/// Layer of the credential API: identifies the caller, counts the request, and says on every answer what is
/// left.
pub async fn identify(
    State(app): State<App>,
    address: ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    let now = app.clock.now();
    match admit(&app, request.headers(), address, now).await {
        Err(error) => error.into_response(),
        Ok((_, decision)) if !decision.is_allowed => {
            let mut response = rate_limit::refusal(&decision, now).into_response();
            rate_limit::write_headers(&decision, now, response.headers_mut());
            response
        }
        Ok((principal, decision)) => {
            request.extensions_mut().insert(Caller { principal, rate: decision });
            let mut response = next.run(request).await;
            rate_limit::write_headers(&decision, now, response.headers_mut());
            response
        }
    }
}

/// A credential that came over plain HTTP may have been read on the way.
pub fn check_secure(app: &App, address: ClientAddress) -> Result<(), ApiError> {
    if address.is_secure || app.config.insecure_http {
        return Ok(());
    }
    Err(ApiErrorCode::InsecureConnection.because("HTTPS required for API requests"))
}

async fn admit(
    app: &App,
    headers: &HeaderMap,
    address: ClientAddress,
    now: Timestamp,
) -> Result<(Principal, Decision), ApiError> {
    check_secure(app, address)?;
    let unknown = |error| {
        ApiErrorCode::Unauthorized.because("Invalid or missing API key").challenge(challenge(app, error))
    };
    let presented = presented(headers)?.ok_or_else(|| unknown(None))?;
    let principal =
        resolve(app, &presented, address, now).await?.ok_or_else(|| unknown(Some("invalid_token")))?;
    let span = tracing::Span::current();
    span.record("org.id", tracing::field::display(principal.organization.id));
    span.record("credential.id", tracing::field::display(principal.credential));
    let plan = &principal.organization.plan;
    let decision = app.rate_limiter.count(principal.credential.to_bytes(), plan, now);
    Ok((principal, decision))
}

/// The identified caller and where its rate limit stands. Only behind [`identify`].
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub rate: Decision,
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::internal(anyhow::anyhow!("a route without its identify layer")))
    }
}
