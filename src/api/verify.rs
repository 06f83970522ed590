//! `/v1/auth/verify`: forward-auth. A proxy asks whether a request may pass on to the company's API, and may it, who
//! it is from (contract §6).
//!
//! The answer is for nginx `auth_request`, Caddy `forward_auth` and Traefik, which send the method and the address of
//! the request in headers, and for Envoy, which repeats the method and appends the path to ours.

use std::fmt::Write;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;

use crate::app::App;
use crate::base::ids::OrganizationId;
use crate::gate::access_log::Asked;
use crate::gate::access_log::Incoming;
use crate::gate::caller;
use crate::gate::caller::Caller;
use crate::gate::caller::Refusal;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::original_request;
use crate::gate::original_request::OriginalRequest;
use crate::gate::permission;
use crate::gate::rate_limit;
use crate::organizations::access_log::Via;
use crate::scopes;
use crate::scopes::ADMIN;
use crate::scopes::Scopes;

/// Where it is, below the issuer.
pub const PATH: &str = "/v1/auth/verify";

/// What a proxy wants to know.
struct Question {
    original: OriginalRequest,
    /// All of them are needed.
    scopes: Scopes,
    /// For which a token must be; `None`: for this server's own API.
    resource: Option<String>,
}

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
    let question =
        original_request::told(&headers, &method).and_then(|original| parse(&app, query, original));
    let answer = answer(&app, &headers, address, question).await;
    if only_403 { as_403(answer) } else { answer }
}

/// For Envoy. Everything in this request but the prefix of the path is the caller's: it asks for nothing.
pub async fn ask_by_path(
    State(app): State<App>,
    address: ClientAddress,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let path = uri.path().strip_prefix(PATH).map(str::to_owned);
    let scopes = Scopes::from_names([scope_of(&method)]).unwrap_or_default();
    let question =
        Question { original: OriginalRequest { method, path, query: None }, scopes, resource: None };
    answer(&app, &headers, address, Ok(question)).await
}

fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned()
}

/// A parameter that is misspelt is refused: passed over, it would let more through than its writer meant.
fn parse(app: &App, query: &str, original: OriginalRequest) -> Result<Question, ApiError> {
    let invalid =
        |message: &'static str, field: &'static str| Err(ApiErrorCode::BadRequest.because(message).at(field));
    let mut scopes = Vec::new();
    let mut resource = None;
    for (name, value) in parameters(query) {
        match name.as_str() {
            "scope" if scopes::is_well_formed(&value) && app.config.scopes.all().contains(&value) => {
                scopes.push(value);
            }
            "scope" => return invalid("There is no such scope", "scope"),
            "resource" if resource.is_none() && !value.is_empty() => resource = Some(value),
            "resource" => return invalid("Name one resource", "resource"),
            "status" if value == "403" => {}
            "status" => return invalid("The status can only be 403", "status"),
            _ => return Err(ApiErrorCode::BadRequest.because("There are only scope, resource and status")),
        }
    }
    // Caddy does so unless told otherwise, and its caller would choose the scope.
    let is_the_callers = original.query.as_deref() == Some(query);
    if is_the_callers && (resource.is_some() || !scopes.is_empty()) {
        return Err(ApiErrorCode::BadRequest.because("The proxy passes the query of its caller on"));
    }
    if scopes.is_empty() {
        scopes.push(scope_of(&original.method).to_owned());
    }
    let Ok(scopes) = Scopes::from_names(scopes) else { return invalid("These are too many", "scope") };
    Ok(Question { original, scopes, resource })
}

/// What a method that nobody has heard of does, nobody knows.
fn scope_of(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => "read",
        Method::POST | Method::PUT | Method::PATCH => "write",
        Method::DELETE => "delete",
        _ => ADMIN,
    }
}

