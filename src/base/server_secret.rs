//! The one secret that is not in the database. Everything that must be worthless to a thief of the database
//! alone is sealed under it or keyed with it.

use std::fmt;

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;
use aws_lc_rs::hmac;

use crate::base::secret::Secret;

/// Short enough to be typed by accident, long enough not to be guessed.
pub const MIN_LENGTH: usize = 32;

#[derive(Clone)]
pub struct ServerSecret(hmac::Key);

impl ServerSecret {
    pub fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// A key for one purpose; different purposes have unrelated keys.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(hmac::sign(&self.0, purpose.as_bytes()).as_ref());
        key
    }

    /// `context` names the row, so that a sealed value cannot be moved to another.
    pub fn seal(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = plain.to_vec();
        self.sealing_key()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| anyhow::anyhow!("AES-GCM refused to seal"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// `None` if it was sealed under another secret, for another row, or was altered.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = ciphertext.to_vec();
        let length = self
            .sealing_key()
            .ok()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context.as_bytes()), &mut plain)
            .ok()?
            .len();
        plain.truncate(length);
        Some(plain)
    }

    fn sealing_key(&self) -> anyhow::Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.derive("seal"))
            .map_err(|_| anyhow::anyhow!("AES-256-GCM takes a key of 32 bytes"))?;
        Ok(LessSafeKey::new(key))
    }
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_secret_and_its_context() {
        let secret = ServerSecret::new(&Secret::new("one"));
        let sealed = secret.seal("row 1", b"private").unwrap();

        assert_eq!(secret.open("row 1", &sealed).as_deref(), Some(b"private".as_slice()));
        assert_eq!(secret.open("row 2", &sealed), None);
        assert_eq!(ServerSecret::new(&Secret::new("other")).open("row 1", &sealed), None);
        assert_eq!(secret.open("row 1", &sealed[..5]), None);
    }
}
