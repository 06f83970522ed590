//! Which credential a request came with, of whatever kind: for the access log, the rate limit and a revocation,
//! not for decisions.

use std::fmt;

use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::SessionId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    ApiKey(ApiKeyId),
    Grant(GrantId),
    Client(ClientId),
    Session(SessionId),
}

impl Credential {
    /// As the access log names it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ApiKey(_) => "api_key",
            Self::Grant(_) => "grant",
            Self::Client(_) => "client",
            Self::Session(_) => "session",
        }
    }

    pub const fn to_bytes(self) -> [u8; 16] {
        match self {
            Self::ApiKey(id) => id.to_bytes(),
            Self::Grant(id) => id.to_bytes(),
            Self::Client(id) => id.to_bytes(),
            Self::Session(id) => id.to_bytes(),
        }
    }

    /// From what [`Self::kind`] and [`Self::to_bytes`] gave.
    pub fn from_parts(kind: &str, id: [u8; 16]) -> Option<Self> {
        match kind {
            "api_key" => Some(Self::ApiKey(ApiKeyId::from_bytes(id))),
            "grant" => Some(Self::Grant(GrantId::from_bytes(id))),
            "client" => Some(Self::Client(ClientId::from_bytes(id))),
            "session" => Some(Self::Session(SessionId::from_bytes(id))),
            _ => None,
        }
    }

    /// The id alone, as in `key_…`.
    pub fn id(self) -> String {
        match self {
            Self::ApiKey(id) => id.to_string(),
            Self::Grant(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
        }
    }
}

/// As `X-Auth-Credential` and the log name it.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.id())
    }
}
