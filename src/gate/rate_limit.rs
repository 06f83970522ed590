//! What a caller is told of its rate limit: the customary headers, and the IETF's.

use axum::http::HeaderMap;
use axum::http::HeaderValue;

use crate::base::clock::Timestamp;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::organizations::rate_limit::Decision;

/// Contract §5: `X-RateLimit-*` of the window that will stop the caller first, `RateLimit-Policy` and
/// `RateLimit` (draft-ietf-httpapi-ratelimit-headers) for both.
pub fn write_headers(decision: &Decision, now: Timestamp, headers: &mut HeaderMap) {
    let window = decision.tightest();
    headers.insert("x-ratelimit-limit", HeaderValue::from(window.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(window.remaining));
    headers.insert("x-ratelimit-reset", HeaderValue::from(window.resets_at));
    let windows = [decision.minute, decision.hour];
    let policy = windows.map(|window| format!("\"{}\";q={};w={}", window.name, window.limit, window.length));
    let state = windows.map(|window| {
        let seconds = window.resets_at - now.timestamp();
        format!("\"{}\";r={};t={seconds}", window.name, window.remaining)
    });
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::try_from(value.join(", ")) {
            headers.insert(name, value);
        }
    }
}

pub fn refusal(decision: &Decision, now: Timestamp) -> ApiError {
    ApiErrorCode::RateLimitExceeded
        .because("Rate limit exceeded. Please try again later.")
        .retry_after(decision.retry_after(now))
}
