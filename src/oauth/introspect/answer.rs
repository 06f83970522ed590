//! The answer about a token: JSON (RFC 7662 §2.2), or, for whoever wants to keep it or pass it on, a JWT (RFC 9701).

use axum::Json;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::base::ids::ApiKeyId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::grants::access_token::Audience;
use crate::grants::access_token::Confirmation;
use crate::oauth::error::OAuthError;
use crate::oauth::introspect::asker::Asker;
use crate::signing::jwt;

/// RFC 9701 §5. Keeps it from passing for an access token, which the same keys sign.
const TYPE: &str = "token-introspection+jwt";
const JWT: &str = "application/token-introspection+jwt";
const JSON: &str = "application/json";

/// RFC 7662 §2.2. Everything but `active` is absent when it is `false`.
#[derive(Debug, Default, Serialize)]
#[serde(default)]
pub(super) struct Introspection {
    pub(super) active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jti: Option<String>,
    /// How and when the person signed in (RFC 9470 §6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) amr: Vec<String>,
    /// RFC 9449 §6.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cnf: Option<Confirmation>,
    /// RFC 8693 §4.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) act: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) org: Option<OrganizationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grant: Option<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<ApiKeyId>,
}

/// Nothing of the token is said outside of `token_introspection` (RFC 9701 §5).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    token_introspection: &'a Introspection,
}

impl Introspection {
    pub(super) fn answer(
        &self,
        app: &App,
        asker: &Asker,
        headers: &HeaderMap,
    ) -> Result<Response, OAuthError> {
        // A cache would have to look at both; but none is to keep it.
        let common: [(HeaderName, &str); 2] = [(header::CACHE_CONTROL, "no-store"), (header::VARY, "Accept")];
        if !wants_jwt(headers) {
            return Ok((common, Json(self)).into_response());
        }
        let now = app.clock.now();
        let iss = app.config.links.issuer();
        let claims = Claims { iss, aud: &asker.audience, iat: now.timestamp(), token_introspection: self };
        let jwt = jwt::sign(&app.keys.current(), asker.algorithm.into(), TYPE, &claims, now)?;
        Ok((common, [(header::CONTENT_TYPE, JWT)], jwt.expose().to_owned()).into_response())
    }
}

/// Only if it is named, and not less wanted than JSON (RFC 9110 §12.5.1, RFC 9701 §4).
fn wants_jwt(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> = lines.flat_map(|line| line.split(',')).map(range).collect();
    let quality = |name: &str| ranges.iter().find(|(range, _)| range == name).map(|(_, quality)| *quality);
    let json = quality(JSON).unwrap_or_default();
    quality(JWT).is_some_and(|jwt| jwt > 0.0 && jwt >= json)
}

/// A media range and how much it is wanted.
fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, quality.map_or(1.0, |quality| quality.parse().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_for_those_who_name_it() {
        let wants = |accept: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in accept {
                headers.append(header::ACCEPT, line.parse().unwrap());
            }
            wants_jwt(&headers)
        };

        for accept in [
            "application/token-introspection+jwt",
            "Application/Token-Introspection+JWT;q=0.1",
            "application/json, application/token-introspection+jwt",
            "application/token-introspection+jwt, application/json;q=0.9, */*;q=0.1",
            "text/html;q=1, application/token-introspection+jwt; q=0.5",
        ] {
            assert!(wants(&[accept]), "{accept}");
        }
        for accept in [
            "*/*",
            "application/*",
            "application/jwt",
            "application/json",
            "",
            "application/token-introspection+jwt;q=0",
            "application/token-introspection+jwt;q=0.5, application/json",
            "application/token-introspection+jwt;q=nonsense",
        ] {
            assert!(!wants(&[accept]), "{accept}");
        }
        assert!(!wants(&[]));
        assert!(wants(&["text/html", "application/token-introspection+jwt"]));
    }
}
