//! The algorithms that this server signs with (RFC 7518 §3.1, RFC 8037 §3.1).

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text")]
pub enum SigningAlg {
    #[serde(rename = "ES256")]
    #[sqlx(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    #[sqlx(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "RS256")]
    #[sqlx(rename = "RS256")]
    Rs256,
}

impl SigningAlg {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

impl From<SigningAlg> for Algorithm {
    fn from(alg: SigningAlg) -> Self {
        match alg {
            SigningAlg::Es256 => Self::ES256,
            SigningAlg::EdDsa => Self::EdDSA,
            SigningAlg::Rs256 => Self::RS256,
        }
    }
}
