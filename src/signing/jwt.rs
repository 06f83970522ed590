//! Signing and verifying JWTs (RFC 7519). What the claims mean is for the rooms above.

use jsonwebtoken::Header;
use jsonwebtoken::Validation;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::signing::key;
use crate::signing::keyring::Keys;

/// Longer than any token of ours; what is longer is not even decoded.
const MAX_LENGTH: usize = 8 * 1024;

/// `typ` (RFC 8725 §3.11) keeps one kind of token from passing for another.
pub fn sign<C: Serialize>(keys: &Keys, typ: &str, claims: &C, now: Timestamp) -> anyhow::Result<Secret> {
    let signer = keys.signer(now)?;
    let mut header = Header::new(signer.key.algorithm);
    header.typ = Some(typ.to_owned());
    header.kid = Some(signer.key.id.clone());
    Ok(Secret::new(jsonwebtoken::encode(&header, claims, &signer.private)?))
}

/// The id of the key that `token` says it was signed with, if it looks like a token at all.
pub fn any_key_id(token: &str) -> Option<String> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// The same, if the token is of this type.
fn key_id(token: &str, typ: &str) -> Option<String> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    let has_type = header.typ.is_some_and(|found| found.eq_ignore_ascii_case(typ));
    if has_type { header.kid } else { None }
}

/// Checks signature, algorithm and type. Issuer, audience and expiry are the caller's to check, by our clock.
///
/// The algorithm is the key's own, never the one that the token names (RFC 8725 §3.1).
pub fn verify<C: DeserializeOwned>(keys: &Keys, typ: &str, token: &str, now: Timestamp) -> Option<C> {
    let verifier = keys.verifier(&key_id(token, typ)?, now)?;
    let mut validation = Validation::new(verifier.key.algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode(token, &verifier.public, &validation).ok().map(|data| data.claims)
}

/// The algorithms that this server can sign with.
pub const ALGORITHMS: [&str; 3] = [
    key::algorithm_name(jsonwebtoken::Algorithm::ES256),
    key::algorithm_name(jsonwebtoken::Algorithm::EdDSA),
    key::algorithm_name(jsonwebtoken::Algorithm::RS256),
];
