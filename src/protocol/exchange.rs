//! Decides the exchange of a code (RFC 6749 §4.1.3, RFC 7636 §4.6) by a client that has proved who it is.

use std::borrow::Cow;

use oxide_auth::code_grant::accesstoken as machine;

use crate::base::ids::ClientId;
use crate::grants::generation::PresentedGrant;
use crate::protocol::Refusal;
use crate::protocol::grant::to_grant;
use crate::protocol::pkce;

#[derive(Debug, Clone, Copy)]
pub struct ExchangeRequest<'a> {
    pub client_id: ClientId,
    pub code: &'a str,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a str>,
}

/// What the machine may see: an identity already proven, never a credential.
struct Seen<'a> {
    client_id: String,
    code: &'a str,
    redirect_uri: &'a str,
}

impl machine::Request for Seen<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn code(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.code))
    }
    fn authorization(&self) -> machine::Authorization<'_> {
        machine::Authorization::Username(Cow::Borrowed(&self.client_id))
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        None // or the machine sees two credentials
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.redirect_uri))
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("authorization_code"))
    }
    fn extension(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// `Ok` if the code may be exchanged as far as the client, the redirect URI and PKCE go. Whether it is still
/// fresh is the caller's to decide, by our clock.
pub fn decide(request: ExchangeRequest<'_>, grant: Option<&PresentedGrant>) -> Result<(), Refusal> {
    // An unknown code is answered as such, whatever else is missing.
    let redirect_uri = match grant {
        Some(grant) => check_redirect_uri(request.redirect_uri, grant)?,
        None => "unknown:",
    };
    let seen = Seen { client_id: request.client_id.to_string(), code: request.code, redirect_uri };
    let mut machine = machine::AccessToken::new(&seen);
    match machine.advance(machine::Input::None) {
        machine::Output::Authenticate { .. } => {}
        output => return Err(refusal(&output)),
    }
    match machine.advance(machine::Input::Authenticated) {
        machine::Output::Recover { .. } => {}
        output => return Err(refusal(&output)),
    }
    let recovered =
        grant.map(|grant| to_grant(grant, pkce::extensions(grant.code_challenge.as_deref()))).transpose()?;
    let mut extensions = match machine.advance(machine::Input::Recovered(recovered)) {
        machine::Output::Extend { extensions } => std::mem::take(extensions),
        output => return Err(refusal(&output)),
    };
    pkce::verify(pkce::stored(&mut extensions), request.code_verifier)?;
    match machine.advance(machine::Input::Extended { access_extensions: extensions }) {
        machine::Output::Issue { .. } => Ok(()),
        output => Err(refusal(&output)),
    }
}

/// Compared as text, which the machine does only after parsing. A request that did not name a redirect URI
/// is exchanged without one (RFC 6749 §4.1.3).
fn check_redirect_uri<'a>(asked: Option<&str>, grant: &'a PresentedGrant) -> Result<&'a str, Refusal> {
    match asked {
        None if grant.redirect_uri_asked => {
            Err(Refusal::InvalidRequest("redirect_uri is missing: the authorization request had one"))
        }
        Some(asked) if Some(asked) != grant.redirect_uri.as_deref() => {
            Err(Refusal::InvalidGrant("redirect_uri is not the one of the authorization request"))
        }
        _ => grant.redirect_uri.as_deref().ok_or(Refusal::InvalidGrant("the grant has no code")),
    }
}

/// The machine says `invalid_request` where the code is unknown; RFC 6749 §5.2 says `invalid_grant`.
fn refusal(output: &machine::Output<'_>) -> Refusal {
    match output {
        machine::Output::Err(_) => {
            Refusal::InvalidGrant("the code is unknown or was issued to another client")
        }
        _ => Refusal::OutOfStep,
    }
}
