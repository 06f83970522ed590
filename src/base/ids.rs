//! One type per kind of row, so ids cannot be mixed up. Stored as `uuid`.
//!
//! Written `cli_…`, `key_…`; people and organizations are written as plain UUIDs, because the session API
//! promises its callers UUIDs and one thing has one name everywhere.

use std::fmt;
use std::str;
use std::sync::Mutex;

use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::RefOr;
use utoipa::openapi::Schema;
use utoipa::openapi::SchemaFormat;
use utoipa::openapi::Type;
use uuid::ContextV7;
use uuid::Uuid;

use crate::base::clock::Timestamp;

/// Keeps ids that are made within one millisecond in order: lists are by id.
static SEQUENCE: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// What every kind of id has, however it is written.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        id!(@type $(#[$doc])* $name);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let format = SchemaFormat::Custom("uuid".to_owned());
                ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }

        impl str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Ok(Self(Uuid::try_parse(text).map_err(|_| InvalidId)?))
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        id!(@type $(#[$doc])* $name);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let pattern = concat!("^", $prefix, "_[0-9a-f]{32}$");
                ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(InvalidId)?;
                // One spelling only, or one client would have several ids.
                let is_canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !is_canonical {
                    return Err(InvalidId);
                }
                Ok(Self(Uuid::try_parse(digits).map_err(|_| InvalidId)?))
            }
        }
    };
    (@type $(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id that sorts after those that this process has made before (UUIDv7).
            pub fn new(now: Timestamp) -> Self {
                let seconds = now.timestamp().unsigned_abs();
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(&SEQUENCE, seconds, now.timestamp_subsec_nanos())))
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }
        }

        impl ToSchema for $name {}

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(UserId);
id!(OrganizationId);
id!(ClientId, "cli");
id!(ClientSecretId, "sec");
id!(ApiKeyId, "key");
id!(
    /// One person's permission to one client; every code and token hangs from it.
    GrantId, "gra"
);
id!(
    /// Of the session API.
    SessionId, "ses"
);
id!(
    /// Of a browser: the row's public name, not what the cookie holds.
    BrowserSessionId, "bse"
);
id!(
    /// Of an offer to join an organization; not what the link in the mail holds.
    InvitationId, "inv"
);
id!(
    /// Of one change of an organization's credits.
    CreditEntryId, "cre"
);
id!(WebhookEndpointId, "whk");
id!(WebhookEventId, "evt");
id!(
    /// One event on its way to one endpoint.
    WebhookDeliveryId, "dlv"
);
id!(
    /// Of an entry of the audit log.
    AuditEntryId, "aud"
);
id!(
    /// Of an entry of the access log.
    AccessEntryId, "req"
);
id!(
    /// `jti` of an access token (RFC 9068 §2.2).
    TokenId, "tok"
);

#[derive(Debug, thiserror::Error)]
#[error("not an id of this kind")]
pub struct InvalidId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_one_kind_does_not_parse_as_another() {
        let client = ClientId::new(Timestamp::default());
        assert_eq!(client.to_string().parse::<ClientId>().ok(), Some(client));
        assert!(client.to_string().parse::<GrantId>().is_err());
        assert!(client.to_string().parse::<UserId>().is_err());
    }

    #[test]
    fn a_prefixed_id_has_one_spelling() {
        let text = ClientId::from_bytes([0xab; 16]).to_string();
        assert!(text.parse::<ClientId>().is_ok());
        assert!(text.replace("cli_", "cli_{").parse::<ClientId>().is_err());
        assert!(text.to_uppercase().replace("CLI_", "cli_").parse::<ClientId>().is_err());
    }
}
