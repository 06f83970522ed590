//! What every page says to the browser besides its content.

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::app::App;
use crate::base::secret::sha256;
use crate::gate::caller;
use crate::gate::client_address::ClientAddress;
use crate::gate::request_log::RequestId;
use crate::pages::error;
use crate::pages::error::PageError;

/// In a response's extensions: where its form may lead besides this server, as a source expression of CSP.
///
/// Browsers apply `form-action` to every redirect that follows a form. So the app to which a person goes after
/// the consent form, or which is posted the answer, must be named, and whatever it sends the person on to: any HTTPS
/// site, and for a program on this machine any other there.
#[derive(Debug, Clone)]
pub struct FormTarget(pub String);

/// In a response's extensions: the page runs scripts, which come from this server and talk to this server alone.
#[derive(Debug, Clone, Copy)]
pub struct HasScripts;

/// In a response's extensions: the page runs this script, which stands on it, and no other.
#[derive(Debug, Clone, Copy)]
pub struct InlineScript(pub &'static str);

/// The layer around all pages: what a browser may do with them, and a page for every failure.
pub async fn security_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let mut response = error::as_page(response, id);
    let extensions = response.extensions();
    let policy = match extensions.get::<HasScripts>() {
        Some(HasScripts) => WITH_SCRIPTS.to_owned(),
        None => content_security_policy(extensions.get::<FormTarget>(), extensions.get::<InlineScript>()),
    };
    write(response.headers_mut(), &policy, app.config.links.is_https());
    response
}

/// Layer of the pages: what people type there, and the cookie by which they are known, are not sent over plain HTTP.
pub async fn require_secure(
    State(app): State<App>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    match caller::check_secure(&app, address) {
        Ok(()) => next.run(request).await,
        Err(_) => PageError::insecure().into_response(),
    }
}

const WITH_SCRIPTS: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
     img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

fn write(headers: &mut HeaderMap, policy: &str, is_https: bool) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn content_security_policy(target: Option<&FormTarget>, script: Option<&InlineScript>) -> String {
    let further = match target {
        None => String::new(),
        Some(FormTarget(source)) if source.starts_with("http://") => {
            format!(" https: {source} http://localhost:* http://127.0.0.1:*")
        }
        Some(FormTarget(source)) => format!(" https: {source}"),
    };
    let script = match script {
        None => String::new(),
        Some(InlineScript(script)) => {
            format!(" script-src 'sha256-{}';", STANDARD.encode(sha256(script.as_bytes())))
        }
    };
    format!(
        "default-src 'none';{script} style-src 'self'; img-src 'self' data:; form-action 'self'{further}; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}
