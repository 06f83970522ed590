//! The algorithms with which others may sign (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). Not `none`, and none with a
//! shared secret: a public key could pass for one (RFC 8725 §2.1).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Es256,
    Es384,
    Ed25519,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
}

/// `Ed25519` and `EdDSA` are the new and the old name of one.
const BY_NAME: [(&str, Algorithm); 10] = [
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("Ed25519", Algorithm::Ed25519),
    ("EdDSA", Algorithm::Ed25519),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
];

impl Algorithm {
    pub fn find(name: &str) -> Option<Self> {
        BY_NAME.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

/// For metadata.
pub fn names() -> [&'static str; 10] {
    BY_NAME.map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_verify() {
        for name in
            ["none", "None", "", "HS256", "HS512", "es256", "ES256 ", "ES512", "ES256K", "RSA1_5", "dir"]
        {
            assert_eq!(Algorithm::find(name), None, "{name}");
        }
        assert_eq!(Algorithm::find("EdDSA"), Algorithm::find("Ed25519"));
    }
}
