//! The private half of a signing key, held parsed: to read and check it takes about as long as to sign with it, and
//! with RSA more than twice as long.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;

pub enum PrivateKey {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(rsa::KeyPair),
}

/// A fresh key in PKCS #8 (RFC 5958), which [`PrivateKey::parse`] reads. RSA takes its time: a part of a second.
pub fn generate(algorithm: Algorithm) -> anyhow::Result<Vec<u8>> {
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::ES256 => {
            let signing = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            Ok(EcdsaKeyPair::generate_pkcs8(signing, &random)?.as_ref().to_vec())
        }
        Algorithm::EdDSA => Ok(Ed25519KeyPair::generate_pkcs8v1(&random)?.as_ref().to_vec()),
        Algorithm::RS256 => Ok(rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?.as_der()?.as_ref().to_vec()),
        other => anyhow::bail!("{other:?} is not an algorithm that this server signs with"),
    }
}

impl PrivateKey {
    pub fn parse(algorithm: Algorithm, der: &[u8]) -> anyhow::Result<Self> {
        match algorithm {
            Algorithm::ES256 => {
                let signing = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                Ok(Self::Es256(EcdsaKeyPair::from_pkcs8(signing, der)?))
            }
            Algorithm::EdDSA => Ok(Self::EdDsa(Ed25519KeyPair::from_pkcs8(der)?)),
            Algorithm::RS256 => Ok(Self::Rs256(rsa::KeyPair::from_pkcs8(der)?)),
            other => anyhow::bail!("{other:?} is not an algorithm that this server signs with"),
        }
    }

    /// As a JWS carries it (RFC 7518 §3.3 and §3.4, RFC 8037 §3.1).
    pub fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signed)?;
                Ok(signed)
            }
        }
    }

    pub fn public_half(&self) -> DecodingKey {
        match self {
            Self::Es256(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Self::EdDsa(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
            Self::Rs256(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                DecodingKey::from_rsa_raw_components(&public.n, &public.e)
            }
        }
    }
}
