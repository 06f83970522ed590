//! A posted form, from a page that we gave to this very browser.

use std::fmt;

use axum::body;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header;
use url::form_urlencoded;

use crate::app::App;
use crate::gate::csrf;
use crate::gate::csrf::Csrf;
use crate::pages::error::PageError;

/// In bytes; the longest form is an app with fifty redirect URIs.
const MAX_LENGTH: usize = 64 * 1024;

/// The fields in the order in which they were sent. Every value is text without NUL.
pub struct Form(Vec<(String, String)>);

/// Values may be secrets.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Form {
    /// A field that a form has once; one that is missing is empty.
    pub fn one(&self, name: &str) -> Result<&str, PageError> {
        let mut values = self.all(name);
        let value = values.next().unwrap_or_default();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(PageError::bad_request(format!("The form has the field {name} more than once."))),
        }
    }

    /// A field that a form may have several times, such as check boxes.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest<App> for Form {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &App) -> Result<Self, PageError> {
        let (parts, body) = request.into_parts();
        if csrf::comes_from_elsewhere(&parts.headers, &app.config.links.origin()) {
            return Err(PageError::form_expired());
        }
        let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if !content_type.starts_with(b"application/x-www-form-urlencoded") {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
        }
        let body = body::to_bytes(body, MAX_LENGTH).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        let form = Self(read(&body)?);
        let csrf = Csrf::of(&parts, app).await?;
        if csrf.accepts(form.one("csrf")?) { Ok(form) } else { Err(PageError::form_expired()) }
    }
}

/// PostgreSQL has no NUL in text, and what is not UTF-8 was mistyped by a program, not by a person.
fn read(body: &[u8]) -> Result<Vec<(String, String)>, PageError> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let is_text = |text: &str| !text.contains(['\0', char::REPLACEMENT_CHARACTER]);
    if fields.iter().all(|(name, value)| is_text(name) && is_text(value)) {
        Ok(fields)
    } else {
        Err(PageError::bad_request("The form holds characters that are no text. Nothing was changed."))
    }
}
