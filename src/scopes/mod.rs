//! What a credential may do (RFC 6749 §3.3). API keys, clients, grants and sessions all speak of it in this
//! one type. Knows no storage and no HTTP.

use std::fmt;

use serde::Serialize;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::RefOr;
use utoipa::openapi::Schema;
use utoipa::openapi::Type;

/// Satisfies every check.
pub const ADMIN: &str = "admin";

/// The scopes that every deployment has, in the order in which they are always written.
pub const BUILT_IN: [&str; 4] = ["read", "write", "delete", ADMIN];

/// An ID token is wanted (OpenID Connect Core §3.1.2.1).
pub const OPENID: &str = "openid";

/// Access is to go on while the person is away (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// What an app may be told of who the person is, and access while they are away (OpenID Connect Core §5.4, §11). They
/// open no API, and every app may ask for them: the person decides.
pub const IDENTITY: [&str; 4] = [OPENID, "profile", "email", OFFLINE_ACCESS];

/// More than anybody grants; a bound on what hostile input can make us sort.
const MAX_COUNT: usize = 64;

/// A set of scope names, each once: who the person is, the built-in ones, others by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

impl PartialSchema for Scopes {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[!#-\[\]-~]{1,64}$"));
        ArrayBuilder::new().items(name).max_items(Some(MAX_COUNT)).into()
    }
}

impl ToSchema for Scopes {}

#[derive(Debug, thiserror::Error)]
#[error("a scope is one to 64 printable ASCII characters without space, quote or backslash")]
pub struct InvalidScope;

impl Scopes {
    /// Space-separated, as RFC 6749 §3.3 writes them.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        Self::from_names(text.split(' ').filter(|name| !name.is_empty()))
    }

    pub fn from_names<I>(names: I) -> Result<Self, InvalidScope>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let scopes: Vec<String> = names.into_iter().map(Into::into).take(MAX_COUNT + 1).collect();
        if scopes.len() > MAX_COUNT || !scopes.iter().all(|name| is_well_formed(name)) {
            return Err(InvalidScope);
        }
        Ok(Self::in_order(scopes))
    }

    pub fn built_in() -> Self {
        Self(BUILT_IN.map(str::to_owned).to_vec())
    }

    pub fn identity() -> Self {
        Self(IDENTITY.map(str::to_owned).to_vec())
    }

    /// Those of either.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self::in_order(self.0.iter().chain(&other.0).cloned().collect())
    }

    fn in_order(mut scopes: Vec<String>) -> Self {
        scopes.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
        scopes.dedup();
        Self(scopes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `name` itself is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|scope| scope == name)
    }

    /// Whether a credential with these scopes passes a check for `needed`.
    pub fn satisfies(&self, needed: &str) -> bool {
        self.contains(needed) || self.contains(ADMIN)
    }

    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|name| other.contains(name))
    }

    /// Those that `other` has too.
    #[must_use]
    pub fn only_in(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|name| other.contains(name)).cloned().collect())
    }

    #[must_use]
    pub fn without_admin(&self) -> Self {
        Self(self.0.iter().filter(|name| *name != ADMIN).cloned().collect())
    }

    /// Those that `other` lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|name| !other.contains(name)).cloned().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// `scope-token` of RFC 6749 §3.3, with a bound on its length.
pub fn is_well_formed(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn rank(name: &str) -> usize {
    let known = IDENTITY.iter().chain(&BUILT_IN);
    known.clone().position(|known| *known == name).unwrap_or(IDENTITY.len() + BUILT_IN.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_one_spelling() {
        let scopes = Scopes::parse("contacts:read write  read write").unwrap();
        assert_eq!(scopes.to_string(), "read write contacts:read");
    }

    #[test]
    fn admin_satisfies_every_check_and_the_others_only_their_own() {
        assert!(Scopes::parse("admin").unwrap().satisfies("delete"));
        assert!(!Scopes::parse("write").unwrap().satisfies("read"));
    }

    #[test]
    fn what_rfc_6749_forbids_is_refused() {
        for text in ["re\"ad", "re\\ad", "r\u{e9}ad", "re\u{0}ad", "re\tad"] {
            assert!(Scopes::parse(text).is_err(), "{text:?}");
        }
    }
}
