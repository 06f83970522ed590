//! Decides the client credentials grant (RFC 6749 §4.4) for a client that has proved who it is.

use std::borrow::Cow;

use oxide_auth::code_grant::client_credentials as machine;
use oxide_auth::code_grant::error::AccessTokenErrorType;
use oxide_auth::primitives::grant::Extensions;
use oxide_auth::primitives::registrar::BoundClient;
use oxide_auth::primitives::registrar::PreGrant;
use oxide_auth::primitives::registrar::RegisteredUrl;
use url::Url;

use crate::clients::client::Client;
use crate::protocol::Refusal;
use crate::protocol::authorize::negotiate;
use crate::protocol::grant::NOWHERE;
use crate::protocol::grant::from_scope;
use crate::protocol::grant::to_scope;
use crate::scopes::Scopes;

/// What the machine may see: an identity already proven, never a credential.
struct Seen<'a> {
    client_id: String,
    scope: Option<&'a str>,
}

impl machine::Request for Seen<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(&self.client_id), Cow::Borrowed(b"")))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("client_credentials"))
    }
    fn extension(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The scopes of the access token. `known` are the scopes of the deployment.
pub fn decide(client: &Client, scope: Option<&str>, known: &Scopes) -> Result<Scopes, Refusal> {
    let seen = Seen { client_id: client.id.to_string(), scope };
    // The machine calls a malformed scope an invalid request; RFC 6749 §5.2 calls it an invalid scope.
    if scope.is_some_and(|scope| Scopes::parse(scope).is_err()) {
        return Err(Refusal::InvalidScope("the scope is malformed"));
    }
    let mut machine = machine::ClientCredentials::new(&seen);
    match machine.advance(machine::Input::None) {
        machine::Output::Authenticate { .. } => {}
        output => return Err(refusal(&output)),
    }
    let bound_client = match machine.advance(machine::Input::Authenticated) {
        machine::Output::Binding { client_id } => bound(client_id)?,
        output => return Err(refusal(&output)),
    };
    match machine.advance(machine::Input::Bound { bound_client }) {
        machine::Output::Extend => {}
        output => return Err(refusal(&output)),
    }
    let pre_grant = match machine.advance(machine::Input::Extended { extensions: Extensions::new() }) {
        machine::Output::Negotiate { bound_client, scope } => PreGrant {
            client_id: bound_client.client_id.clone().into_owned(),
            redirect_uri: bound_client.redirect_uri.clone().into_owned(),
            scope: to_scope(&negotiate(
                scope.as_ref().map(from_scope).transpose()?,
                client,
                (&client.registration.scopes, known),
            )?)?,
        },
        output => return Err(refusal(&output)),
    };
    match machine.advance(machine::Input::Negotiated { pre_grant }) {
        machine::Output::Ok { pre_grant, .. } => from_scope(&pre_grant.scope),
        output => Err(refusal(&output)),
    }
}

/// The machine wants a redirect URI even where nobody is sent anywhere.
fn bound(client_id: &str) -> Result<BoundClient<'static>, Refusal> {
    let nowhere = Url::parse(NOWHERE).map_err(|_| Refusal::OutOfStep)?;
    Ok(BoundClient {
        client_id: Cow::Owned(client_id.to_owned()),
        redirect_uri: Cow::Owned(RegisteredUrl::from(nowhere)),
    })
}

fn refusal(output: &machine::Output<'_>) -> Refusal {
    let machine::Output::Err(error) = output else { return Refusal::OutOfStep };
    let kind =
        error.as_ref().clone().description().map(oxide_auth::code_grant::error::AccessTokenError::kind);
    match kind {
        Some(AccessTokenErrorType::InvalidScope) => Refusal::InvalidScope("the scope is malformed"),
        Some(_) => Refusal::InvalidRequest("the request is malformed"),
        None => Refusal::OutOfStep,
    }
}
