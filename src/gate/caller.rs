//! Who is asking, and whether they may at all: each request to the credential API and to forward-auth passes
//! here.

use axum::extract::FromRequestParts;
use axum::extract::OriginalUri;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::gate::access_log::Asked;
use crate::gate::access_log::Incoming;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::principal;
use crate::gate::principal::Found;
use crate::gate::principal::Principal;
use crate::gate::principal::Whose;
use crate::gate::provenance::Provenance;
use crate::gate::rate_limit;
use crate::organizations::access_log::Via;
use crate::organizations::organization::Organization;
use crate::organizations::rate_limit::Decision;

/// The identified caller, where its rate limit stands, and what it does as the audit log will tell it. Only behind
/// [`identify`].
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    pub rate: Decision,
    pub act: Act,
}

impl Caller {
    pub fn organization(&self) -> &Organization {
        &self.principal.organization
    }

    pub fn organization_id(&self) -> OrganizationId {
        self.principal.organization.id
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::internal(anyhow::anyhow!("a route without its identify layer")))
    }
}

/// Why a request was not admitted, and what is known of who was refused.
#[derive(Debug)]
pub struct Refusal {
    pub error: ApiError,
    /// Whose credential it was, if it is, or was, one of ours.
    pub whose: Option<Whose>,
    /// If the request was counted.
    pub rate: Option<Decision>,
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
    let resource = app.config.links.issuer().to_owned();
    let incoming = incoming(&app, &request, address, now);
    let (pending, mut response, rate) = match admit(&app, request.headers(), address, &resource, now).await {
        Err(refusal) => {
            let Refusal { error, whose, rate } = *refusal;
            (whose.map(|whose| incoming.of(&app, whose, rate.as_ref())), error.into_response(), rate)
        }
        Ok(caller) => {
            let rate = caller.rate;
            let pending = incoming.of(&app, caller.principal.whose(), Some(&rate));
            request.extensions_mut().insert(caller);
            (Some(pending), next.run(request).await, Some(rate))
        }
    };
    if let Some(pending) = pending {
        pending.end(&response);
    }
    if let Some(rate) = rate {
        rate_limit::write_headers(&rate, now, response.headers_mut());
    }
    response
}

fn incoming(app: &App, request: &Request, address: ClientAddress, now: Timestamp) -> Incoming {
    // A nested router sees its own part of the path; below an issuer's path, the one that clients know is within it.
    let path = request.extensions().get::<OriginalUri>().map_or(request.uri().path(), |uri| uri.path());
    let path = path.strip_prefix(app.config.links.base_path()).unwrap_or(path);
    let asked = Asked { via: Via::Api, method: request.method().as_str(), path };
    Incoming::new(app, asked, request.headers(), address, now)
}

/// Everything that a credential must pass, in this order: a secure connection, before anything is read from it;
/// whether it is in force, for `resource`; its organization; its address; its rate, counted only for what gets so
/// far, so that a stranger with a stolen key cannot use its owner's limit up from anywhere.
pub async fn admit(
    app: &App,
    headers: &HeaderMap,
    address: ClientAddress,
    resource: &str,
    now: Timestamp,
) -> Result<Caller, Box<Refusal>> {
    let refused = |error, whose, rate| Err(Box::new(Refusal { error, whose, rate }));
    let principal = match identify_credential(app, headers, address, resource, now).await {
        Ok(Found::Live(principal)) => *principal,
        Ok(Found::Dead(whose)) => return refused(unknown(app, Some("invalid_token")), Some(whose), None),
        Ok(Found::Unknown) => return refused(unknown(app, Some("invalid_token")), None, None),
        Err(error) => return refused(error, None, None),
    };
    let span = tracing::Span::current();
    span.record("org.id", tracing::field::display(principal.organization.id));
    span.record("credential.id", tracing::field::display(principal.credential));
    if let Err(error) = check_organization(&principal, address) {
        return refused(error, Some(principal.whose()), None);
    }
    let rate = rate_limit::count_credential(app, &principal, now).await;
    if !rate.is_allowed {
        return refused(rate_limit::refusal(&rate, now), Some(principal.whose()), Some(rate));
    }
    let act = Provenance::new(address, headers, now).act(principal.actor());
    Ok(Caller { principal, rate, act })
}

async fn identify_credential(
    app: &App,
    headers: &HeaderMap,
    address: ClientAddress,
    resource: &str,
    now: Timestamp,
) -> Result<Found, ApiError> {
    check_secure(app, address)?;
    let presented = principal::presented(headers)?.ok_or_else(|| unknown(app, None))?;
    principal::look_up(app, &presented, resource, now).await
}

/// Layer of the session API: passwords are not taken over plain HTTP either.
pub async fn require_secure(
    State(app): State<App>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    match check_secure(&app, address) {
        Ok(()) => next.run(request).await,
        Err(error) => error.upper_case().into_response(),
    }
}

/// A credential that came over plain HTTP may have been read on the way.
pub fn check_secure(app: &App, address: ClientAddress) -> Result<(), ApiError> {
    if address.is_secure || app.config.insecure_http {
        return Ok(());
    }
    Err(ApiErrorCode::InsecureConnection.because("HTTPS required for API requests"))
}

/// Whether its organization lets the credential be used, and from there.
pub fn check_organization(principal: &Principal, address: ClientAddress) -> Result<(), ApiError> {
    if principal.organization.suspended_at.is_some() {
        return Err(ApiErrorCode::Forbidden.because("This organization is suspended"));
    }
    if principal.organization.admits(address.ip) && principal.ip_allowlist.allows(address.ip) {
        return Ok(());
    }
    Err(ApiErrorCode::IpNotAllowed.because(format!("Requests from {address} are not allowed")))
}

fn unknown(app: &App, error: Option<&str>) -> ApiError {
    ApiErrorCode::Unauthorized.because("Invalid or missing API key").challenge(challenge(app, error))
}

/// `WWW-Authenticate` for a caller that is not known (RFC 6750 §3, RFC 9728 §5.1).
pub fn challenge(app: &App, error: Option<&str>) -> String {
    let metadata = app.config.links.protected_resource_metadata();
    match error {
        Some(error) => format!("Bearer error=\"{error}\", resource_metadata=\"{metadata}\""),
        None => format!("Bearer resource_metadata=\"{metadata}\""),
    }
}
