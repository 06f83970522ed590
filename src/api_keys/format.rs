//! What an API key looks like: `sk_` + 8 characters of public id + 32 of secret + 6 of checksum.
//!
//! The checksum lets junk be refused without a look-up, and lets a secret scanner be sure of what it found.

use std::fmt;

use crate::base::secret::Secret;
use crate::base::secret::SecretHash;

const PUBLIC_ID: usize = 8;
/// 190 bits.
const SECRET: usize = 32;
const CHECKSUM: usize = 6;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key taken apart. Whether it exists is another question.
pub struct KeyParts<'a> {
    pub public_id: &'a str,
    secret: &'a str,
}

impl KeyParts<'_> {
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash::of(self.secret)
    }
}

impl fmt::Debug for KeyParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyParts({}…)", self.public_id)
    }
}

/// Whether `text` claims to be a key at all; otherwise it is a token.
pub fn looks_like_key(text: &str, prefix: &str) -> bool {
    body(text, prefix).is_some()
}

/// `None` unless the shape and the checksum are right.
pub fn parse<'a>(text: &'a str, prefix: &str) -> Option<KeyParts<'a>> {
    let body = body(text, prefix)?;
    if body.len() != PUBLIC_ID + SECRET + CHECKSUM || !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let (named, found) = body.split_at(PUBLIC_ID + SECRET);
    // Not a secret: anybody can compute it.
    if checksum(prefix, named) != found {
        return None;
    }
    let (public_id, secret) = named.split_at(PUBLIC_ID);
    Some(KeyParts { public_id, secret })
}

pub fn generate_public_id() -> String {
    Secret::generate("", PUBLIC_ID).expose().to_owned()
}

/// A key with a fresh secret.
pub fn generate(prefix: &str, public_id: &str) -> Secret {
    assemble(prefix, public_id, &Secret::generate("", SECRET))
}

/// `secret` has 32 letters and digits.
pub fn assemble(prefix: &str, public_id: &str, secret: &Secret) -> Secret {
    let named = format!("{public_id}{}", secret.expose());
    let checksum = checksum(prefix, &named);
    Secret::new(format!("{prefix}_{named}{checksum}"))
}

/// What may be shown of a key after its creation.
pub fn hint(prefix: &str, public_id: &str) -> String {
    format!("{prefix}_{public_id}…")
}

fn body<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.strip_prefix(prefix)?.strip_prefix('_')
}

/// CRC-32 of all that precedes it, in six digits of base 62.
fn checksum(prefix: &str, named: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(prefix.as_bytes());
    hasher.update(b"_");
    hasher.update(named.as_bytes());
    let mut rest = hasher.finalize();
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_shape_that_the_contract_gives() {
        let key = generate("sk", "AbCd1234");
        let text = key.expose();

        assert!(text.starts_with("sk_AbCd1234"));
        assert_eq!(text.len(), 3 + 8 + 32 + 6);
        assert_eq!(parse(text, "sk").map(|parts| parts.public_id.to_owned()).as_deref(), Some("AbCd1234"));
    }

    #[test]
    fn a_typo_is_noticed_without_a_look_up() {
        let text = generate("sk", "AbCd1234").expose().to_owned();
        for position in 3..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[position] = if typo[position] == b'x' { b'y' } else { b'x' };
            assert!(parse(&String::from_utf8(typo).unwrap(), "sk").is_none(), "at {position}");
        }
        assert!(parse(&text, "other").is_none());
    }

    #[test]
    fn debug_tells_no_secret() {
        let text = generate("sk", "AbCd1234").expose().to_owned();
        assert_eq!(format!("{:?}", parse(&text, "sk").unwrap()), "KeyParts(AbCd1234…)");
    }
}
