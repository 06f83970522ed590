//! Step-up (RFC 9470): a sign-in that is too weak or too old for this request is to be done again.
//!
//! It is about the person behind a credential. Behind an API key and a client's own token there is none who signed in:
//! whatever is asked of a sign-in, they do not have it, and are told so in the same words. A session has the sign-in
//! that it began with.

use chrono::TimeDelta;

use crate::app::App;
use crate::app::resources::Resource;
use crate::base::clock::Timestamp;
use crate::gate::challenge::Challenge;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::principal::Principal;
use crate::scopes::Scopes;

/// What a sign-in must be like.
#[derive(Debug, Clone, Default)]
pub(super) struct StepUp {
    /// One of them, as they are preferred; empty: any.
    pub(super) acr_values: Vec<String>,
    pub(super) max_age: Option<TimeDelta>,
}

impl StepUp {
    fn is_met_by(&self, principal: &Principal, now: Timestamp) -> bool {
        if self.acr_values.is_empty() && self.max_age.is_none() {
            return true;
        }
        principal.sign_in.as_ref().is_some_and(|sign_in| {
            let is_young = self.max_age.is_none_or(|age| now - sign_in.at <= age);
            is_young && (self.acr_values.is_empty() || self.acr_values.contains(&sign_in.acr))
        })
    }

    /// Names the scopes, too, so that one visit to the authorization endpoint is enough.
    pub(super) fn check(
        &self,
        app: &App,
        principal: &Principal,
        (resource, scopes): (&Resource, &Scopes),
        now: Timestamp,
    ) -> Result<(), ApiError> {
        if self.is_met_by(principal, now) {
            return Ok(());
        }
        let message = "This needs a stronger or more recent sign-in";
        let mut challenge = Challenge::new(resource, principal.scheme)
            .error("insufficient_user_authentication", message)
            .with("scope", scopes.to_string());
        if !self.acr_values.is_empty() {
            challenge = challenge.with("acr_values", self.acr_values.join(" "));
        }
        if let Some(age) = self.max_age {
            challenge = challenge.with("max_age", age.num_seconds().to_string());
        }
        Err(ApiErrorCode::InsufficientUserAuthentication.because(message).challenge(challenge.write(app)))
    }
}
