//! A public key as somebody publishes it: a JWK (RFC 7517 §4).

use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaVerificationAlgorithm;
use aws_lc_rs::signature::ParsedPublicKey;
use aws_lc_rs::signature::RsaParameters;
use aws_lc_rs::signature::RsaPublicKeyComponents;
use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Map;
use serde_json::Value;

use crate::base::secret::sha256;
use crate::signing::foreign::algorithm::Algorithm;

/// Of what nobody but the owner should have (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const SECRET_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

const MIN_RSA_BITS: usize = 2048;
/// A larger one makes every verification dear, and whoever brings the key chooses.
const MAX_RSA_BITS: usize = 4096;

#[derive(Debug, Clone)]
pub struct PublicKey {
    /// `kid`.
    pub id: Option<String>,
    /// `alg`: the only one for which the key may be used.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    /// Big-endian, without zeros in front.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// `x` and `y` after the byte 4: not compressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Why a key is not taken. Continues a sentence that begins with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is not a JSON object")]
    NoObject,
    #[error("holds key material that must stay secret")]
    Secret,
    #[error("is an RSA key of fewer than {MIN_RSA_BITS} or more than {MAX_RSA_BITS} bits")]
    Size,
    #[error("has no point of its curve in x and y")]
    Point,
    #[error("has an alg that does not fit its kty and crv")]
    Algorithm,
    #[error("has no {0}")]
    Missing(&'static str),
    #[error("has a malformed {0}")]
    Malformed(&'static str),
}

impl PublicKey {
    /// `None` if it is not for signatures that are known here: to be passed over, as RFC 7517 §5 says.
    pub fn read(jwk: &Value) -> Result<Option<Self>, Refusal> {
        let jwk = Jwk(jwk.as_object().ok_or(Refusal::NoObject)?);
        let kty = jwk.required("kty")?;
        if kty == "oct" || SECRET_MEMBERS.iter().any(|name| jwk.0.contains_key(*name)) {
            return Err(Refusal::Secret);
        }
        let algorithm = jwk.optional("alg")?.map(Algorithm::find);
        if algorithm == Some(None) || !jwk.is_for_signatures()? {
            return Ok(None);
        }
        let Some(material) = Material::read(kty, jwk)? else { return Ok(None) };
        let algorithm = algorithm.flatten();
        if algorithm.is_some_and(|algorithm| !material.is_for(algorithm)) {
            return Err(Refusal::Algorithm);
        }
        Ok(Some(Self { id: jwk.optional("kid")?.map(str::to_owned), algorithm, material }))
    }

    /// Whether the key may be used with the algorithm.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|only| only == algorithm) && self.material.is_for(algorithm)
    }

    /// `false` also for an algorithm that the key is not for.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.is_for(algorithm) {
            return false;
        }
        let done = match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(rsa_parameters(algorithm), message, signature)
            }
            Material::P256(point) => UnparsedPublicKey::new(P256, point).verify(message, signature),
            Material::P384(point) => UnparsedPublicKey::new(P384, point).verify(message, signature),
            Material::Ed25519(x) => UnparsedPublicKey::new(&signature::ED25519, x).verify(message, signature),
        };
        done.is_ok()
    }

    /// RFC 7638 §3: of the required members alone, in the order of their names.
    pub fn thumbprint(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let on_curve = |name: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            format!(r#"{{"crv":"{name}","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
        };
        let members = match &self.material {
            Material::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Material::P256(point) => on_curve("P-256", point),
            Material::P384(point) => on_curve("P-384", point),
            Material::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
        };
        text(&sha256(members.as_bytes()))
    }
}

const P256: &EcdsaVerificationAlgorithm = &signature::ECDSA_P256_SHA256_FIXED;
const P384: &EcdsaVerificationAlgorithm = &signature::ECDSA_P384_SHA384_FIXED;

const fn rsa_parameters(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => &signature::RSA_PKCS1_2048_8192_SHA256,
    }
}

