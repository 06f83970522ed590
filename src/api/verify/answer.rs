//! What a proxy is told: who its caller is, or why the request must not pass.

use std::fmt::Write;

use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;

use crate::gate::error::ApiError;
use crate::gate::principal::Principal;

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const ORGANIZATION: HeaderName = HeaderName::from_static("x-auth-organization");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");
const CREDENTIAL: HeaderName = HeaderName::from_static("x-auth-credential");

pub(super) fn pass(principal: &Principal) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        (SUBJECT, principal.subject()),
        (ORGANIZATION, principal.organization.id.to_string()),
        (SCOPES, principal.scopes.to_string()),
        (CREDENTIAL, principal.credential.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// With the body in a header too, for nginx, which throws the body away.
pub(super) fn refuse(error: ApiError) -> Response {
    let body = HeaderValue::try_from(header_safe(&error.to_json()));
    let mut response = error.into_response();
    if let Ok(body) = body {
        response.headers_mut().insert(HeaderName::from_static("x-auth-error"), body);
    }
    response
}

/// For nginx, which knows only 401 and 403 as refusals.
pub(super) fn as_403(mut response: Response) -> Response {
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
}
