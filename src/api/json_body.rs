//! A JSON body, with refusals that look like ours and say which field is at fault.

use axum::body::Bytes;
use axum::body::HttpBody;
use axum::extract::FromRequest;
use axum::extract::OptionalFromRequest;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::App;
use crate::base::text;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;

/// 400 for what is no JSON, 415 for what does not say it is, 422 for JSON of another shape.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiErrorCode::UnsupportedMediaType.because("Send the body as application/json"));
        }
        let body = Bytes::from_request(request, app).await.map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    ApiErrorCode::PayloadTooLarge.because("The body is too large")
                }
                _ => ApiErrorCode::BadRequest.because("The body could not be read"),
            }
        })?;
        let value: Value = serde_json::from_slice(&body)
            .map_err(|error| ApiErrorCode::BadRequest.because(format!("The body is not JSON: {error}")))?;
        if let Some(field) = field_with_nul(&value) {
            let error = ApiErrorCode::ValidationError.because("A text has a NUL character");
            return Err(error.at(field));
        }
        parse(value).map(Self)
    }
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    if !value.is_object() {
        return Err(ApiErrorCode::ValidationError.because("The body must be a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        // serde's own words repeat the value, which may be a secret. It quotes names, and only where one is
        // missing or unknown; otherwise the path leads to a value that will not do.
        let path = error.path().iter().next().map(ToString::to_string);
        let words = error.into_inner().to_string();
        let name = words.split('`').nth(1).map(str::to_owned);
        let (message, field) = match (&name, path) {
            (Some(name), _) if words.starts_with("missing field") => {
                (format!("{name} is missing"), name.clone())
            }
            (Some(name), _) if words.starts_with("unknown field") => {
                (format!("There is no field {name}"), name.clone())
            }
            (_, Some(path)) => (format!("{path} has the wrong type"), path),
            _ => return ApiErrorCode::ValidationError.because("The body has the wrong shape"),
        };
        ApiErrorCode::ValidationError.because(message).at(field)
    })
}

fn field_with_nul(value: &Value) -> Option<String> {
    let Value::Object(fields) = value else { return None };
    let found = fields.iter().find(|(name, value)| name.contains('\0') || text::has_nul(value));
    found.map(|(name, _)| name.clone())
}

/// For calls whose body may be left out.
impl<T: DeserializeOwned> OptionalFromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>, ApiError> {
        let is_empty = request.body().size_hint().exact() == Some(0);
        if is_empty {
            return Ok(None);
        }
        <Self as FromRequest<App>>::from_request(request, app).await.map(Some)
    }
}
