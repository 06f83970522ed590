//! ID tokens: JWTs that tell a client who signed in, when and how (OpenID Connect Core §2).

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::grants::access_token::Issuer;
use crate::grants::generation::PresentedGrant;
use crate::scopes::OPENID;
use crate::scopes::Scopes;
use crate::signing::algorithm::SigningAlg;
use crate::signing::jwt;
use crate::signing::keyring::Keys;

/// Of no other token of ours.
const TYPE: &str = "JWT";

/// What is there besides what is told of the person.
pub const CLAIMS: [&str; 12] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid"];

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    /// One string: some clients take no list, and none wants another audience beside itself.
    aud: String,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    amr: &'a [String],
    azp: String,
    at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(flatten)]
    person: Map<String, Value>,
}

#[derive(Debug, Clone, Copy)]
pub struct NewIdToken<'a> {
    pub client: &'a Client,
    pub grant: &'a PresentedGrant,
    /// Those of the access token that goes with it.
    pub scopes: &'a Scopes,
    pub access_token: &'a Secret,
    /// Of the authorization request; only with its code, not with what comes later (OpenID Connect Core §12.2).
    pub nonce: Option<&'a str>,
}

/// `None` if it was not granted that the person signs in with it. Lives as long as an access token. `person` is what is told
/// at userinfo, too, where many apps never ask (OpenID Connect Core §5.4).
pub fn mint(
    keys: &Keys,
    issuer: Issuer<'_>,
    new: &NewIdToken<'_>,
    person: Map<String, Value>,
    now: Timestamp,
) -> anyhow::Result<Option<Secret>> {
    let NewIdToken { client, grant, scopes, access_token, nonce } = *new;
    if !scopes.contains(OPENID) {
        return Ok(None);
    }
    let registration = &client.registration;
    let algorithm = registration.id_token_signed_response_alg;
    let claims = Claims {
        iss: issuer.url,
        sub: issuer.subjects.subject(client, grant.user_id),
        aud: client.identifier(),
        exp: (now + registration.lifetimes.access_token).timestamp(),
        iat: now.timestamp(),
        auth_time: grant.auth_time.map(|at| at.timestamp()),
        nonce,
        acr: grant.acr.as_deref(),
        amr: &grant.amr,
        azp: client.identifier(),
        at_hash: half_hash(algorithm, access_token),
        sid: grant.browser_session().map(|session| issuer.subjects.session(client, session)),
        person,
    };
    jwt::sign(keys, algorithm.into(), TYPE, &claims, now).map(Some)
}

/// `at_hash` (OpenID Connect Core §3.1.3.6): by the hash that the token's own signature has inside.
fn half_hash(algorithm: SigningAlg, access_token: &Secret) -> String {
    let hash = match algorithm {
        SigningAlg::Es256 | SigningAlg::Rs256 => &digest::SHA256,
        SigningAlg::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, access_token.expose().as_bytes());
    let hash = hash.as_ref();
    URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
}

/// What an ID token says to us, long after it was made: whom an app means.
#[derive(Debug, Deserialize)]
pub struct Hint {
    iss: String,
    pub sub: String,
    /// `client_id` of the client that it was made for.
    pub aud: String,
    pub sid: Option<String>,
}

/// `None` if it is not one of this server's ID tokens. One that has expired still says whom it was about.
pub fn read_hint(keys: &Keys, issuer: &str, token: &str) -> Option<Hint> {
    jwt::verify_old(keys, TYPE, token).filter(|hint: &Hint| hint.iss == issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_is_hashed_as_the_signature_hashes() {
        // OpenID Connect Core appendix A.3.
        let token = Secret::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        assert_eq!(half_hash(SigningAlg::Rs256, &token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(half_hash(SigningAlg::Es256, &token), "77QmUPtjPfzWtF2AnpK9RQ");

        // Ed25519 has SHA-512 inside (RFC 8032 §5.1).
        let token = "YmJiZTAwYmYtMzgyOC00NzhkLTkyOTItNjJjNDM3MGYzOWIy9sFhvH8K_x8UIHj1osisS57f5DduL";
        let hash = half_hash(SigningAlg::EdDsa, &Secret::new(token));
        assert_eq!(hash, "p2LHG4H-8pYDc0hyVOo3iIHvZJUqe9tbj3jESOuXbkY");
    }
}
