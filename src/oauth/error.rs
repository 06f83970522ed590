//! The one error every protocol endpoint answers with (RFC 6749 §5.2).

use std::borrow::Cow;

use axum::Json;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;

use crate::app::links::Links;
use crate::base::db;
use crate::gate::error::RETRY_AFTER_OUTAGE;
use crate::gate::request_log::Detail;
use crate::protocol::Refusal;

/// A refusal, or our own failure. `code` and `description` go to the client; `detail` only to the log.
#[derive(Debug)]
pub struct OAuthError {
    pub code: ErrorCode,
    pub description: Cow<'static, str>,
    /// In seconds: when the same request may succeed.
    retry_after: Option<i64>,
    detail: Option<Detail>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    InvalidRequest,
    /// `invalid_request` for a body that is too large to read.
    TooLarge,
    /// `invalid_request` for an endpoint that takes another method.
    MethodNotAllowed,
    /// `invalid_request` that came over plain HTTP.
    InsecureConnection,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 9449 §5.
    InvalidDpopProof,
    /// RFC 9449 §8.
    UseDpopNonce,
    UnsupportedResponseType,
    /// RFC 9101 §7.
    InvalidRequestObject,
    /// RFC 9101 §7.
    InvalidRequestUri,
    /// RFC 9101 §7.
    RequestUriNotSupported,
    AccessDenied,
    /// RFC 8628 §3.5.
    AuthorizationPending,
    /// RFC 8628 §3.5.
    SlowDown,
    /// RFC 8628 §3.5.
    ExpiredToken,
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
    /// RFC 7591 §3.2.2.
    UnapprovedSoftwareStatement,
    RateLimitExceeded,
    /// RFC 9470 §5.
    UnmetAuthenticationRequirements,
    /// RFC 6750 §3.1.
    InsufficientScope,
    ServerError,
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The registered name and the status it travels with. The only place that pairs them.
    const fn wire(self) -> (&'static str, StatusCode) {
        match self {
            Self::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST),
            Self::TooLarge => ("invalid_request", StatusCode::PAYLOAD_TOO_LARGE),
            Self::MethodNotAllowed => ("invalid_request", StatusCode::METHOD_NOT_ALLOWED),
            Self::InsecureConnection => ("invalid_request", StatusCode::FORBIDDEN),
            Self::InvalidClient => ("invalid_client", StatusCode::UNAUTHORIZED),
            Self::InvalidGrant => ("invalid_grant", StatusCode::BAD_REQUEST),
            Self::UnauthorizedClient => ("unauthorized_client", StatusCode::BAD_REQUEST),
            Self::UnsupportedGrantType => ("unsupported_grant_type", StatusCode::BAD_REQUEST),
            Self::InvalidScope => ("invalid_scope", StatusCode::BAD_REQUEST),
            Self::InvalidTarget => ("invalid_target", StatusCode::BAD_REQUEST),
            Self::InvalidDpopProof => ("invalid_dpop_proof", StatusCode::BAD_REQUEST),
            Self::UseDpopNonce => ("use_dpop_nonce", StatusCode::BAD_REQUEST),
            Self::UnsupportedResponseType => ("unsupported_response_type", StatusCode::BAD_REQUEST),
            Self::InvalidRequestObject => ("invalid_request_object", StatusCode::BAD_REQUEST),
            Self::InvalidRequestUri => ("invalid_request_uri", StatusCode::BAD_REQUEST),
            Self::RequestUriNotSupported => ("request_uri_not_supported", StatusCode::BAD_REQUEST),
            Self::AccessDenied => ("access_denied", StatusCode::BAD_REQUEST),
            Self::AuthorizationPending => ("authorization_pending", StatusCode::BAD_REQUEST),
            Self::SlowDown => ("slow_down", StatusCode::BAD_REQUEST),
            Self::ExpiredToken => ("expired_token", StatusCode::BAD_REQUEST),
            Self::LoginRequired => ("login_required", StatusCode::BAD_REQUEST),
            Self::ConsentRequired => ("consent_required", StatusCode::BAD_REQUEST),
            Self::InvalidToken => ("invalid_token", StatusCode::UNAUTHORIZED),
            Self::InvalidRedirectUri => ("invalid_redirect_uri", StatusCode::BAD_REQUEST),
            Self::InvalidClientMetadata => ("invalid_client_metadata", StatusCode::BAD_REQUEST),
            Self::UnapprovedSoftwareStatement => ("unapproved_software_statement", StatusCode::BAD_REQUEST),
            Self::RateLimitExceeded => ("rate_limit_exceeded", StatusCode::TOO_MANY_REQUESTS),
            Self::UnmetAuthenticationRequirements => {
                ("unmet_authentication_requirements", StatusCode::BAD_REQUEST)
            }
            Self::InsufficientScope => ("insufficient_scope", StatusCode::FORBIDDEN),
            Self::ServerError => ("server_error", StatusCode::INTERNAL_SERVER_ERROR),
            Self::TemporarilyUnavailable => ("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    pub const fn name(self) -> &'static str {
        self.wire().0
    }

    pub const fn status(self) -> StatusCode {
        self.wire().1
    }

    pub fn because(self, description: impl Into<Cow<'static, str>>) -> OAuthError {
        OAuthError { code: self, description: in_bounds(description.into()), retry_after: None, detail: None }
    }
}

/// RFC 6749 §5.2 allows no quotes, backslashes and characters beyond ASCII.
fn in_bounds(description: Cow<'static, str>) -> Cow<'static, str> {
    let is_allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    if description.chars().all(is_allowed) {
        return description;
    }
    let allowed = |c: char| match c {
        '"' => '\'',
        c if is_allowed(c) => c,
        _ => '?',
    };
    description.chars().map(allowed).collect::<String>().into()
}

impl OAuthError {
    /// In seconds.
    #[must_use]
    pub fn retry_after(self, seconds: i64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Takes out what only the log may know.
    pub fn take_detail(&mut self) -> Option<Detail> {
        self.detail.take()
    }
}

/// A database failure is ours: the client learns nothing, the log learns everything.
impl From<sqlx::Error> for OAuthError {
    fn from(error: sqlx::Error) -> Self {
        let mut answer = if db::is_unavailable(&error) {
            ErrorCode::TemporarilyUnavailable.because("the server is temporarily unavailable")
        } else {
            ErrorCode::ServerError.because("something went wrong on the server's side")
        };
        answer.detail = Some(anyhow::Error::from(error).into());
        answer
    }
}

/// A database failure inside keeps its meaning.
impl From<anyhow::Error> for OAuthError {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<sqlx::Error>() {
            Ok(error) => error.into(),
            Err(error) => {
                let mut answer = ErrorCode::ServerError.because("something went wrong on the server's side");
                answer.detail = Some(error.into());
                answer
            }
        }
    }
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidRequest(why) => ErrorCode::InvalidRequest.because(why),
            Refusal::InvalidGrant(why) => ErrorCode::InvalidGrant.because(why),
            Refusal::InvalidScope(why) => ErrorCode::InvalidScope.because(why),
            Refusal::UnsupportedResponseType(why) => ErrorCode::UnsupportedResponseType.because(why),
            Refusal::OutOfStep => anyhow::anyhow!("a state machine of oxide-auth was out of step").into(),
        }
    }
}

/// An error on its way to the client: `error_uri` needs to know where we are.
pub(super) struct Answer<'a>(pub OAuthError, pub &'a Links);

impl IntoResponse for Answer<'_> {
    fn into_response(self) -> Response {
        let Self(error, links) = self;
        let (name, status) = error.code.wire();
        let body = Json(json!({
            "error": name,
            "error_description": error.description,
            "error_uri": links.error(name),
        }));
        let mut response = (status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = if error.code == ErrorCode::InvalidToken {
                format!("Bearer realm=\"{}\", error=\"{name}\"", links.issuer())
            } else {
                // RFC 6749 §5.2: matching the scheme that the client used; Basic is the one that all may use.
                format!("Basic realm=\"{}\", charset=\"UTF-8\"", links.issuer())
            };
            if let Ok(challenge) = HeaderValue::try_from(challenge) {
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
        }
        let outage = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_OUTAGE);
        if let Some(seconds) = error.retry_after.or(outage) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(detail) = error.detail {
            response.extensions_mut().insert(detail);
        }
        response
    }
}
