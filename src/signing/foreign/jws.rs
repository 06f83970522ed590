//! A signed JWT as it comes in: compact serialization of a JWS (RFC 7515 §7.1), with claims inside (RFC 7519 §7.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::signing::foreign::header::Header;
use crate::signing::foreign::key_set::KeySet;
use crate::signing::foreign::members::Members;
use crate::signing::foreign::public_key;
use crate::signing::foreign::public_key::PublicKey;

/// In characters; what is longer is not even decoded.
pub const MAX_LENGTH: usize = 16 * 1024;

/// Taken apart. Nothing of it is proven.
#[derive(Debug)]
pub struct Jws<'a> {
    pub header: Header,
    /// Header and claims as they were sent: what the signature is over.
    signed: &'a str,
    claims: Members,
    signature: Vec<u8>,
}

/// Why a JWT is not taken. Continues a sentence that begins with it; repeats nothing of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is longer than {MAX_LENGTH} characters")]
    TooLong,
    #[error("is not three parts in base64url with dots between them")]
    NotCompact,
    #[error("has a header or claims that are not a JSON object with unique names")]
    NotJson,
    #[error("has no {0} in its header")]
    Missing(&'static str),
    #[error("has a malformed {0} in its header")]
    Malformed(&'static str),
    #[error("is signed with an alg that is not accepted")]
    Algorithm,
    #[error("has crit in its header, of which nothing is understood")]
    Critical,
    #[error("has claims with a fault: {0}")]
    Claims(String),
    #[error("brings a key that {0}")]
    OwnKey(public_key::Refusal),
    #[error("brings a key that is not for its alg")]
    UnfitKey,
    #[error("is signed with a key that is not known")]
    UnknownKey,
    #[error("has a signature that does not verify")]
    Signature,
}

impl<'a> Jws<'a> {
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MAX_LENGTH {
            return Err(Refusal::TooLong);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::NotCompact);
        let members = |part| serde_json::from_slice::<Members>(&decode(part)?).map_err(|_| Refusal::NotJson);
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::NotCompact)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::NotCompact)?;
        let header = Header::read(members(header)?)?;
        Ok(Self { header, signed, claims: members(claims)?, signature: decode(signature)? })
    }

    /// What somebody says, whoever it is: enough to look for the key with which it must be signed.
    pub fn unproven_claims<C: DeserializeOwned>(&self) -> Result<C, Refusal> {
        let claims = Value::Object(self.claims.0.clone());
        serde_path_to_error::deserialize(claims).map_err(|error| {
            // A claim of the wrong kind is named; what is said of it could repeat it. Without a path one is missing.
            let path = error.path().to_string();
            Refusal::Claims(if path == "." { error.inner().to_string() } else { path })
        })
    }

    /// The claims, if one of the keys signed them.
    pub fn verify<C: DeserializeOwned>(&self, keys: &KeySet) -> Result<C, Refusal> {
        if !keys.has_candidate(&self.header) {
            return Err(Refusal::UnknownKey);
        }
        if !keys.candidates(&self.header).any(|key| self.is_signed_with(key)) {
            return Err(Refusal::Signature);
        }
        self.unproven_claims()
    }

    /// The claims, if the key in the header signed them, and that key's thumbprint: for a JWT that is there to show a
    /// key (RFC 9449 §4.2).
    pub fn verify_with_own_key<C: DeserializeOwned>(&self) -> Result<(C, String), Refusal> {
        let jwk = self.header.jwk.as_ref().ok_or(Refusal::Missing("jwk"))?;
        let key = PublicKey::read(jwk).map_err(Refusal::OwnKey)?.ok_or(Refusal::UnfitKey)?;
        if !key.is_for(self.header.algorithm) {
            return Err(Refusal::UnfitKey);
        }
        if !self.is_signed_with(&key) {
            return Err(Refusal::Signature);
        }
        Ok((self.unproven_claims()?, key.thumbprint()))
    }

    fn is_signed_with(&self, key: &PublicKey) -> bool {
        key.verifies(self.header.algorithm, self.signed.as_bytes(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use aws_lc_rs::signature;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::signing::foreign::algorithm::Algorithm;
    use crate::signing::foreign::signer::Signer;
    use crate::signing::foreign::signer::encode;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Claims {
        iss: String,
        exp: i64,
    }

    /// RFC 7515 appendix A.2.
    const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    /// RFC 7515 appendix A.3.
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    /// RFC 9449 §4.1.
    const DPOP: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    fn es256_key() -> Value {
        json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    }

    fn set(keys: &[Value]) -> KeySet {
        KeySet::read(&json!({ "keys": keys })).unwrap()
    }

    const CLAIMS: &str = r#"{"iss": "joe", "exp": 1300819380}"#;

    fn verify(jws: &str, keys: &KeySet) -> Result<Claims, Refusal> {
        Jws::parse(jws)?.verify(keys)
    }

    #[test]
    fn the_examples_of_the_standards_verify() {
        let keys = set(&[json!({ "kty": "RSA", "n": RSA_N, "e": "AQAB" }), es256_key()]);
        for jws in [RS256, ES256] {
            let claims = verify(jws, &keys).unwrap();
            assert_eq!(claims, Claims { iss: "joe".to_owned(), exp: 1_300_819_380 });
        }
    }

    #[test]
    fn every_algorithm_verifies_with_its_own_kind_of_key_and_no_other() {
        let signers = [
            ("ES256", Signer::p256()),
            ("ES384", Signer::ec("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING)),
            ("EdDSA", Signer::ed25519()),
            ("Ed25519", Signer::ed25519()),
            ("PS256", Signer::rsa(&signature::RSA_PSS_SHA256)),
            ("PS384", Signer::rsa(&signature::RSA_PSS_SHA384)),
            ("PS512", Signer::rsa(&signature::RSA_PSS_SHA512)),
            ("RS256", Signer::rsa(&signature::RSA_PKCS1_SHA256)),
            ("RS384", Signer::rsa(&signature::RSA_PKCS1_SHA384)),
            ("RS512", Signer::rsa(&signature::RSA_PKCS1_SHA512)),
        ];
        for (name, signer) in &signers {
            let keys = set(&[signer.jwk(&json!({ "kid": "a" }))]);
            for (other, _) in &signers {
                let is_same = Algorithm::find(name) == Algorithm::find(other);
                let jws = signer.jws(&format!(r#"{{"alg": "{other}"}}"#), CLAIMS);

                assert_eq!(verify(&jws, &keys).is_ok(), is_same, "{name} as {other}");
            }
        }
    }

    #[test]
    fn not_a_bit_can_be_changed() {
        let keys = set(&[es256_key()]);
        for at in 0..ES256.len() {
            let other = if &ES256[at..=at] == "A" { "B" } else { "A" };
            let jws = [&ES256[..at], other, &ES256[at + 1..]].concat();

            assert!(verify(&jws, &keys).is_err(), "{jws}");
        }
    }

    #[test]
    fn what_anybody_could_sign_is_refused() {
        let signer = Signer::p256();
        let keys = set(&[signer.jwk(&json!({}))]);
        let claims = encode(CLAIMS);
        let unsigned = |header: &str| format!("{}.{claims}.", encode(header));
        let shared = {
            // With the public key, which everybody has, as the shared secret.
            let secret = hmac::Key::new(hmac::HMAC_SHA256, signer.jwk.to_string().as_bytes());
            let message = format!("{}.{claims}", encode(r#"{"alg": "HS256"}"#));
            format!("{message}.{}", encode(hmac::sign(&secret, message.as_bytes())))
        };
        for (jws, refusal) in [
            (unsigned(r#"{"alg": "none"}"#), Refusal::Algorithm),
            (unsigned(r#"{"alg": "NONE"}"#), Refusal::Algorithm),
            (shared, Refusal::Algorithm),
            (unsigned("{}"), Refusal::Missing("alg")),
            (unsigned(r#"{"alg": null}"#), Refusal::Malformed("alg")),
            (unsigned(r#"{"alg": ["ES256"]}"#), Refusal::Malformed("alg")),
            (unsigned(r#"{"alg": "ES256"}"#), Refusal::Signature),
            (format!("{}{}", unsigned(r#"{"alg": "ES256"}"#), encode([0; 64])), Refusal::Signature),
            (format!("{}{}", unsigned(r#"{"alg": "ES256"}"#), encode([0xff; 4096])), Refusal::Signature),
        ] {
            assert_eq!(verify(&jws, &keys).unwrap_err(), refusal, "{jws}");
        }
    }

    #[test]
    fn a_key_that_the_header_brings_or_points_to_counts_for_nothing() {
        let (owner, stranger) = (Signer::p256(), Signer::p256());
        let header = json!({
            "alg": "ES256",
            "jwk": stranger.jwk,
            "jku": "https://evil.example/jwks",
            "x5u": "https://evil.example/cert",
            "x5c": ["AA"],
        });

        let by_stranger = stranger.jws(&header.to_string(), CLAIMS);
        let by_owner = owner.jws(&header.to_string(), CLAIMS);

        let keys = set(std::slice::from_ref(&owner.jwk));
        assert_eq!(verify(&by_stranger, &keys).unwrap_err(), Refusal::Signature);
        assert!(verify(&by_owner, &keys).is_ok());
    }

    #[test]
    fn a_key_that_is_named_must_be_the_one() {
        let (old, new) = (Signer::p256(), Signer::p256());
        let keys = set(&[old.jwk(&json!({ "kid": "old" })), new.jwk(&json!({ "kid": "new" }))]);
        let jws = |header: &str| new.jws(header, CLAIMS);

        assert!(verify(&jws(r#"{"alg": "ES256"}"#), &keys).is_ok());
        assert!(verify(&jws(r#"{"alg": "ES256", "kid": "new"}"#), &keys).is_ok());
        for (header, refusal) in [
            (r#"{"alg": "ES256", "kid": "old"}"#, Refusal::Signature),
            (r#"{"alg": "ES256", "kid": "NEW"}"#, Refusal::UnknownKey),
            (r#"{"alg": "ES256", "kid": ""}"#, Refusal::UnknownKey),
            (r#"{"alg": "RS256", "kid": "new"}"#, Refusal::UnknownKey),
        ] {
            assert_eq!(verify(&jws(header), &keys).unwrap_err(), refusal, "{header}");
        }
    }

    #[test]
    fn a_key_for_one_algorithm_is_not_used_for_another() {
        let signer = Signer::rsa(&signature::RSA_PKCS1_SHA256);
        let keys = set(&[signer.jwk(&json!({ "alg": "PS256" }))]);

        let refusal = verify(&signer.jws(r#"{"alg": "RS256"}"#, CLAIMS), &keys).unwrap_err();

        assert_eq!(refusal, Refusal::UnknownKey);
    }

    #[test]
    fn claims_are_refused_for_what_is_wrong_with_them() {
        let signer = Signer::ed25519();
        let keys = set(std::slice::from_ref(&signer.jwk));
        let fault = |text: &str| Refusal::Claims(text.to_owned());
        for (claims, refusal) in [
            ("", Refusal::NotJson),
            ("[]", Refusal::NotJson),
            ("null", Refusal::NotJson),
            (r#"{"iss": "joe", "exp": 1, "iss": "ann"}"#, Refusal::NotJson),
            (r#"{"exp": 1}"#, fault("missing field `iss`")),
            (r#"{"iss": ["joe"], "exp": 1}"#, fault("iss")),
            (r#"{"iss": "joe", "exp": "1"}"#, fault("exp")),
        ] {
            assert_eq!(
                verify(&signer.jws(r#"{"alg": "EdDSA"}"#, claims), &keys).unwrap_err(),
                refusal,
                "{claims}"
            );
        }
    }

    #[test]
    fn what_is_no_compact_jws_is_refused() {
        let [header, claims, signature] = [0, 1, 2].map(|at| ES256.split('.').nth(at).unwrap());
        let keys = set(&[es256_key()]);
        let encrypted = format!("{ES256}.{signature}.{signature}");
        for bad in [
            "",
            ".",
            "..",
            "a.b.c",
            &format!("{header}.{claims}"),
            &format!(" {ES256}"),
            &format!("{ES256}\n"),
            &format!("{ES256}="),
            &format!("{ES256}."),
            &encrypted,
            &format!("{header}.{claims}.{}", signature.replace('-', "+")),
            "\0.\0.\0",
            "é.é.é",
            r#"{"payload": "", "signatures": []}"#,
        ] {
            assert!(matches!(verify(bad, &keys), Err(Refusal::NotCompact | Refusal::NotJson)), "{bad}");
        }
        let long = format!("{}.{claims}.{signature}", "A".repeat(MAX_LENGTH));
        assert_eq!(verify(&long, &keys).unwrap_err(), Refusal::TooLong);
    }

    #[test]
    fn a_proof_of_possession_names_its_own_key() {
        let proof = Jws::parse(DPOP).unwrap();

        let (claims, thumbprint) = proof.verify_with_own_key::<Value>().unwrap();

        assert_eq!((proof.header.typ().as_deref(), &claims["htm"]), (Some("dpop+jwt"), &json!("POST")));
        assert_eq!(thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn a_proof_with_another_key_or_a_private_one_is_refused() {
        let (signer, other) = (Signer::p256(), Signer::p256());
        let key = |jwk: Value| json!({ "alg": "ES256", "jwk": jwk }).to_string();
        for (header, refusal) in [
            (key(other.jwk), Refusal::Signature),
            (key(signer.jwk(&json!({ "d": "AA" }))), Refusal::OwnKey(public_key::Refusal::Secret)),
            (key(json!({ "kty": "oct", "k": "AA" })), Refusal::OwnKey(public_key::Refusal::Secret)),
            (key(json!("AA")), Refusal::OwnKey(public_key::Refusal::NoObject)),
            (key(Signer::ed25519().jwk), Refusal::UnfitKey),
            (key(signer.jwk(&json!({ "use": "enc" }))), Refusal::UnfitKey),
            (r#"{"alg": "ES256"}"#.to_owned(), Refusal::Missing("jwk")),
            (r#"{"alg": "ES256", "kid": "a"}"#.to_owned(), Refusal::Missing("jwk")),
        ] {
            let jws = signer.jws(&header, CLAIMS);
            let proof = Jws::parse(&jws).unwrap();

            assert_eq!(proof.verify_with_own_key::<Claims>().unwrap_err(), refusal, "{header}");
        }
    }
}
