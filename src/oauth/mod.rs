//! The protocol face: one file per endpoint.
//!
//! | endpoint | file | standard |
//! |---|---|---|
//! | `/oauth/authorize` | [`authorize`] | RFC 6749 §3.1, RFC 7636, RFC 8707, RFC 9101, RFC 9207 |
//! | `/oauth/par` | [`par`] | RFC 9126, RFC 9449 §10.1 |
//! | `/oauth/device_authorization` | [`device`] | RFC 8628 §3.1 |
//! | `/oauth/token` | [`token`] | RFC 6749 §3.2, RFC 8628 §3.4, RFC 8693 §2, RFC 9449 §5 |
//! | `/oauth/revoke` | [`revoke`] | RFC 7009 |
//! | `/oauth/introspect` | [`introspect`] | RFC 7662, RFC 9701 |
//! | `/oauth/register` | [`register`] | RFC 7591, RFC 7592 |
//! | `/oauth/userinfo` | [`userinfo`] | OpenID Connect Core §5.3 |
//! | `/oauth/logout` | [`logout`] | OpenID Connect RP-Initiated Logout 1.0 |
//! | `/oauth/jwks` | [`jwks`] | RFC 7517 §5 |
//! | `/.well-known/oauth-authorization-server` | [`metadata`] | RFC 8414 |
//! | `/.well-known/oauth-protected-resource` | [`protected_resource`] | RFC 9728 |

pub mod authorize;
pub mod device;
pub mod introspect;
pub mod jwks;
pub mod logout;
pub mod metadata;
pub mod par;
pub mod protected_resource;
pub mod register;
pub mod revoke;
pub mod token;
pub mod userinfo;

mod client_auth;
mod client_form;
mod dpop;
mod error;
mod known_client;
mod params;
mod resource;

use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::gate::caller;
use crate::gate::client_address::ClientAddress;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;

/// For every endpoint that programs call with another method.
pub async fn method_not_allowed(State(app): State<App>) -> Response {
    let error = ErrorCode::MethodNotAllowed.because("the endpoint takes another method");
    Answer(error, &app.config.links).into_response()
}

/// Layer of the endpoints that secrets and tokens are sent to (RFC 6749 §3.2, RFC 7662 §4).
pub async fn require_secure(
    State(app): State<App>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    if caller::check_secure(&app, address).is_ok() {
        return next.run(request).await;
    }
    let error = ErrorCode::InsecureConnection.because("the endpoint takes requests over HTTPS only");
    Answer(error, &app.config.links).into_response()
}
