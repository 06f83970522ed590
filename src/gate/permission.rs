//! What a caller may do, as parameter types: a handler that asks for one cannot run without it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::App;
use crate::app::resources::Resource;
use crate::gate::caller::Caller;
use crate::gate::challenge::Challenge;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::principal::Principal;
use crate::scopes::ADMIN;

/// A caller with the scope `admin`.
pub struct MayAdmin(pub Caller);

impl FromRequestParts<App> for MayAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        check_scope(app, &caller.principal, ADMIN)?;
        Ok(Self(caller))
    }
}

/// Whether the caller acts for the company that runs the server: a superadmin in a session of their own, or an
/// admin's credential of the operator's organization.
pub fn is_operator(principal: &Principal) -> bool {
    principal.user.as_ref().is_some_and(|user| user.is_superadmin)
        || (principal.organization.is_operator && principal.scopes.satisfies(ADMIN))
}

/// For this server's own API.
pub fn check_scope(app: &App, principal: &Principal, needed: &str) -> Result<(), ApiError> {
    check_scopes(app, principal, &[needed], app.config.resources.own())
}

/// RFC 6750 §3.1: the answer says which scopes would do, all of them at once.
pub fn check_scopes(
    app: &App,
    principal: &Principal,
    needed: &[&str],
    resource: &Resource,
) -> Result<(), ApiError> {
    if needed.iter().all(|scope| principal.scopes.satisfies(scope)) {
        return Ok(());
    }
    let several = if needed.len() == 1 { "" } else { "s" };
    let message = format!(
        "Insufficient permissions for this operation: it needs the scope{several} {}",
        needed.join(" ")
    );
    let challenge = Challenge::new(resource, principal.scheme)
        .error("insufficient_scope", &message)
        .with("scope", needed.join(" "))
        .write(app);
    Err(ApiErrorCode::Forbidden.because(message).challenge(challenge))
}