async fn answer(
    app: &App,
    headers: &HeaderMap,
    address: ClientAddress,
    question: Result<Question, ApiError>,
) -> Response {
    let now = app.clock.now();
    let original = question.as_ref().ok().map(|question| question.original.clone());
    let incoming = original.map(|original| incoming(app, &original, headers, address));
    let (mut response, whose, rate) = match judge(app, headers, address, question).await {
        Ok(caller) => (pass(&caller), Some(caller.principal.whose()), Some(caller.rate)),
        Err(refusal) => (refuse(refusal.error), refusal.whose, refusal.rate),
    };
    if let Some(rate) = rate {
        rate_limit::write_headers(&rate, now, response.headers_mut());
    }
    if let (Some(incoming), Some(whose)) = (incoming, whose) {
        incoming.of(app, whose, rate.as_ref()).end(&response);
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
) -> Result<Caller, Box<Refusal>> {
    let question = question.map_err(|error| Box::new(Refusal { error, whose: None, rate: None }))?;
    let resource = question.resource.as_deref().unwrap_or_else(|| app.config.links.issuer());
    let caller = caller::admit(app, headers, address, resource, app.clock.now()).await?;
    let may_pass = check_scopes(app, &caller, &question).and_then(|()| check_credits(&caller));
    match may_pass {
        Ok(()) => Ok(caller),
        Err(error) => {
            let (whose, rate) = (Some(caller.principal.whose()), Some(caller.rate));
            Err(Box::new(Refusal { error, whose, rate }))
        }
    }
}

fn check_scopes(app: &App, caller: &Caller, question: &Question) -> Result<(), ApiError> {
    question.scopes.iter().try_for_each(|scope| permission::check_scope(app, &caller.principal, scope))
}

/// Comes last: only who could otherwise pass is told of it.
fn check_credits(caller: &Caller) -> Result<(), ApiError> {
    if caller.organization().has_used_up_its_credits() {
        return Err(ApiErrorCode::PaymentRequired.because("The credits of this organization are used up"));
    }
    Ok(())
}

fn pass(caller: &Caller) -> Response {
    let principal = &caller.principal;
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        ("x-auth-subject", principal.subject()),
        ("x-auth-organization", principal.organization.id.to_string()),
        ("x-auth-scopes", principal.scopes.to_string()),
        ("x-auth-credential", principal.credential.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// With the body in a header too, for nginx, which throws the body away.
fn refuse(error: ApiError) -> Response {
    let body = HeaderValue::try_from(header_safe(&error.to_json()));
    let mut response = error.into_response();
    if let Ok(body) = body {
        response.headers_mut().insert(HeaderName::from_static("x-auth-error"), body);
    }
    response
}

/// For nginx, which knows only 401 and 403 as refusals.
fn as_403(mut response: Response) -> Response {
    let status = response.status();
    if !status.is_success() {
        response.headers_mut().insert("x-auth-status", HeaderValue::from(status.as_u16()));
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

/// On one line and in ASCII: whatever is neither can only stand in a text, where JSON has another way to write it.
fn header_safe(json: &Value) -> String {
    let mut safe = String::new();
    for character in json.to_string().chars() {
        if matches!(character, ' '..='~') {
            safe.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_text_can_stand_in_a_header() {
        let json = json!({ "message": "Zoë\r\n\u{7f}\u{85} \"株\" 🔑 \\" });

        let safe = header_safe(&json);

        assert!(HeaderValue::from_str(&safe).unwrap().to_str().is_ok());
        assert_eq!(serde_json::from_str::<Value>(&safe).unwrap(), json);
    }

    #[test]
    fn a_method_needs_its_scope() {
        for (method, scope) in [
            ("GET", "read"),
            ("HEAD", "read"),
            ("OPTIONS", "read"),
            ("POST", "write"),
            ("PUT", "write"),
            ("PATCH", "write"),
            ("DELETE", "delete"),
            ("TRACE", "admin"),
            ("CONNECT", "admin"),
            ("PURGE", "admin"),
            ("get", "admin"),
        ] {
            assert_eq!(scope_of(&method.parse().unwrap()), scope, "{method}");
        }
    }
}
