//! The ids in a URL.

use axum::extract;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::gate::error::ApiError;

/// What cannot be read is as unknown as an id of nobody's.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let read = extract::Path::<T>::from_request_parts(parts, app).await;
        read.map(|extract::Path(ids)| Self(ids)).map_err(|_| ApiError::not_found())
    }
}
