//! Signing and verifying JWTs (RFC 7519). What the claims mean is for the rooms above.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::Header;
use jsonwebtoken::Validation;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::signing::key;
use crate::signing::keyring::Keys;
use crate::signing::keyring::OpenKey;

/// Longer than any token of ours; what is longer is not even decoded.
const MAX_LENGTH: usize = 8 * 1024;

/// `typ` (RFC 8725 §3.11) keeps one kind of token from passing for another.
pub fn sign<C: Serialize>(
    keys: &Keys,
    algorithm: Algorithm,
    typ: &str,
    claims: &C,
    now: Timestamp,
) -> anyhow::Result<Secret> {
    let signer = keys.signer(algorithm, now)?;
    let mut header = Header::new(algorithm);
    header.typ = Some(typ.to_owned());
    header.kid = Some(signer.key.id.clone());
    // Not by `jsonwebtoken::encode`, which would parse the key again each time.
    let message = format!("{}.{}", encode(&header)?, encode(claims)?);
    let signature = URL_SAFE_NO_PAD.encode(signer.private.sign(message.as_bytes())?);
    Ok(Secret::new(format!("{message}.{signature}")))
}

/// One part of a token (RFC 7515 §3.1).
fn encode(part: &impl Serialize) -> anyhow::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(part)?))
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
    claims(keys.verifier(&key_id(token, typ)?, now)?, token)
}

/// The same for a token that is shown long after its time: also if its key has retired since.
pub fn verify_old<C: DeserializeOwned>(keys: &Keys, typ: &str, token: &str) -> Option<C> {
    claims(keys.verifier_of_old(&key_id(token, typ)?)?, token)
}

fn claims<C: DeserializeOwned>(verifier: &OpenKey, token: &str) -> Option<C> {
    let mut validation = Validation::new(verifier.key.algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode(token, &verifier.public, &validation).ok().map(|data| data.claims)
}

/// The names of the algorithms that this server signs with.
pub const ALGORITHMS: [&str; 3] = [
    key::algorithm_name(Algorithm::ES256),
    key::algorithm_name(Algorithm::EdDSA),
    key::algorithm_name(Algorithm::RS256),
];
