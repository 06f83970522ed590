//! The credential that a request carries.

use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::header;

use crate::gate::challenge::Scheme;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Not yet looked at.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    Bearer(&'a str),
    /// Bound to a key, it is said (RFC 9449 §7.1).
    Dpop(&'a str),
    ApiKey(&'a str),
}

impl Presented<'_> {
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::Dpop(_) => Scheme::Dpop,
            Self::Bearer(_) | Self::ApiKey(_) => Scheme::Bearer,
        }
    }
}

/// `None` if there is no credential at all. Two that differ are refused: a proxy and a server that prefer
/// different ones would otherwise disagree on who is asking.
pub fn read(headers: &HeaderMap) -> Result<Option<Presented<'_>>, ApiError> {
    let twice = || ApiErrorCode::BadRequest.because("Send one credential, not several");
    let mut keys = headers.get_all(&API_KEY).iter();
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let key = keys.next().map(|value| value.to_str().unwrap_or_default().trim());
    let authorization = authorizations.next().map(|value| value.to_str().unwrap_or_default());
    if keys.next().is_some() || authorizations.next().is_some() {
        return Err(twice());
    }
    // RFC 9110 §11.1: the scheme in any case. RFC 6750 §3.1: another scheme is as good as none.
    let token = authorization.and_then(|value| match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Some(Presented::Bearer(token.trim()))
        }
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => Some(Presented::Dpop(token.trim())),
        _ => None,
    });
    match (authorization, key) {
        (Some(_), Some(key)) if !matches!(token, Some(Presented::Bearer(text)) if text == key) => {
            Err(twice())
        }
        (Some(_), _) => Ok(token),
        (None, Some(key)) => Ok(Some(Presented::ApiKey(key))),
        (None, None) => Ok(None),
    }
}
