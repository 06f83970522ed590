//! Who is asking, and whether they may at all: each request to the credential API and to forward-auth passes
//! here.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::OriginalUri;
use axum::extract::Request;
use axum::extract::State;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::app::resources::Resource;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::gate::access_log::Asked;
use crate::gate::access_log::Incoming;
use crate::gate::challenge::Challenge;
use crate::gate::challenge::Scheme;
use crate::gate::client_address::ClientAddress;
use crate::gate::dpop;
use crate::gate::dpop::Call;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::presented;
use crate::gate::principal;
use crate::gate::principal::Found;
use crate::gate::principal::Principal;
use crate::gate::principal::Whose;
use crate::gate::provenance::Provenance;
use crate::gate::rate_limit;
use crate::organizations::access_log::Via;
use crate::organizations::organization::Organization;
use crate::organizations::rate_limit::Decision;
use crate::scopes::Scopes;

/// One answer for every cause, so that nobody learns which credentials there were.
const UNKNOWN: &str = "Invalid or missing API key";

/// The identified caller, where its rate limit stands, and what it does as the audit log will tell it. Only behind
/// [`identify`].
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Arc<Principal>,
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

/// Whose request may go on.
#[derive(Debug)]
pub struct Admitted {
    pub principal: Principal,
    pub rate: Decision,
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

/// Of somebody of whom nothing is known.
impl From<ApiError> for Box<Refusal> {
    fn from(error: ApiError) -> Self {
        Self::new(Refusal { error, whose: None, rate: None })
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
    let path = own_path(&app, &request).to_owned();
    let asked = Asked { via: Via::Api, method: request.method().as_str(), path: &path };
    let incoming = Incoming::new(&app, asked, request.headers(), address, now);
    let is_dpop = dpop::is_scheme_of(request.headers());
    let url = app.config.links.to(&path);
    let call = Call { headers: request.headers(), method: request.method(), url: Some(&url) };
    let resource = app.config.resources.own();
    let asking = Asking { call, address, audience: &resource.identifier, resource, scopes: None };
    let (pending, mut response, rate) = match admit(&app, &asking, now).await {
        Err(refusal) => {
            let Refusal { error, whose, rate } = *refusal;
            (whose.map(|whose| incoming.of(&app, whose, rate.as_ref())), error.into_response(), rate)
        }
        Ok(Admitted { principal, rate }) => {
            let pending = incoming.of(&app, principal.whose(), Some(&rate));
            let act = Provenance::new(address, request.headers(), now).act(principal.actor());
            request.extensions_mut().insert(Caller { principal: Arc::new(principal), rate, act });
            (Some(pending), next.run(request).await, Some(rate))
        }
    };
    if let Some(pending) = pending {
        pending.end(&mut response);
    }
    if let Some(rate) = rate {
        rate_limit::write_headers(&rate, now, response.headers_mut());
    }
    if is_dpop && app.config.dpop_nonces.at_apis() {
        dpop::give_nonce(&app, now, response.headers_mut());
    }
    response
}

/// A nested router sees its own part of the path; below an issuer's path, the one that clients know is within it.
fn own_path<'a>(app: &App, request: &'a Request) -> &'a str {
    let path = request.extensions().get::<OriginalUri>().map_or(request.uri().path(), |uri| uri.path());
    path.strip_prefix(app.config.links.base_path()).unwrap_or(path)
}

/// A request that wants to be admitted.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub call: Call<'a>,
    pub address: ClientAddress,
    /// For which a token must be (RFC 9068 §4).
    pub audience: &'a str,
    /// Whose metadata tells more.
    pub resource: &'a Resource,
    /// What it will need, if that is known: told to whoever is to get a token first.
    pub scopes: Option<&'a Scopes>,
}

impl Asking<'_> {
    /// For a caller who is not known.
    fn challenge(&self, app: &App, scheme: Scheme, error: Option<(&'static str, &str)>) -> String {
        let mut challenge = Challenge::new(self.resource, scheme);
        if let Some((code, description)) = error {
            challenge = challenge.error(code, description);
        }
        if let Some(scopes) = self.scopes {
            challenge = challenge.with("scope", scopes.to_string());
        }
        challenge.write(app)
    }
}

/// Everything that a credential must pass, in this order: a secure connection, before anything is read from it;
/// whether it is in force, for the resource; its organization; its address; its rate, counted only for what gets so
/// far, so that a stranger with a stolen key cannot use its owner's limit up from anywhere.
pub async fn admit(app: &App, asking: &Asking<'_>, now: Timestamp) -> Result<Admitted, Box<Refusal>> {
    let principal = identify_credential(app, asking, now).await?;
    let refused = |error, rate| Err(Box::new(Refusal { error, whose: Some(principal.whose()), rate }));
    if let Err(error) = check_organization(&principal, asking.address) {
        return refused(error, None);
    }
    let rate = rate_limit::count_credential(app, &principal, now).await;
    if !rate.is_allowed {
        return refused(rate_limit::refusal(&rate, now), Some(rate));
    }
    Ok(Admitted { principal, rate })
}

async fn identify_credential(
    app: &App,
    asking: &Asking<'_>,
    now: Timestamp,
) -> Result<Principal, Box<Refusal>> {
    check_secure(app, asking.address)?;
    let unknown = |scheme, error: Option<(&'static str, &str)>| {
        let challenge = asking.challenge(app, scheme, error);
        ApiErrorCode::Unauthorized.because(UNKNOWN).challenge(challenge)
    };
    let Some(presented) = presented::read(asking.call.headers)? else {
        return Err(unknown(Scheme::Bearer, None).into());
    };
    let scheme = presented.scheme();
    let dead = || unknown(scheme, Some(("invalid_token", UNKNOWN)));
    let (whose, error) =
        match principal::look_up(app, presented, asking.audience, Some(asking.call), now).await? {
            Found::Live(principal) => return Ok(*principal),
            Found::Dead(whose) => (Some(whose), dead()),
            Found::Unknown => (None, dead()),
            Found::Unproven(whose, why) => {
                let message = format!("The DPoP proof {why}");
                let challenge = asking.challenge(app, scheme, Some((why.code(), &message)));
                (Some(whose), ApiErrorCode::Unauthorized.because(message).challenge(challenge))
            }
        };
    Err(Box::new(Refusal { error, whose, rate: None }))
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
