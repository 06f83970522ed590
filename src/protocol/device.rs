//! Decides what a device may ask its person for (RFC 8628 §3.1). oxide-auth has no machine for it.

use crate::clients::client::Client;
use crate::protocol::Refusal;
use crate::protocol::authorize::negotiate;
use crate::scopes::Scopes;

/// The scopes that are put to the person. `known` are the scopes of the deployment.
pub fn decide(client: &Client, scope: Option<&str>, known: &Scopes) -> Result<Scopes, Refusal> {
    let malformed = |_| Refusal::InvalidScope("the scope is malformed");
    let asked = scope.map(Scopes::parse).transpose().map_err(malformed)?;
    negotiate(asked, client, (&client.registration.scopes_for_people(), known))
}
