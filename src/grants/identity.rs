//! What an app may be told of a person (OpenID Connect Core §5.1).

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::accounts::user::User;
use crate::scopes::Scopes;

/// Each claim and the scope that stands for it (OpenID Connect Core §5.4).
pub const CLAIMS: [(&str, &str); 4] =
    [("name", "profile"), ("updated_at", "profile"), ("email", "email"), ("email_verified", "email")];

/// The scope without which nobody is told the claim; `None` for one that is not known here.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    CLAIMS.iter().find(|(name, _)| *name == claim).map(|(_, scope)| *scope)
}

/// Whether any claim is among what the scopes stand for.
pub fn is_told_by(scopes: &Scopes) -> bool {
    CLAIMS.iter().any(|(_, scope)| scopes.contains(scope))
}

/// All that the scopes stand for. What is not known is left out (OpenID Connect Core §5.3.2).
pub fn claims(user: &User, scopes: &Scopes) -> Map<String, Value> {
    let value = |name: &str| match name {
        "name" => user.name.as_ref().map(|name| json!(name)),
        "updated_at" => Some(json!(user.updated_at.timestamp())),
        "email" => Some(json!(user.email)),
        "email_verified" => Some(json!(user.email_verified_at.is_some())),
        _ => None,
    };
    let granted = CLAIMS.iter().filter(|(_, scope)| scopes.contains(scope));
    granted.filter_map(|(name, _)| Some(((*name).to_owned(), value(name)?))).collect()
}
