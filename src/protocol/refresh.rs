//! Decides a refresh (RFC 6749 §6) by a client that has proved who it is.

use std::borrow::Cow;

use oxide_auth::code_grant::error::AccessTokenErrorType;
use oxide_auth::code_grant::refresh as machine;
use oxide_auth::primitives::grant::Extensions;

use crate::base::ids::ClientId;
use crate::grants::generation::PresentedGrant;
use crate::protocol::Refusal;
use crate::protocol::grant::from_scope;
use crate::protocol::grant::to_grant;
use crate::scopes::Scopes;

#[derive(Debug, Clone, Copy)]
pub struct RefreshRequest<'a> {
    pub client_id: ClientId,
    pub refresh_token: &'a str,
    pub scope: Option<&'a str>,
}

/// What the machine may see: an identity already proven, never a credential.
struct Seen<'a> {
    client_id: String,
    request: RefreshRequest<'a>,
}

impl machine::Request for Seen<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.request.refresh_token))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.request.scope.map(Cow::Borrowed)
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("refresh_token"))
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        // For public clients too: it is what binds the token to its client.
        Some((Cow::Borrowed(&self.client_id), Cow::Borrowed(b"")))
    }
    fn extension(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The scopes of the new access token: those asked for, never more than granted. Whether the refresh token is
/// still fresh is the caller's to decide, by our clock.
pub fn decide(request: RefreshRequest<'_>, grant: Option<&PresentedGrant>) -> Result<Scopes, Refusal> {
    let seen = Seen { client_id: request.client_id.to_string(), request };
    let mut machine = machine::Refresh::new(&seen);
    match machine.advance(machine::Input::None) {
        machine::Output::Unauthenticated { .. } => {}
        output => return Err(refusal(output)),
    }
    let scope = request.scope.map(Cow::Borrowed);
    match machine.advance(machine::Input::Authenticated { scope: scope.clone() }) {
        machine::Output::RecoverRefresh { .. } => {}
        output => return Err(refusal(output)),
    }
    let grant = grant.map(|grant| to_grant(grant, Extensions::new())).transpose()?;
    match machine.advance(machine::Input::Recovered { scope, grant }) {
        machine::Output::Refresh { grant, .. } => from_scope(&grant.scope),
        output => Err(refusal(output)),
    }
}

fn refusal(output: machine::Output<'_>) -> Refusal {
    let machine::Output::Err(mut error) = output else { return Refusal::OutOfStep };
    match error.description().map(oxide_auth::code_grant::error::AccessTokenError::kind) {
        Some(AccessTokenErrorType::InvalidScope) => {
            Refusal::InvalidScope("the scope is malformed or more than was granted")
        }
        Some(AccessTokenErrorType::InvalidGrant) => {
            Refusal::InvalidGrant("the refresh token is unknown or was issued to another client")
        }
        Some(_) => Refusal::InvalidRequest("the request is malformed"),
        None => Refusal::OutOfStep,
    }
}
