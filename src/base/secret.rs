//! Values that must not reach a log, an error or a table.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use rand::distr::Alphanumeric;
use rand::distr::SampleString;

/// A secret as its owner holds it. Has no `Display`, no `Serialize`, and a `Debug` that tells nothing.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `length` random letters and digits after `prefix`: 5.95 bits each, and nothing that a form, a shell or
    /// a double click would break.
    pub fn generate(prefix: &str, length: usize) -> Self {
        let mut text = prefix.to_owned();
        Alphanumeric.append_string(&mut rand::rng(), &mut text, length);
        Self(text)
    }

    /// Every call is a place to review: `rg 'expose\('` lists them all.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What we store. Plain SHA-256 is enough because our secrets carry at least 190 random bits; passwords
    /// go through Argon2 instead.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// What the database knows of a [`Secret`]. Tables and queries take this type only. Compares in constant time.
#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(transparent)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of a secret that is still a part of what was sent.
    pub fn of(secret: &str) -> Self {
        Self(sha256(secret.as_bytes()))
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
