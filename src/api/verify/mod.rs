//! `/v1/auth/verify`: forward-auth. A proxy asks whether a request may pass on to the company's API, and may it, who
//! it is from (contract §6).
//!
//! The answer is for nginx `auth_request`, Caddy `forward_auth` and Traefik, which send the method and the address of
//! the request in headers, and for Envoy, which repeats the method and appends the path to ours.

mod answer;
mod question;
mod step_up;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::Uri;
use axum::response::Response;

use crate::api::verify::question::Question;
use crate::api::verify::question::parameters;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::gate::access_log::Asked;
use crate::gate::access_log::Incoming;
use crate::gate::caller;
use crate::gate::caller::Admitted;
use crate::gate::caller::Asking;
use crate::gate::caller::Refusal;
use crate::gate::client_address::ClientAddress;
use crate::gate::dpop;
use crate::gate::dpop::Call;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::original_request;
use crate::gate::original_request::OriginalRequest;
use crate::gate::permission;
use crate::gate::principal::Principal;
use crate::gate::rate_limit;
use crate::organizations::access_log::Via;

/// Where it is, below the issuer.
pub const PATH: &str = "/v1/auth/verify";

/// Forward-auth: may this request pass?
///
/// A proxy asks with the caller's credential headers, and says in `X-Forwarded-Method`, `X-Forwarded-Uri` and
/// `X-Forwarded-For` (or `X-Original-…`) what the caller asked for. Any method will do, and a body is not read. The
/// answer's headers are for the API behind the proxy. Envoy, which repeats the method and appends the path, asks at
/// `/v1/auth/verify/…`, where parameters and those headers are the caller's and do not count.
#[utoipa::path(
    get, path = "/v1/auth/verify",
    params(
        ("scope" = Option<Vec<String>>, Query, description = "What the credential must have, all of it; by default what the method needs: `read`, `write` or `delete`, and `admin` for a method that is not known."),
        ("resource" = Option<String>, Query, description = "The API that an OAuth token must be for (RFC 8707); by default this server's own."),
        ("acr_values" = Option<String>, Query, description = "How the person must have signed in: one of these, with spaces between them (RFC 9470)."),
        ("max_age" = Option<u64>, Query, maximum = 4_294_967_295_u64, description = "How many seconds ago at the most (RFC 9470)."),
        ("status" = Option<String>, Query, pattern = "^403$", description = "For nginx: every refusal is a 403, the true status in `X-Auth-Status`."),
    ),
    responses(
        (status = 200, description = "It may pass", headers(
            ("X-Auth-Subject" = String, description = "Who: a user's id, or that of the client or key."),
            ("X-Auth-Organization" = OrganizationId),
            ("X-Auth-Scopes" = String, description = "With spaces between them."),
            ("X-Auth-Credential" = String, description = "`api_key:…`, `grant:…`, `client:…` or `session:…`."),
        )),
        (status = 402, description = "The organization's credits are used up"),
    ),
)]
pub async fn ask(
    State(app): State<App>,
    address: ClientAddress,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let only_403 = parameters(query).any(|(name, value)| name == "status" && value == "403");
    let question = original_request::told(&headers, &method, address)
        .and_then(|original| Question::parse(&app, query, original));
    let answer = respond(&app, &headers, address, question).await;
    if only_403 { answer::as_403(answer) } else { answer }
}

/// For Envoy. Everything in this request but the prefix of the path is the caller's: it asks for nothing.
pub async fn ask_by_path(
    State(app): State<App>,
    address: ClientAddress,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let question = Question::of_path(method, &uri, &headers, address);
    respond(&app, &headers, address, Ok(question)).await
}

async fn respond(
    app: &App,
    headers: &HeaderMap,
    address: ClientAddress,
    question: Result<Question, ApiError>,
) -> Response {
    let now = app.clock.now();
    let original = question.as_ref().ok().map(|question| question.original.clone());
    let incoming = original.map(|original| incoming(app, &original, headers, address));
    let (mut response, whose, rate) = match judge(app, headers, address, question).await {
        Ok(Admitted { principal, rate }) => (answer::pass(&principal), Some(principal.whose()), Some(rate)),
        Err(refusal) => (answer::refuse(refusal.error), refusal.whose, refusal.rate),
    };
    if let Some(rate) = rate {
        rate_limit::write_headers(&rate, now, response.headers_mut());
    }
    if app.config.dpop_nonces.at_apis() && dpop::is_scheme_of(headers) {
        dpop::give_nonce(app, now, response.headers_mut());
    }
    if let (Some(incoming), Some(whose)) = (incoming, whose) {
        incoming.of(app, whose, rate.as_ref()).end(&mut response);
    }
    response
}

fn incoming(app: &App, original: &OriginalRequest, headers: &HeaderMap, address: ClientAddress) -> Incoming {
    let path = original.path.as_deref().unwrap_or(PATH);
    let asked = Asked { via: Via::ForwardAuth, method: original.method.as_str(), path };
    Incoming::new(app, asked, headers, address, app.clock.now())
}

async fn judge(
    app: &App,
    headers: &HeaderMap,
    address: ClientAddress,
    question: Result<Question, ApiError>,
) -> Result<Admitted, Box<Refusal>> {
    let question = question?;
    let url = question.url(app);
    let asking = Asking {
        call: Call { headers, method: &question.original.method, url: url.as_deref() },
        address,
        audience: question.resource(app),
        resource: question.described(app),
        scopes: Some(&question.scopes),
    };
    let now = app.clock.now();
    let admitted = caller::admit(app, &asking, now).await?;
    match check(app, &admitted.principal, &question, now) {
        Ok(()) => Ok(admitted),
        Err(error) => {
            let (whose, rate) = (Some(admitted.principal.whose()), Some(admitted.rate));
            Err(Box::new(Refusal { error, whose, rate }))
        }
    }
}

/// In this order: a challenge to sign in again names the scopes, too, and only who could otherwise pass is told that
/// credits are used up.
fn check(app: &App, principal: &Principal, question: &Question, now: Timestamp) -> Result<(), ApiError> {
    let resource = question.described(app);
    question.step_up.check(app, principal, (resource, &question.scopes), now)?;
    let scopes: Vec<&str> = question.scopes.iter().collect();
    permission::check_scopes(app, principal, &scopes, resource)?;
    if principal.organization.has_used_up_its_credits() {
        return Err(ApiErrorCode::PaymentRequired.because("The credits of this organization are used up"));
    }
    Ok(())
}