impl Material {
    fn read(kty: &str, jwk: Jwk<'_>) -> Result<Option<Self>, Refusal> {
        Ok(Some(match kty {
            "RSA" => Self::rsa(jwk)?,
            "EC" => match jwk.required("crv")? {
                "P-256" => Self::P256(jwk.point(P256, 32)?),
                "P-384" => Self::P384(jwk.point(P384, 48)?),
                _ => return Ok(None),
            },
            "OKP" => match jwk.required("crv")? {
                "Ed25519" => Self::Ed25519(jwk.bytes_of_length("x", 32)?),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn rsa(jwk: Jwk<'_>) -> Result<Self, Refusal> {
        let number = |name| {
            // Many write a zero in front, which RFC 7518 §6.3.1.1 does not want.
            jwk.bytes(name).map(|bytes| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>())
        };
        let (n, e) = (number("n")?, number("e")?);
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(Refusal::Size);
        }
        Ok(Self::Rsa { n, e })
    }

    const fn is_for(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Es256 => matches!(self, Self::P256(_)),
            Algorithm::Es384 => matches!(self, Self::P384(_)),
            Algorithm::Ed25519 => matches!(self, Self::Ed25519(_)),
            Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512
            | Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512 => matches!(self, Self::Rsa { .. }),
        }
    }
}

/// The members of a key, unread.
#[derive(Clone, Copy)]
struct Jwk<'a>(&'a Map<String, Value>);

impl<'a> Jwk<'a> {
    fn optional(self, name: &'static str) -> Result<Option<&'a str>, Refusal> {
        self.0.get(name).map(|value| value.as_str().ok_or(Refusal::Malformed(name))).transpose()
    }

    fn required(self, name: &'static str) -> Result<&'a str, Refusal> {
        self.optional(name)?.ok_or(Refusal::Missing(name))
    }

    /// `use` and `key_ops` (RFC 7517 §4.2, §4.3).
    fn is_for_signatures(self) -> Result<bool, Refusal> {
        let operations = match self.0.get("key_ops") {
            None => None,
            Some(operations) => Some(operations.as_array().ok_or(Refusal::Malformed("key_ops"))?),
        };
        Ok(self.optional("use")?.is_none_or(|purpose| purpose == "sig")
            && operations.is_none_or(|all| all.iter().any(|operation| operation == "verify")))
    }

    fn bytes(self, name: &'static str) -> Result<Vec<u8>, Refusal> {
        URL_SAFE_NO_PAD.decode(self.required(name)?).map_err(|_| Refusal::Malformed(name))
    }

    fn bytes_of_length(self, name: &'static str, length: usize) -> Result<Vec<u8>, Refusal> {
        let bytes = self.bytes(name)?;
        if bytes.len() == length { Ok(bytes) } else { Err(Refusal::Malformed(name)) }
    }

    fn point(self, curve: &'static EcdsaVerificationAlgorithm, length: usize) -> Result<Vec<u8>, Refusal> {
        let (x, y) = (self.bytes_of_length("x", length)?, self.bytes_of_length("y", length)?);
        let point = [&[4], x.as_slice(), &y].concat();
        ParsedPublicKey::new(curve, &point).map_err(|_| Refusal::Point)?;
        Ok(point)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515 appendix A.3.1.
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    /// RFC 7638 §3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn read(jwk: &Value) -> Result<Option<PublicKey>, Refusal> {
        PublicKey::read(jwk)
    }

    /// With `changes` made; `null` leaves a member out.
    fn changed(jwk: &Value, changes: &Value) -> Value {
        let mut jwk = jwk.clone();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        jwk
    }

    fn rsa() -> Value {
        json!({ "kty": "RSA", "n": N, "e": "AQAB" })
    }

    fn ec() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y })
    }

    fn ed() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    #[test]
    fn thumbprints_are_those_of_the_standards() {
        let thumbprint = |jwk: &Value| read(jwk).unwrap().unwrap().thumbprint();
        let rsa = changed(&rsa(), &json!({ "alg": "RS256", "kid": "2011-04-29" }));
        assert_eq!(thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "RFC 7638 §3.1");
        assert_eq!(thumbprint(&ed()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "RFC 8037 appendix A.3");
        // RFC 9449 §6.1 of the key in §4.1.
        let proof = json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        });
        assert_eq!(thumbprint(&proof), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn zeros_in_front_of_a_number_make_no_other_key() {
        let with_zero = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            URL_SAFE_NO_PAD.encode([&[0], bytes.as_slice()].concat())
        };
        let padded = changed(&rsa(), &json!({ "n": with_zero(N), "e": with_zero("AQAB") }));

        let [key, other] = [rsa(), padded].map(|jwk| read(&jwk).unwrap().unwrap());

        assert_eq!(key.thumbprint(), other.thumbprint());
    }

    #[test]
    fn what_must_stay_secret_is_refused_whatever_the_key_is_for() {
        for jwk in [
            json!({ "kty": "oct" }),
            json!({ "kty": "oct", "k": "c2VjcmV0" }),
            json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "priv": "AA" }),
            changed(&rsa(), &json!({ "d": "AQAB" })),
            changed(&rsa(), &json!({ "use": "enc", "p": 1 })),
            changed(&ec(), &json!({ "d": "" })),
            changed(&ec(), &json!({ "k": "c2VjcmV0", "alg": "HS256" })),
            changed(&ed(), &json!({ "d": [] })),
        ] {
            assert_eq!(read(&jwk).unwrap_err(), Refusal::Secret, "{jwk}");
        }
    }

    #[test]
    fn what_is_not_for_known_signatures_is_passed_over() {
        for jwk in [
            json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
            json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": X, "y": Y }),
            json!({ "kty": "OKP", "crv": "X25519", "x": X }),
            changed(&ec(), &json!({ "use": "enc" })),
            changed(&ec(), &json!({ "use": "" })),
            changed(&ec(), &json!({ "key_ops": ["sign"] })),
            changed(&ec(), &json!({ "key_ops": [] })),
            changed(&ec(), &json!({ "alg": "ES512" })),
            changed(&rsa(), &json!({ "alg": "RSA-OAEP" })),
            changed(&rsa(), &json!({ "alg": "none" })),
            changed(&rsa(), &json!({ "alg": "HS256" })),
            changed(&rsa(), &json!({ "use": "enc", "n": "AQAB" })),
        ] {
            assert!(read(&jwk).unwrap().is_none(), "{jwk}");
        }
        for jwk in [
            changed(&ec(), &json!({ "use": "sig", "key_ops": ["verify", "sign"], "alg": "ES256" })),
            changed(&ec(), &json!({ "x5c": ["?"], "x5u": "http://x", "unknown": { "a": 1 } })),
        ] {
            assert!(read(&jwk).unwrap().is_some(), "{jwk}");
        }
    }

    #[test]
    fn a_key_is_refused_for_what_is_wrong_with_it() {
        let long = URL_SAFE_NO_PAD.encode(vec![0xff; 513]);
        let weak = URL_SAFE_NO_PAD.encode([&[0x7f], vec![0xff; 255].as_slice()].concat());
        for (jwk, refusal) in [
            (json!(null), Refusal::NoObject),
            (json!([]), Refusal::NoObject),
            (json!({}), Refusal::Missing("kty")),
            (json!({ "kty": 1 }), Refusal::Malformed("kty")),
            (changed(&rsa(), &json!({ "n": weak })), Refusal::Size),
            (changed(&rsa(), &json!({ "n": long })), Refusal::Size),
            (changed(&rsa(), &json!({ "n": "" })), Refusal::Size),
            (changed(&rsa(), &json!({ "n": null })), Refusal::Missing("n")),
            (changed(&rsa(), &json!({ "e": null })), Refusal::Missing("e")),
            (changed(&rsa(), &json!({ "e": "AQAB=" })), Refusal::Malformed("e")),
            (changed(&rsa(), &json!({ "e": 65537 })), Refusal::Malformed("e")),
            (changed(&rsa(), &json!({ "alg": "ES256" })), Refusal::Algorithm),
            (changed(&ec(), &json!({ "alg": "RS256" })), Refusal::Algorithm),
            (changed(&ec(), &json!({ "alg": "ES384" })), Refusal::Algorithm),
            (changed(&ec(), &json!({ "alg": ["ES256"] })), Refusal::Malformed("alg")),
            (changed(&ec(), &json!({ "kid": 1 })), Refusal::Malformed("kid")),
            (changed(&ec(), &json!({ "use": ["sig"] })), Refusal::Malformed("use")),
            (changed(&ec(), &json!({ "key_ops": "verify" })), Refusal::Malformed("key_ops")),
            (changed(&ec(), &json!({ "crv": null })), Refusal::Missing("crv")),
            (changed(&ec(), &json!({ "y": X })), Refusal::Point),
            (changed(&ec(), &json!({ "y": "AA" })), Refusal::Malformed("y")),
            (changed(&ec(), &json!({ "x": "!!!" })), Refusal::Malformed("x")),
            (changed(&ec(), &json!({ "crv": "P-384" })), Refusal::Malformed("x")),
            (changed(&ed(), &json!({ "x": "AA" })), Refusal::Malformed("x")),
        ] {
            assert_eq!(read(&jwk).unwrap_err(), refusal, "{jwk}");
        }
    }
}
