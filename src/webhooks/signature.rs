//! How a receiver knows that an event is ours: two signatures over the same raw body.
//!
//! One is the hexadecimal HMAC-SHA256 that a few lines of any language check, keyed with the secret exactly as it was
//! shown, `whsec_` and all. The other is that of Standard Webhooks, whose libraries take the same text, cut `whsec_`
//! off, and use the bytes that the rest is the base64 of.

use std::fmt::Write;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::base::ids::WebhookEventId;
use crate::base::secret::Secret;

pub const PREFIX: &str = "whsec_";

/// Letters and digits are base64, too: forty of them stand for 30 bytes, without padding, and hold 238 random bits.
const LENGTH: usize = 40;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// By the newest secret: the header has room for one.
    pub hex: String,
    /// The value of `webhook-signature`: by each secret, so that during a rotation either verifies.
    pub standard: String,
}

pub fn new_secret() -> Secret {
    Secret::generate(PREFIX, LENGTH)
}

/// `secrets`: the newest first. `at` is the moment of the attempt: receivers refuse what is old.
pub fn sign(secrets: &[Secret], id: WebhookEventId, at: Timestamp, body: &[u8]) -> Signatures {
    let newest = secrets.first().map_or(&[][..], |secret| secret.expose().as_bytes());
    let signed = [format!("{id}.{}.", at.timestamp()).as_bytes(), body].concat();
    let standard: Vec<String> = secrets
        .iter()
        .map(|secret| format!("v1,{}", STANDARD.encode(hmac_sha256(&key_of(secret), &signed))))
        .collect();
    Signatures { hex: hex(hmac_sha256(newest, body).as_ref()), standard: standard.join(" ") }
}

/// As Standard Webhooks reads a secret.
fn key_of(secret: &Secret) -> Vec<u8> {
    let text = secret.expose();
    STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).unwrap_or_default()
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_is_the_base64_of_enough_bytes() {
        let secret = new_secret();
        assert!(secret.expose().starts_with(PREFIX));
        assert_eq!(key_of(&secret).len(), 30, "Standard Webhooks asks for 24 to 64");
    }

    #[test]
    fn each_secret_signs_for_the_libraries_and_the_newest_for_the_header() {
        let (new, old) = (new_secret(), new_secret());
        let (id, at) =
            (WebhookEventId::from_bytes([7; 16]), Timestamp::from_timestamp(1_700_000_000, 0).unwrap());

        let both = sign(&[new.clone(), old.clone()], id, at, b"{}");

        let (only_new, only_old) = (sign(&[new], id, at, b"{}"), sign(&[old], id, at, b"{}"));
        assert_eq!(both.standard, format!("{} {}", only_new.standard, only_old.standard));
        assert_eq!(both.hex, only_new.hex);
        assert_ne!(only_new.hex, only_old.hex);
    }

    /// Both expected values were computed by others: the library `standardwebhooks` of Python, and its `hmac`.
    #[test]
    fn others_compute_the_same() {
        let secret = Secret::new("whsec_Abcdefghij0123456789ABCDEFGHIJklmnopqrst");
        let at = Timestamp::from_timestamp(1_893_456_000, 0).unwrap();

        let signatures =
            sign(&[secret], WebhookEventId::from_bytes([7; 16]), at, br#"{"type":"webhook.test"}"#);

        assert_eq!(signatures.standard, "v1,gJG4yTwOWLEYe4bw052c74Jd+pK7qUNZ2QUzEtybvhY=");
        assert_eq!(signatures.hex, "6d7075e75c13b417648ee02ddd7a1ba3ead641df56a5266fefde58384ffae6f3");
    }
}
