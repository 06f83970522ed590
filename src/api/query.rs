//! The parameters of a query: each at most once, and none that means nothing. A filter that is misspelt would
//! otherwise filter nothing, and nobody would notice.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use crate::api::page;
use crate::app::App;
use crate::base::clock;
use crate::base::clock::Timestamp;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;

/// What has not been taken yet. Which page is wanted is left to [`page::PageRequest`].
pub struct Query(Vec<(String, String)>);

impl Query {
    /// `None` if it is not there; `shape` says what it must be like.
    pub fn take<T>(
        &mut self,
        name: &'static str,
        shape: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(at) = self.0.iter().position(|(found, _)| found == name) else { return Ok(None) };
        let (_, text) = self.0.swap_remove(at);
        let invalid = || ApiErrorCode::BadRequest.because(format!("{name} must be {shape}")).at(name);
        parse(&text).map(Some).ok_or_else(invalid)
    }

    pub fn take_moment(&mut self, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
        self.take(name, "a moment such as 2030-01-01T00:00:00Z, or a day", clock::parse)
    }

    /// All has been taken.
    pub fn end(self) -> Result<(), ApiError> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                Err(ApiErrorCode::BadRequest.because("There is no such parameter").at(beginning(name)))
            }
        }
    }
}

impl FromRequestParts<App> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, ApiError> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let refused = |why| Err(ApiErrorCode::BadRequest.because(why).at(beginning(name.to_string())));
            if params.iter().any(|(known, _)| *known == name) {
                return refused("The parameter is there more than once");
            }
            // PostgreSQL has no NUL in text.
            if value.contains(['\0', char::REPLACEMENT_CHARACTER]) {
                return refused("The parameter is no text");
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        params.retain(|(name, _)| !page::PARAMETERS.contains(&name.as_str()));
        Ok(Self(params))
    }
}

/// A name that a caller made up is told back, but not at any length.
fn beginning(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(64));
    name
}
