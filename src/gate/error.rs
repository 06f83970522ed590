//! The one error of the JSON interfaces: `{"error":{"code","message","field"?}}` (contract §4, §5).

use std::borrow::Cow;

use axum::Json;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::accounts::password::PasswordError;
use crate::base::db;
use crate::gate::request_log::Detail;

/// What a caller is told to wait when we are the reason, in seconds.
pub const RETRY_AFTER_OUTAGE: i64 = 2;

/// A refusal, or our own failure. `detail` goes only to the log.
#[derive(Debug)]
pub struct ApiError {
    code: ApiErrorCode,
    message: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    retry_after: Option<i64>,
    challenge: Option<String>,
    is_upper_case: bool,
    detail: Option<Detail>,
}

/// Each code with the name and the status it travels with. The only place that pairs them.
macro_rules! codes {
    ($($code:ident = $name:literal, $status:ident;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ApiErrorCode {
            $($code,)+
        }

        impl ApiErrorCode {
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$code => StatusCode::$status,)+
                }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", BAD_REQUEST;
    Unauthorized = "unauthorized", UNAUTHORIZED;
    InsufficientUserAuthentication = "insufficient_user_authentication", UNAUTHORIZED;
    PaymentRequired = "payment_required", PAYMENT_REQUIRED;
    Forbidden = "forbidden", FORBIDDEN;
    IpNotAllowed = "ip_not_allowed", FORBIDDEN;
    InsecureConnection = "insecure_connection", FORBIDDEN;
    NotFound = "not_found", NOT_FOUND;
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    Conflict = "conflict", CONFLICT;
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE;
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    ValidationError = "validation_error", UNPROCESSABLE_ENTITY;
    RateLimitExceeded = "rate_limit_exceeded", TOO_MANY_REQUESTS;
    InternalError = "internal_error", INTERNAL_SERVER_ERROR;
    Unavailable = "unavailable", SERVICE_UNAVAILABLE;
    // Of the session API, whose callers know these names.
    InvalidCredentials = "INVALID_CREDENTIALS", UNAUTHORIZED;
    RefreshFailed = "REFRESH_FAILED", UNAUTHORIZED;
    UserCreationFailed = "USER_CREATION_FAILED", CONFLICT;
}

/// Why a request was refused, or failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// For programs; it never changes.
    code: Cow<'static, str>,
    /// For people; it may change.
    message: Cow<'static, str>,
    /// Which field or parameter of the request is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<Cow<'static, str>>,
    /// In seconds: when the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<i64>,
}

/// Why a request was refused, for the access log. In the extensions of every [`ApiError`]'s response.
#[derive(Debug, Clone, Copy)]
pub struct Reason(pub ApiErrorCode);

impl ApiErrorCode {
    pub fn because(self, message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError {
            code: self,
            message: message.into(),
            field: None,
            retry_after: None,
            challenge: None,
            is_upper_case: false,
            detail: None,
        }
    }
}

impl ApiError {
    /// Which field of the request is at fault.
    #[must_use]
    pub fn at(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// In seconds.
    #[must_use]
    pub fn retry_after(self, seconds: i64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(self, challenge: String) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// With its code in capitals, as the session API's callers know them.
    #[must_use]
    pub fn upper_case(self) -> Self {
        Self { is_upper_case: true, ..self }
    }

    /// The body of the answer.
    pub fn to_json(&self) -> Value {
        let name = self.code.name();
        let code = if self.is_upper_case { Cow::Owned(name.to_uppercase()) } else { Cow::Borrowed(name) };
        let (message, field) = (self.message.clone(), self.field.clone());
        json!({ "error": ErrorDetail { code, message, field, retry_after: self.retry_after } })
    }

    pub fn not_found() -> Self {
        ApiErrorCode::NotFound.because("There is no such resource")
    }

    /// Our failure: the caller learns nothing of it, the log learns everything.
    pub fn internal(error: anyhow::Error) -> Self {
        let mut answer = ApiErrorCode::InternalError.because("Something went wrong on our side");
        answer.detail = Some(error.into());
        answer
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if db::is_unavailable(&error) {
            let mut answer = ApiErrorCode::Unavailable
                .because("The service is temporarily unavailable")
                .retry_after(RETRY_AFTER_OUTAGE);
            answer.detail = Some(anyhow::Error::from(error).into());
            return answer;
        }
        Self::internal(error.into())
    }
}

/// A database failure inside keeps its meaning.
impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<sqlx::Error>() {
            Ok(error) => error.into(),
            Err(error) => Self::internal(error),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => ApiErrorCode::Unavailable
                .because("Too many people are signing in at this moment")
                .retry_after(RETRY_AFTER_OUTAGE),
            error @ PasswordError::Failed(_) => Self::internal(error.into()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let no_store = [(header::CACHE_CONTROL, "no-store")];
        let mut response = (self.code.status(), no_store, Json(self.to_json())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(Reason(self.code));
        if let Some(detail) = self.detail {
            response.extensions_mut().insert(detail);
        }
        response
    }
}
