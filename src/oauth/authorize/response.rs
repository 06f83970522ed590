//! The answer of an authorization request, on its way through the browser (RFC 6749 §4.1.2, RFC 9207).

use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use url::form_urlencoded;

use crate::app::links::Links;
use crate::base::secret::Secret;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::pages::form_post;

/// Where an answer goes, and how; both are proven.
#[derive(Debug, Clone)]
pub(in crate::oauth) struct ReturnAddress {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    /// Goes back with the answer.
    pub state: Option<String>,
}

/// `response_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oauth) enum ResponseMode {
    Query,
    /// OAuth 2.0 Form Post Response Mode.
    FormPost,
}

impl ResponseMode {
    pub(super) fn asked(name: Option<&str>, redirect_uri: &str) -> Result<Self, OAuthError> {
        let is_web = redirect_uri.starts_with("https://") || redirect_uri.starts_with("http://");
        match name {
            None | Some("query") => Ok(Self::Query),
            Some("form_post") if is_web => Ok(Self::FormPost),
            // An app that the system opens by its scheme gets no form.
            Some("form_post") => {
                Err(ErrorCode::InvalidRequest.because("form_post needs a redirect URI of http or https"))
            }
            Some(_) => Err(ErrorCode::InvalidRequest.because("response_mode is neither query nor form_post")),
        }
    }
}

pub(super) fn granted(links: &Links, address: &ReturnAddress, code: &Secret) -> Response {
    send(links, address, vec![("code", code.expose().to_owned())])
}

pub(super) fn denied(links: &Links, address: &ReturnAddress, mut error: OAuthError) -> Response {
    let detail = error.take_detail();
    let name = error.code.name();
    let parameters = vec![
        ("error", name.to_owned()),
        ("error_description", error.description.into_owned()),
        ("error_uri", links.error(name)),
    ];
    let mut response = send(links, address, parameters);
    if let Some(detail) = detail {
        response.extensions_mut().insert(detail);
    }
    response
}

/// `iss` goes with every answer.
fn send(links: &Links, address: &ReturnAddress, mut parameters: Vec<(&'static str, String)>) -> Response {
    if let Some(state) = &address.state {
        parameters.push(("state", state.clone()));
    }
    parameters.push(("iss", links.issuer().to_owned()));
    match address.mode {
        ResponseMode::Query => redirect(&address.redirect_uri, &parameters),
        ResponseMode::FormPost => form_post::page(&address.redirect_uri, parameters).into_response(),
    }
}

/// 303, so that a browser does not send a posted form on (RFC 9700 §4.12).
fn redirect(redirect_uri: &str, parameters: &[(&str, String)]) -> Response {
    match HeaderValue::try_from(with_parameters(redirect_uri, parameters)) {
        Ok(location) => {
            (StatusCode::SEE_OTHER, [(header::LOCATION, location)], [(header::CACHE_CONTROL, "no-store")])
                .into_response()
        }
        // A registered URI is ASCII, and so is what was added.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The URI stays as it was registered, to the letter, and keeps its own query (RFC 6749 §3.1.2).
pub(in crate::oauth) fn with_parameters(uri: &str, parameters: &[(&str, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let separator = match uri.split_once('?') {
        _ if query.is_empty() => "",
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{query}")
}
