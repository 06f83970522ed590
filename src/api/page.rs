//! Lists by page: `{data:[…], next_cursor}`.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Serialize;
use url::form_urlencoded;
use utoipa::IntoParams;
use utoipa::ToSchema;

use crate::app::App;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;

/// Of [`PageRequest`].
pub(super) const PARAMETERS: [&str; 2] = ["limit", "cursor"];
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// What of a list is wanted: `?limit=` and `?cursor=`, the `next_cursor` of the page before.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageRequest {
    /// How many entries a page has at most.
    #[param(required = false, minimum = 1, maximum = 200, default = 50)]
    pub limit: i64,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<String>,
}

impl PageRequest {
    /// The id after which the page begins.
    pub fn after<T: FromStr>(&self) -> Result<Option<T>, ApiError> {
        let invalid = |_| ApiErrorCode::BadRequest.because("The cursor is not one of ours").at("cursor");
        self.cursor.as_deref().map(|text| text.parse().map_err(invalid)).transpose()
    }
}

impl FromRequestParts<App> for PageRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, ApiError> {
        let mut request = Self { limit: DEFAULT_LIMIT, cursor: None };
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    let invalid = || {
                        ApiErrorCode::BadRequest
                            .because(format!("limit must be 1 to {MAX_LIMIT}"))
                            .at("limit")
                    };
                    request.limit = limit.ok_or_else(invalid)?;
                }
                "cursor" => request.cursor = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(request)
    }
}

#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    data: Vec<T>,
    /// `null` on the last page.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// `rows` may be one more than the page holds: then there is a next one.
    pub fn of<R>(
        rows: Vec<R>,
        request: &PageRequest,
        cursor: impl Fn(&R) -> String,
        shown: impl Fn(R) -> T,
    ) -> Self {
        let mut rows = rows;
        let size = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > size;
        rows.truncate(size);
        let next_cursor = if has_more { rows.last().map(cursor) } else { None };
        Self { data: rows.into_iter().map(shown).collect(), next_cursor }
    }
}
