//! The header of a signed JWT (RFC 7515 §4).

use serde_json::Value;

use crate::signing::foreign::algorithm::Algorithm;
use crate::signing::foreign::jws::Refusal;
use crate::signing::foreign::members::Members;

/// The part of the header that counts.
#[derive(Debug, Clone)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub key_id: Option<String>,
    /// `typ`.
    typ: Option<String>,
    /// For the one kind of JWT that is there to show a key.
    pub(super) jwk: Option<Value>,
}

impl Header {
    pub(super) fn read(Members(mut members): Members) -> Result<Self, Refusal> {
        if members.contains_key("crit") {
            return Err(Refusal::Critical);
        }
        let mut text = |name| match members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::Malformed(name)),
        };
        let algorithm = text("alg")?.ok_or(Refusal::Missing("alg"))?;
        let algorithm = Algorithm::find(&algorithm).ok_or(Refusal::Algorithm)?;
        Ok(Self { algorithm, key_id: text("kid")?, typ: text("typ")?, jwk: members.remove("jwk") })
    }

    /// `typ`, if there is one, without the prefix that may be left out, and in lower case (RFC 7515 §4.1.9).
    pub fn typ(&self) -> Option<String> {
        let typ = self.typ.as_ref()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Header, Refusal> {
        Header::read(serde_json::from_str(text).map_err(|_| Refusal::NotJson)?)
    }

    #[test]
    fn a_header_is_refused_for_what_is_wrong_with_it() {
        assert!(
            read(r#"{"alg": "ES256", "kid": "a", "typ": "JWT", "x5t": 1, "unknown": {"a": []}}"#).is_ok()
        );
        for (header, refusal) in [
            (r#"{"alg": "ES256", "alg": "ES256"}"#, Refusal::NotJson),
            (r#"{"alg": "ES256", "x": 1, "x": 1}"#, Refusal::NotJson),
            (r#"{"alg": "ES256""#, Refusal::NotJson),
            (r#"{"alg": "ES256"}{}"#, Refusal::NotJson),
            (r#"["ES256"]"#, Refusal::NotJson),
            ("", Refusal::NotJson),
            ("{}", Refusal::Missing("alg")),
            (r#"{"alg": null}"#, Refusal::Malformed("alg")),
            (r#"{"alg": ["ES256"]}"#, Refusal::Malformed("alg")),
            (r#"{"alg": "none"}"#, Refusal::Algorithm),
            (r#"{"alg": "HS256"}"#, Refusal::Algorithm),
            (r#"{"alg": "ES256", "crit": ["b64"], "b64": false}"#, Refusal::Critical),
            (r#"{"alg": "ES256", "crit": []}"#, Refusal::Critical),
            (r#"{"alg": "ES256", "crit": null}"#, Refusal::Critical),
            (r#"{"alg": "ES256", "kid": 1}"#, Refusal::Malformed("kid")),
            (r#"{"alg": "ES256", "typ": {}}"#, Refusal::Malformed("typ")),
        ] {
            assert_eq!(read(header).unwrap_err(), refusal, "{header}");
        }
    }

    #[test]
    fn a_type_is_the_same_with_its_prefix_and_in_any_case() {
        for (header, expected) in [
            (r#"{"alg": "ES256", "typ": "JWT"}"#, Some("jwt")),
            (r#"{"alg": "ES256", "typ": "application/dpop+JWT"}"#, Some("dpop+jwt")),
            (r#"{"alg": "ES256", "typ": "Application/JWT"}"#, Some("jwt")),
            (r#"{"alg": "ES256", "typ": ""}"#, Some("")),
            (r#"{"alg": "ES256"}"#, None),
        ] {
            assert_eq!(read(header).unwrap().typ().as_deref(), expected, "{header}");
        }
    }
}
