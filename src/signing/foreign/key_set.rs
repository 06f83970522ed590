//! The public keys of somebody who signs: a JWK Set (RFC 7517 §5).

use serde_json::Value;

use crate::signing::foreign::header::Header;
use crate::signing::foreign::public_key;
use crate::signing::foreign::public_key::PublicKey;

/// How long a key set may be where it is fetched, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;
/// A JWT that names no key is tried with each.
pub const MAX_KEYS: usize = 50;

/// Of keys for signatures: others are passed over when a set is read.
#[derive(Debug, Clone, Default)]
pub struct KeySet(Vec<PublicKey>);

/// Why a key set is not taken. Made to be read by whoever publishes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("The key set is not a JSON object with an array keys")]
    NoSet,
    #[error("The key set has more than {MAX_KEYS} keys")]
    TooMany,
    /// The first key is number 1.
    #[error("Key {0} of the key set {1}")]
    Key(usize, public_key::Refusal),
}

impl KeySet {
    pub fn read(jwks: &Value) -> Result<Self, Refusal> {
        let keys = jwks.get("keys").and_then(Value::as_array).ok_or(Refusal::NoSet)?;
        if keys.len() > MAX_KEYS {
            return Err(Refusal::TooMany);
        }
        let read = |(at, jwk)| PublicKey::read(jwk).map_err(|refusal| Refusal::Key(at + 1, refusal));
        let keys: Vec<Option<PublicKey>> = keys.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self(keys.into_iter().flatten().collect()))
    }

    /// The one that the header names or, if it names none, every one that is for its algorithm.
    pub fn candidates(&self, header: &Header) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().filter(|key| {
            key.is_for(header.algorithm) && (header.key_id.is_none() || header.key_id == key.id)
        })
    }

    /// Whether one of the keys could be the one that signed.
    pub fn has_candidate(&self, header: &Header) -> bool {
        self.candidates(header).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(id: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": id })
    }

    #[test]
    fn a_set_is_refused_for_what_is_wrong_with_it() {
        let keys: Vec<Value> = (0..=MAX_KEYS).map(|at| key(&at.to_string())).collect();
        assert!(KeySet::read(&json!({ "keys": keys[1..] })).is_ok());
        for (jwks, refusal) in [
            (json!({ "keys": keys }), Refusal::TooMany),
            (json!(null), Refusal::NoSet),
            (json!([key("a")]), Refusal::NoSet),
            (json!({}), Refusal::NoSet),
            (json!({ "keys": { "a": key("a") } }), Refusal::NoSet),
            (json!({ "keys": "[]" }), Refusal::NoSet),
            (json!({ "keys": [key("a"), null] }), Refusal::Key(2, public_key::Refusal::NoObject)),
            (json!({ "keys": [{ "kty": "oct", "k": "AA" }] }), Refusal::Key(1, public_key::Refusal::Secret)),
        ] {
            assert_eq!(KeySet::read(&jwks).unwrap_err(), refusal, "{jwks}");
        }
    }

    #[test]
    fn keys_for_something_else_do_not_spoil_a_set() {
        let encryption = json!({ "kty": "OKP", "crv": "X25519", "x": "AA", "use": "enc" });
        let unknown = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" });

        let set = KeySet::read(&json!({ "keys": [encryption, key("a"), unknown], "more": 1 })).unwrap();

        assert_eq!(set.0.len(), 1);
        assert_eq!(KeySet::read(&json!({ "keys": [] })).unwrap().0.len(), 0);
    }
}
