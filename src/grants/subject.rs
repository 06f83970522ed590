//! `sub`: who a person is to a client (OpenID Connect Core §8), and `sid`: in which session of a browser.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use crate::base::ids::BrowserSessionId;
use crate::base::ids::UserId;
use crate::base::server_secret::ServerSecret;
use crate::clients::client::Client;
use crate::clients::registration::SubjectType;

/// Keys the subjects that clients of one sector share and others cannot tell apart.
#[derive(Clone)]
pub struct SubjectKey(hmac::Key);

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey")
    }
}

impl SubjectKey {
    pub fn new(secret: &ServerSecret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret.derive("pairwise subjects")))
    }

    pub fn subject(&self, client: &Client, user: UserId) -> String {
        match client.registration.subject_type {
            SubjectType::Public => user.to_string(),
            SubjectType::Pairwise => self.pairwise(client, user.to_bytes()),
        }
    }

    /// Two clients that could not tell that a person is the same one must not see it by the session, either.
    pub fn session(&self, client: &Client, session: BrowserSessionId) -> String {
        match client.registration.subject_type {
            SubjectType::Public => session.to_string(),
            SubjectType::Pairwise => self.pairwise(client, session.to_bytes()),
        }
    }

    fn pairwise(&self, client: &Client, id: [u8; 16]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&id);
        context.update(sector(client).as_bytes());
        URL_SAFE_NO_PAD.encode(context.sign())
    }
}

/// The host of the sector's own URI, or else of the redirect URIs, which have one (OpenID Connect Core §8.1). A client
/// without either is a sector of its own.
fn sector(client: &Client) -> String {
    let registration = &client.registration;
    let url = registration.sector_identifier_uri.as_ref().or_else(|| registration.redirect_uris.first());
    let host = url.and_then(|url| Url::parse(url).ok()).and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| client.identifier())
}
