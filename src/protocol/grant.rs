//! Our rows in oxide-auth's types.

use chrono::TimeDelta;
use oxide_auth::primitives::grant::Extensions;
use oxide_auth::primitives::grant::Grant;
use oxide_auth::primitives::scope::Scope;
use url::Url;

use crate::base::clock::Clock;
use crate::grants::generation::PresentedGrant;
use crate::protocol::Refusal;
use crate::scopes::Scopes;

pub(super) const NOWHERE: &str = "https://nowhere.invalid/";

pub(super) fn to_scope(scopes: &Scopes) -> Result<Scope, Refusal> {
    scopes.to_string().parse().map_err(|_| Refusal::InvalidScope("the scope is malformed"))
}

/// Back in our order: `Scope` iterates in a random one.
pub(super) fn from_scope(scope: &Scope) -> Result<Scopes, Refusal> {
    Scopes::from_names(scope.iter()).map_err(|_| Refusal::InvalidScope("the scope is malformed"))
}

/// The machines compare `until` with the system's clock, which is not ours to set: they are told a moment
/// that is always to come, and expiry is decided by the caller.
pub(super) fn to_grant(grant: &PresentedGrant, extensions: Extensions) -> Result<Box<Grant>, Refusal> {
    Ok(Box::new(Grant {
        owner_id: grant.user_id.to_string(),
        client_id: grant.client_id.to_string(),
        scope: to_scope(&grant.scopes)?,
        // The machines want one even where nobody is sent anywhere.
        redirect_uri: Url::parse(grant.redirect_uri.as_deref().unwrap_or(NOWHERE))
            .map_err(|_| Refusal::OutOfStep)?,
        until: Clock::System.now() + TimeDelta::days(1),
        extensions,
    }))
}
