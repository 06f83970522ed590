//! Proof Key for Code Exchange, the client's side (RFC 7636 §4.1, §4.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::secret::Secret;
use crate::base::secret::sha256;

pub(super) struct Pkce {
    pub(super) verifier: Secret,
    /// By S256.
    pub(super) challenge: String,
}

impl Default for Pkce {
    fn default() -> Self {
        let verifier = Secret::generate("", 64);
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.expose().as_bytes()));
        Self { verifier, challenge }
    }
}
