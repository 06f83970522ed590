//! A client that the server has registered, and what its answer must hold (RFC 7591 §3.2.1).

use serde_json::Value;

use crate::base::secret::Secret;
use crate::cli::doctor::mcp::habits::OWN;
use crate::cli::doctor::mcp::habits::OWN_REDIRECT;
use crate::cli::doctor::mcp::wire::Answer;

const ADDRESSES: [&str; 5] = ["client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks_uri"];

pub(super) struct Client {
    /// The check under which it was registered.
    pub(super) check: &'static str,
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
    /// `token_endpoint_auth_method`, if the server said it.
    pub(super) method: Option<String>,
    /// The first that it registered.
    pub(super) redirect_uri: String,
    /// By us, just now.
    pub(super) was_registered: bool,
    /// RFC 7592: where it can be deleted, and with what.
    pub(super) management: Option<(String, Secret)>,
}

impl Client {
    /// Registered by hand, or a metadata document.
    pub(super) fn known(id: &str) -> Self {
        Self {
            check: OWN,
            id: id.to_owned(),
            secret: None,
            method: Some("none".to_owned()),
            redirect_uri: OWN_REDIRECT.to_owned(),
            was_registered: false,
            management: None,
        }
    }

    /// Whatever else is wrong with the answer: what was registered is to be deleted again.
    pub(super) fn read(check: &'static str, sent: &Value, answer: &Answer) -> Option<Self> {
        let text = |name| answer.text(name).map(str::to_owned);
        let token = text("registration_access_token").map(Secret::new);
        Some(Self {
            check,
            id: text("client_id").filter(|_| answer.status.is_success())?,
            secret: text("client_secret").map(Secret::new),
            method: text("token_endpoint_auth_method"),
            redirect_uri: sent["redirect_uris"][0].as_str().unwrap_or_default().to_owned(),
            was_registered: true,
            management: text("registration_client_uri").zip(token),
        })
    }
}

/// What a client cannot bear about the answer, if anything: typescript-sdk checks each of these.
pub(super) fn flaw(sent: &Value, got: &Value) -> Option<String> {
    let is_list = |name: &str| got[name].as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let has =
        |name: &str, value: &str| got[name].as_array().is_some_and(|list| list.iter().any(|l| l == value));
    if got["client_id"].as_str().is_none_or(str::is_empty) {
        return Some("client_id is missing".to_owned());
    }
    let nulls = got.as_object().into_iter().flatten().find(|(_, value)| value.is_null());
    if let Some((name, _)) = nulls {
        return Some(format!("{name} is null; what there is none of is to be left out"));
    }
    let redirect_uris = sent["redirect_uris"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if !is_list("redirect_uris") {
        return Some("redirect_uris is missing".to_owned());
    }
    if let Some(lost) = redirect_uris.into_iter().find(|uri| !has("redirect_uris", uri)) {
        return Some(format!("redirect_uris lacks {lost}"));
    }
    for (name, needed) in
        [("grant_types", "authorization_code"), ("grant_types", "refresh_token"), ("response_types", "code")]
    {
        let is_good = got[name].is_null() || (is_list(name) && has(name, needed));
        if !is_good {
            return Some(format!("{name} lacks {needed}"));
        }
    }
    if let Some(name) = ADDRESSES.into_iter().find(|name| got[*name] == "") {
        return Some(format!("{name} is empty; what there is none of is to be left out"));
    }
    let is_number = |name: &str| got[name].is_null() || got[name].is_number();
    let times = ["client_id_issued_at", "client_secret_expires_at"];
    if let Some(name) = times.into_iter().find(|name| !is_number(name)) {
        return Some(format!("{name} is no number"));
    }
    secret_flaw(sent, got).map(str::to_owned)
}

/// Clients go by the method that the answer names, and use a secret if they see one.
fn secret_flaw(sent: &Value, got: &Value) -> Option<&'static str> {
    let has_secret = !got["client_secret"].is_null();
    match got["token_endpoint_auth_method"].as_str() {
        None => Some("token_endpoint_auth_method is missing: Claude goes by it"),
        Some("none") if has_secret => Some("there is a client_secret, though the method is none"),
        Some(method) if method.starts_with("client_secret_") && !has_secret => {
            Some("client_secret is missing, though the method needs one")
        }
        Some(method) if sent["token_endpoint_auth_method"] == "none" && method != "none" => {
            Some("a public client was made a confidential one")
        }
        Some(_) if has_secret && !got["client_secret_expires_at"].is_number() => {
            Some("client_secret_expires_at is missing beside the secret; 0 means never")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn an_answer_must_be_complete() {
        let sent =
            json!({ "redirect_uris": ["http://127.0.0.1:1/cb"], "token_endpoint_auth_method": "none" });
        let good = json!({
            "client_id": "1",
            "redirect_uris": ["http://127.0.0.1:1/cb"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "client_id_issued_at": 1,
        });
        assert_eq!(flaw(&sent, &good), None);

        for (name, value) in [
            ("client_id", json!("")),
            ("client_uri", Value::Null),
            ("client_uri", json!("")),
            ("redirect_uris", json!([])),
            ("redirect_uris", json!("http://127.0.0.1:1/cb")),
            ("grant_types", json!(["authorization_code"])),
            ("response_types", json!(["token"])),
            ("client_id_issued_at", json!("1")),
            ("client_secret", json!("x")),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(flaw(&sent, &bad).is_some(), "{bad}");
        }
    }
}
