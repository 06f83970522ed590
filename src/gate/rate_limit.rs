//! How often somebody may ask, and what they are told of it: the customary headers, and the IETF's.

use std::net::IpAddr;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::principal::Principal;
use crate::organizations::rate_limit::Decision;
use crate::organizations::rate_limit::Limits;
use crate::organizations::rate_limit::Subject;
use crate::organizations::rate_limit::WindowState;

// Parsed while compiling: they stand on every answer.
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Counts a request against its organization's plan.
pub async fn count_credential(app: &App, principal: &Principal, now: Timestamp) -> Decision {
    let subject = Subject::Credential(principal.credential.to_bytes());
    count(app, subject, Limits::from(&principal.organization.plan), now).await
}

async fn count(app: &App, subject: Subject, limits: Limits, now: Timestamp) -> Decision {
    let decision = app.rate_limiter.count(subject, limits, now).await;
    app.metrics.count_decision(subject, &decision);
    decision
}

async fn count_network(app: &App, ip: IpAddr, now: Timestamp) -> Decision {
    let per_minute = app.config.session_requests_per_minute;
    // The hour takes nothing away from who keeps each minute.
    let limits = Limits { per_minute, per_hour: per_minute.saturating_mul(60) };
    count(app, Subject::address(ip), limits, now).await
}

/// Layer of the session API, whose callers have no credential yet: counts by address. Password guessing is slowed
/// down long before; this keeps everything else from being asked without end.
pub async fn count_address(
    State(app): State<App>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    let now = app.clock.now();
    let decision = count_network(&app, address.ip, now).await;
    let mut response = if decision.is_allowed {
        next.run(request).await
    } else {
        refusal(&decision, now).upper_case().into_response()
    };
    write_headers(&decision, now, response.headers_mut());
    response
}

/// Counts a request that anybody can make and that leaves a row, among those of callers who have no credential yet. The
/// seconds to wait, if there were too many.
pub async fn count_stranger(app: &App, ip: IpAddr, now: Timestamp) -> Result<(), i64> {
    let decision = count_network(app, ip, now).await;
    if decision.is_allowed { Ok(()) } else { Err(decision.retry_after(now)) }
}

/// Counts an app that registers itself, or is met first. The seconds to wait, if there were too many.
pub async fn count_registration(app: &App, address: ClientAddress, now: Timestamp) -> Result<(), i64> {
    let per_hour = app.config.client_registrations_per_hour;
    // A quarter of an hour's at once: an office after an update.
    let limits = Limits { per_minute: per_hour.div_ceil(4), per_hour };
    let decision = count(app, Subject::registration(address.ip), limits, now).await;
    if decision.is_allowed { Ok(()) } else { Err(decision.retry_after(now)) }
}

/// Contract §5: `X-RateLimit-*` of the window that will stop the caller first, `RateLimit-Policy` and
/// `RateLimit` (draft-ietf-httpapi-ratelimit-headers) for both.
pub fn write_headers(decision: &Decision, now: Timestamp, headers: &mut HeaderMap) {
    let window = decision.tightest();
    headers.insert(LIMIT, HeaderValue::from(window.limit));
    headers.insert(REMAINING, HeaderValue::from(window.remaining));
    headers.insert(RESET, HeaderValue::from(window.resets_at));
    let Decision { minute, hour, .. } = decision;
    let left = |window: &WindowState| window.resets_at - now.timestamp();
    let policy = format!(
        "\"{}\";q={};w={}, \"{}\";q={};w={}",
        minute.name, minute.limit, minute.length, hour.name, hour.limit, hour.length
    );
    let state = format!(
        "\"{}\";r={};t={}, \"{}\";r={};t={}",
        minute.name,
        minute.remaining,
        left(minute),
        hour.name,
        hour.remaining,
        left(hour)
    );
    for (name, value) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

pub fn refusal(decision: &Decision, now: Timestamp) -> ApiError {
    ApiErrorCode::RateLimitExceeded
        .because("Rate limit exceeded. Please try again later.")
        .retry_after(decision.retry_after(now))
}
