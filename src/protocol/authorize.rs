//! Decides an authorization request (RFC 6749 §4.1.1, RFC 7636 §4.4.1) whose client and redirect URI are
//! proven.

use std::borrow::Cow;

use oxide_auth::code_grant::authorization as machine;
use oxide_auth::code_grant::error::AuthorizationErrorType;
use oxide_auth::primitives::registrar::BoundClient;
use oxide_auth::primitives::registrar::ExactUrl;
use oxide_auth::primitives::registrar::PreGrant;
use oxide_auth::primitives::registrar::RegisteredUrl;

use crate::clients::client::Client;
use crate::protocol::Refusal;
use crate::protocol::grant::from_scope;
use crate::protocol::grant::to_scope;
use crate::protocol::pkce;
use crate::scopes::Scopes;

/// The parameters that decide.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    /// One that the client registered, compared as text.
    pub redirect_uri: &'a str,
    pub response_type: Option<&'a str>,
    pub scope: Option<&'a str>,
    pub code_challenge: Option<&'a str>,
    pub code_challenge_method: Option<&'a str>,
}

/// What may be put to the person.
#[derive(Debug)]
pub struct Accepted {
    pub scopes: Scopes,
    pub code_challenge: Option<String>,
}

/// What the machine may see.
struct Seen<'a> {
    client_id: String,
    request: AuthorizationRequest<'a>,
}

impl machine::Request for Seen<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.client_id))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.request.scope.map(Cow::Borrowed)
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.request.redirect_uri))
    }
    fn state(&self) -> Option<Cow<'_, str>> {
        None // goes back to the client untouched, without passing through here
    }
    fn response_type(&self) -> Option<Cow<'_, str>> {
        self.request.response_type.map(Cow::Borrowed)
    }
    fn extension(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// `known` are the scopes of the deployment.
pub fn decide(
    request: AuthorizationRequest<'_>,
    client: &Client,
    known: &Scopes,
) -> Result<Accepted, Refusal> {
    // The machine calls a missing response_type unsupported; RFC 6749 §4.1.2.1 calls it an invalid request.
    if request.response_type.is_none() {
        return Err(Refusal::InvalidRequest("response_type is missing"));
    }
    let seen = Seen { client_id: client.id.to_string(), request };
    let may_ask_for = client.registration.scopes_for_people();
    let mut machine = machine::Authorization::new(&seen);
    let bound_client = match machine.advance(machine::Input::None) {
        machine::Output::Bind { client_id, redirect_uri: Some(uri) } => bound(client_id, uri),
        output => return Err(refusal(output)),
    };
    match machine.advance(machine::Input::Bound { request: &seen, bound_client }) {
        machine::Output::Extend => {}
        output => return Err(refusal(output)),
    }
    let code_challenge = pkce::accept_challenge(
        request.code_challenge_method,
        request.code_challenge,
        client.registration.require_pkce,
    )?;
    let extensions = pkce::extensions(code_challenge.as_deref());
    let pre_grant = match machine.advance(machine::Input::Extended(extensions)) {
        machine::Output::Negotiate { bound_client, scope } => PreGrant {
            client_id: bound_client.client_id.clone().into_owned(),
            redirect_uri: bound_client.redirect_uri.clone().into_owned(),
            scope: to_scope(&negotiate(
                scope.as_ref().map(from_scope).transpose()?,
                client,
                (&may_ask_for, known),
            )?)?,
        },
        output => return Err(refusal(output)),
    };
    match machine.advance(machine::Input::Negotiated { pre_grant, state: None }) {
        machine::Output::Ok { pre_grant, .. } => {
            Ok(Accepted { scopes: from_scope(&pre_grant.scope)?, code_challenge })
        }
        output => Err(refusal(output)),
    }
}

fn bound(client_id: String, redirect_uri: ExactUrl) -> BoundClient<'static> {
    BoundClient {
        client_id: Cow::Owned(client_id),
        redirect_uri: Cow::Owned(RegisteredUrl::Exact(redirect_uri)),
    }
}

/// A client that asks for nothing gets its default (RFC 6749 §3.3); one that asks for more than it may is
/// refused, not cut down, so that its developer notices.
pub(super) fn negotiate(
    asked: Option<Scopes>,
    client: &Client,
    (may_ask_for, known): (&Scopes, &Scopes),
) -> Result<Scopes, Refusal> {
    let registration = &client.registration;
    let scopes = match asked {
        Some(asked) if !asked.is_empty() => asked,
        _ => registration.default_scopes.clone(),
    };
    if scopes.is_empty() {
        return Err(Refusal::InvalidScope("scope is missing and the client has no default"));
    }
    if !scopes.is_subset_of(known) {
        return Err(Refusal::InvalidScope("the server knows no such scope"));
    }
    if !scopes.is_subset_of(may_ask_for) {
        return Err(Refusal::InvalidScope("the client is not registered for that scope"));
    }
    Ok(scopes)
}

fn refusal(output: machine::Output<'_>) -> Refusal {
    let machine::Output::Err(mut error) = output else { return Refusal::OutOfStep };
    match error.description().map(oxide_auth::code_grant::error::AuthorizationError::kind) {
        Some(AuthorizationErrorType::UnsupportedResponseType) => {
            Refusal::UnsupportedResponseType("the only response_type is code")
        }
        Some(AuthorizationErrorType::InvalidScope) => Refusal::InvalidScope("the scope is malformed"),
        Some(_) => Refusal::InvalidRequest("the request is malformed"),
        None => Refusal::OutOfStep,
    }
}
