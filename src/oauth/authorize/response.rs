//! The answer of an authorization request, on its way through the browser (RFC 6749 §4.1.2, RFC 9207).

use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use url::form_urlencoded;

use crate::app::links::Links;
use crate::base::secret::Secret;
use crate::oauth::error::OAuthError;

pub(super) fn granted(links: &Links, redirect_uri: &str, state: Option<&str>, code: &Secret) -> Response {
    redirect(links, redirect_uri, &[("code", Some(code.expose())), ("state", state)])
}

/// For a client and a redirect URI that are proven.
pub(super) fn denied(
    links: &Links,
    redirect_uri: &str,
    state: Option<&str>,
    mut error: OAuthError,
) -> Response {
    let detail = error.take_detail();
    let name = error.code.name();
    let uri = links.error(name);
    let parameters = [
        ("error", Some(name)),
        ("error_description", Some(error.description.as_ref())),
        ("error_uri", Some(uri.as_str())),
        ("state", state),
    ];
    let mut response = redirect(links, redirect_uri, &parameters);
    if let Some(detail) = detail {
        response.extensions_mut().insert(detail);
    }
    response
}

/// `iss` goes with every answer. The URI stays as it was registered, to the letter, and keeps its own query
/// (RFC 6749 §3.1.2). 303, so that a browser does not send a posted form on (RFC 9700 §4.12).
fn redirect(links: &Links, redirect_uri: &str, parameters: &[(&str, Option<&str>)]) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("iss", links.issuer());
    let query = query.finish();
    let separator = match redirect_uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    match HeaderValue::try_from(format!("{redirect_uri}{separator}{query}")) {
        Ok(location) => {
            (StatusCode::SEE_OTHER, [(header::LOCATION, location)], [(header::CACHE_CONTROL, "no-store")])
                .into_response()
        }
        // A registered URI is ASCII, and so is what was added.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
