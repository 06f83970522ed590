//! Everything that can go wrong on a page, as a page.

use askama::Template;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Html;
use axum::response::IntoResponse;
use axum::response::Response;
use chrono::TimeDelta;
use tower_sessions::session::Error;

use crate::accounts::password::PasswordError;
use crate::base::db;
use crate::gate::error::RETRY_AFTER_OUTAGE;
use crate::gate::request_log::Detail;
use crate::gate::request_log::RequestId;
use crate::pages::parts::Link;
use crate::pages::words;

#[derive(Template, Debug, Clone)]
#[template(path = "pages/error.html")]
pub struct ErrorPage {
    title: String,
    sentence: String,
    status: String,
    request_id: Option<String>,
    way_on: Option<Link>,
}

/// A refusal, or our own failure. `detail` goes only to the log.
#[derive(Debug)]
pub struct PageError {
    status: StatusCode,
    title: &'static str,
    sentence: String,
    way_on: Option<Link>,
    retry_after: Option<i64>,
    detail: Option<Detail>,
}

impl PageError {
    fn new(status: StatusCode, title: &'static str, sentence: impl Into<String>) -> Self {
        Self { status, title, sentence: sentence.into(), way_on: None, retry_after: None, detail: None }
    }

    pub fn not_found() -> Self {
        Self::from(StatusCode::NOT_FOUND).way_on("/", "To the start page")
    }

    /// Or there never was one: whoever guesses learns nothing.
    pub fn invitation_gone() -> Self {
        let sentence = "It was used, withdrawn or replaced by a newer one, or it has expired. Ask whoever invited you \
                        for a new one.";
        Self::new(StatusCode::NOT_FOUND, "This invitation does not hold any more", sentence)
            .way_on("/settings/organization", "To your organization")
    }

    pub fn forbidden(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "This is not for you to change", sentence)
    }

    /// The form is not one that we gave to this browser, or it has signed in or out since.
    pub fn form_expired() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "The form has expired",
            "Nothing was changed. Go back, load the page again and send the form once more. It needs cookies.",
        )
    }

    /// Passwords and cookies may have been read on the way (RFC 6749 §10.11).
    pub fn insecure() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Open this page over HTTPS",
            "Its address must begin with https://. Operators: behind a proxy, name it in trusted_proxies and let it \
             send X-Forwarded-Proto.",
        )
    }

    pub fn bad_request(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), ..Self::from(StatusCode::BAD_REQUEST) }
    }

    /// The organization's plan does not include it.
    pub fn plan(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "This needs another plan", sentence)
    }

    pub fn too_many_attempts(wait: TimeDelta) -> Self {
        let seconds = words::seconds_up(wait);
        let sentence = format!("Try again in {}.", words::seconds(seconds));
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many attempts", sentence);
        Self { retry_after: Some(seconds), ..error }
    }

    /// Our failure: the person learns nothing of it, the log learns everything.
    pub fn internal(error: anyhow::Error) -> Self {
        Self { detail: Some(error.into()), ..Self::from(StatusCode::INTERNAL_SERVER_ERROR) }
    }

    fn unavailable() -> Self {
        Self { retry_after: Some(RETRY_AFTER_OUTAGE), ..Self::from(StatusCode::SERVICE_UNAVAILABLE) }
    }

    /// The failure came after the change that was asked for.
    #[must_use]
    pub fn although_done(self) -> Self {
        let sentence = "What you asked for is done, but the next page could not be prepared. Load it again in a few \
                        seconds.";
        Self { sentence: sentence.to_owned(), ..self }
    }

    #[must_use]
    pub fn way_on(self, url: &str, name: &str) -> Self {
        Self { way_on: Some(Link::new(url, name)), ..self }
    }
}

/// What can be said when nothing but the status is known.
impl From<StatusCode> for PageError {
    fn from(status: StatusCode) -> Self {
        let (title, sentence) = match status {
            StatusCode::NOT_FOUND => {
                ("There is nothing here", "The address may be misspelt, or what it showed is gone.")
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                ("This address takes something else", "It answers, but not to this kind of request.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("That was too much", "The form was larger than this server accepts. Nothing was changed.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (
                "That was not a form",
                "This address takes a form as a browser sends it. Nothing was changed.",
            ),
            StatusCode::TOO_MANY_REQUESTS => ("Too many requests", "Wait a moment, then try again."),
            StatusCode::SERVICE_UNAVAILABLE => {
                ("This server is busy or being restarted", "Nothing was changed. Try again in a few seconds.")
            }
            status if status.is_server_error() => (
                "Something failed on our side",
                "It is in the log. Try again; if it stays, tell the operator the request number.",
            ),
            StatusCode::FORBIDDEN => {
                ("This is not for you", "The account that is signed in may not see or do this.")
            }
            _ => ("The request could not be read", "Nothing was changed. Go back and try again."),
        };
        Self::new(status, title, sentence)
    }
}

impl From<sqlx::Error> for PageError {
    fn from(error: sqlx::Error) -> Self {
        let base = if db::is_unavailable(&error) {
            Self::unavailable()
        } else {
            Self::from(StatusCode::INTERNAL_SERVER_ERROR)
        };
        Self { detail: Some(anyhow::Error::from(error).into()), ..base }
    }
}

/// A database failure inside keeps its meaning.
impl From<anyhow::Error> for PageError {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<sqlx::Error>() {
            Ok(error) => error.into(),
            Err(error) => Self::internal(error),
        }
    }
}

impl From<PasswordError> for PageError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::unavailable(),
            error @ PasswordError::Failed(_) => Self::internal(error.into()),
        }
    }
}

/// tower-sessions turns a store's error into text; what can go wrong there is the database being away.
impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        match error {
            error @ Error::Store(_) => {
                Self { detail: Some(anyhow::Error::from(error).into()), ..Self::unavailable() }
            }
            error @ Error::SerdeJson(_) => Self::internal(error.into()),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let page = ErrorPage {
            title: self.title.to_owned(),
            sentence: self.sentence,
            status: self.status.to_string(),
            request_id: None,
            way_on: self.way_on,
        };
        let mut response = (self.status, render(&page)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(detail) = self.detail {
            response.extensions_mut().insert(detail);
        }
        response.extensions_mut().insert(page);
        response
    }
}

/// Gives a failure the number of its request, and one that is no page yet a page: axum's own refusals and those
/// of the gate, which speaks JSON. Their status, headers and detail stay.
pub fn as_page(response: Response, id: Option<RequestId>) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let is_bare = status.is_server_error() && !response.headers().contains_key(header::CONTENT_TYPE);
    // Only tower-sessions fails without a word: it could not save, the database is away.
    let response = if is_bare { PageError::unavailable().into_response() } else { response };
    let status = response.status();
    let known = response.extensions().get::<ErrorPage>().cloned();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_html = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let mut page = match known {
        Some(page) => page,
        None if is_html => return response,
        None => {
            let PageError { title, sentence, .. } = PageError::from(status);
            let way_on = Some(Link::new("/", "To the start page"));
            let title = title.to_owned();
            ErrorPage { title, sentence, status: status.to_string(), request_id: None, way_on }
        }
    };
    page.request_id = id.map(|RequestId(id)| id);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(parts, Body::from(render(&page).0))
}

/// Plain text if even this page cannot be rendered.
fn render(page: &ErrorPage) -> Html<String> {
    Html(page.render().unwrap_or_else(|_| page.title.clone()))
}
