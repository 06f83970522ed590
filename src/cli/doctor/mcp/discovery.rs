//! The authorization server's metadata (RFC 8414, OpenID Connect Discovery), as clients find and check it.

use serde_json::Value;
use url::Url;

use crate::base::network;
use crate::cli::doctor::mcp::places;
use crate::cli::doctor::mcp::places::Place;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;
use crate::cli::doctor::mcp::wire::Answer;
use crate::cli::doctor::mcp::wire::Wire;

pub(super) struct Server {
    pub(super) issuer: String,
    pub(super) metadata_url: String,
    pub(super) document: Value,
}

impl Server {
    /// An endpoint that the metadata names, or another of its strings.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.document[name].as_str()
    }

    /// Whether a list of the metadata has a value; `None` if there is no such list.
    pub(super) fn lists(&self, name: &str, value: &str) -> Option<bool> {
        lists(&self.document, name, value)
    }
}

/// `None` if there is nothing to go on with.
pub(super) async fn check(wire: &Wire, issuer: &str, report: &mut Report) -> Option<Server> {
    let places = Url::parse(issuer).map(|url| places::of_server(&url)).unwrap_or_default();
    let expected = places.first().map(|place| place.url.clone()).unwrap_or_default();
    let found = places::look(wire, places, report).await;
    let Some((place, answer)) = found.first() else {
        let advice = format!("Serve the metadata of {issuer} at {expected} (RFC 8414 §3).");
        report.record("server: metadata", Err(fault("There is none anywhere that clients look.", advice)));
        return None;
    };
    let document = &answer.json;
    report.record("server: issuer", names_issuer(issuer, &found));
    report.record("server: required fields", has_required(document, place.url.contains("openid-")));
    report.record("server: https", is_safe(document));
    report.record("server: PKCE with S256", offers_pkce(document));
    Some(Server { issuer: issuer.to_owned(), metadata_url: place.url.clone(), document: document.clone() })
}

/// RFC 8414 §3.3: compared as strings, in each document, since different clients take different ones.
fn names_issuer(issuer: &str, found: &[(Place, Answer)]) -> Finding {
    for (place, answer) in found {
        let named = &answer.json["issuer"];
        if named == issuer {
            continue;
        }
        let difference = match named.as_str() {
            None => "which is no string",
            Some(named) if named.trim_end_matches('/') == issuer.trim_end_matches('/') => {
                "the slash at the end differs"
            }
            Some(named) if named.eq_ignore_ascii_case(issuer) => "upper and lower case differ",
            Some(_) => "which is another",
        };
        return Err(fault(
            format!(
                "{} says {named}, and clients came for \"{issuer}\": {difference}. They compare letter by letter \
                 and stop.",
                place.url
            ),
            "Write the issuer the same in the server's metadata, in authorization_servers of the resource, and here.",
        ));
    }
    Ok(format!("\"{issuer}\", letter by letter."))
}

/// What RFC 8414 §2 wants, and OpenID Connect Discovery §3 of its own document; typescript-sdk throws without.
fn has_required(document: &Value, is_openid: bool) -> Finding {
    let advice = "Complete the metadata: a client that checks it stops here.";
    let missing = |names: &[&str], is_there: fn(&Value) -> bool| -> Vec<String> {
        names.iter().filter(|name| !is_there(&document[**name])).map(|name| (*name).to_owned()).collect()
    };
    let mut wrong = missing(&["issuer", "authorization_endpoint", "token_endpoint"], Value::is_string);
    wrong.extend(missing(&["response_types_supported"], Value::is_array));
    if is_openid {
        wrong.extend(missing(&["jwks_uri"], Value::is_string));
        let lists = ["subject_types_supported", "id_token_signing_alg_values_supported"];
        wrong.extend(missing(&lists, Value::is_array));
    }
    if !wrong.is_empty() {
        return Err(fault(format!("Missing, or of the wrong type: {}.", wrong.join(", ")), advice));
    }
    let no_urls: Vec<&str> = addresses(document)
        .filter(|(_, value)| value.as_str().is_none_or(|url| Url::parse(url).is_err()))
        .map(|(name, _)| name)
        .collect();
    if !no_urls.is_empty() {
        return Err(fault(format!("No whole URL: {}.", no_urls.join(", ")), advice));
    }
    for (name, value) in
        [("response_types_supported", "code"), ("grant_types_supported", "authorization_code")]
    {
        if lists(document, name, value) == Some(false) {
            return Err(fault(format!("{name} lacks {value}: typescript-sdk stops here."), advice));
        }
    }
    Ok("All there.".to_owned())
}

/// MCP §Communication Security.
fn is_safe(document: &Value) -> Finding {
    let plain: Vec<&str> = addresses(document)
        .filter(|(_, value)| {
            let url = value.as_str().and_then(|url| Url::parse(url).ok());
            url.is_some_and(|url| url.scheme() != "https" && !network::is_loopback(&url))
        })
        .map(|(name, _)| name)
        .collect();
    if plain.is_empty() {
        return Ok("Every address is https, or on this machine.".to_owned());
    }
    Err(fault(
        format!("Not https: {}. Codes and tokens could be read on the way.", plain.join(", ")),
        "Serve everything over https, and let the metadata say so.",
    ))
}

fn addresses(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = document.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| name.ends_with("_endpoint") || name.ends_with("_uri"))
}

/// MCP §Authorization Code Protection: without the list clients must not go on.
fn offers_pkce(document: &Value) -> Finding {
    match lists(document, "code_challenge_methods_supported", "S256") {
        Some(true) => Ok("code_challenge_methods_supported has S256.".to_owned()),
        found => Err(fault(
            match found {
                None => "code_challenge_methods_supported is missing: clients must not go on without it.",
                Some(_) => "code_challenge_methods_supported lacks S256: clients must not go on without it.",
            },
            "Do PKCE with S256, and say so: \"code_challenge_methods_supported\": [\"S256\"].",
        )),
    }
}

fn lists(document: &Value, name: &str, value: &str) -> Option<bool> {
    Some(document[name].as_array()?.iter().any(|listed| listed == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn metadata_is_read_as_the_clients_do() {
        let good = json!({
            "issuer": "https://a.example",
            "authorization_endpoint": "https://a.example/authorize",
            "token_endpoint": "https://a.example/token",
            "response_types_supported": ["code"],
        });
        assert!(has_required(&good, false).is_ok() && is_safe(&good).is_ok());
        assert!(has_required(&good, true).is_err());

        for (name, value) in [
            ("token_endpoint", Value::Null),
            ("token_endpoint", json!("")),
            ("token_endpoint", json!("/token")),
            ("registration_endpoint", Value::Null),
            ("response_types_supported", json!("code")),
            ("response_types_supported", json!(["token"])),
            ("grant_types_supported", json!(["client_credentials"])),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(has_required(&bad, false).is_err(), "{bad}");
        }

        let mut plain = good;
        plain["token_endpoint"] = json!("http://a.example/token");
        assert!(is_safe(&plain).is_err());
        plain["token_endpoint"] = json!("http://[::1]:8080/token");
        assert!(is_safe(&plain).is_ok());
    }
}
