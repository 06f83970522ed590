//! What a caller may do, as parameter types: a handler that asks for one cannot run without it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::App;
use crate::gate::caller;
use crate::gate::caller::Caller;
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

/// RFC 6750 §3.1: the answer says which scope would do.
pub fn check_scope(app: &App, principal: &Principal, needed: &str) -> Result<(), ApiError> {
    if principal.scopes.satisfies(needed) {
        return Ok(());
    }
    let challenge = format!("{}, scope=\"{needed}\"", caller::challenge(app, Some("insufficient_scope")));
    Err(ApiErrorCode::Forbidden
        .because(format!("Insufficient permissions for this operation: it needs the scope {needed}"))
        .challenge(challenge))
}
