//! The MCP server as a protected resource (RFC 9728): what a client learns before it knows anything.

use reqwest::Method;
use reqwest::RequestBuilder;
use reqwest::StatusCode;
use reqwest::header;
use serde_json::Value;
use serde_json::json;
use url::Url;

use crate::base::secret::Secret;
use crate::cli::doctor::mcp::challenge::Challenge;
use crate::cli::doctor::mcp::places;
use crate::cli::doctor::mcp::places::Place;
use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;
use crate::cli::doctor::mcp::wire::Answer;
use crate::cli::doctor::mcp::wire::PROTOCOL_VERSION;
use crate::cli::doctor::mcp::wire::Wire;

const NAMED: &str = "resource: metadata that the challenge names";

pub(super) struct Resource {
    pub(super) url: Url,
    /// What clients send as `resource`; `None` if no metadata says so.
    pub(super) identifier: Option<String>,
    /// What clients ask for; `None` if nothing names scopes.
    pub(super) scope: Option<String>,
    /// As the metadata writes it.
    pub(super) issuer: String,
    pub(super) metadata_url: Option<String>,
}

/// The first request of a session.
pub(super) fn first_request(wire: &Wire, url: &Url, token: Option<&Secret>) -> RequestBuilder {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "countersign-doctor", "version": env!("CARGO_PKG_VERSION") },
        },
    });
    let request = wire
        .request(Method::POST, url.as_str())
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", PROTOCOL_VERSION)
        .json(&body);
    token.into_iter().fold(request, |request, token| request.bearer_auth(token.expose()))
}

/// `answer` is the one to the first request, without a token.
pub(super) async fn check(wire: &Wire, url: &Url, answer: &Answer, report: &mut Report) -> Resource {
    let challenge = Challenge::of(&answer.headers);
    report.record("resource: request without a token", challenged(answer, &challenge));
    let mut places = Vec::new();
    match named(&challenge) {
        Ok(url) => places.push(Place { check: NAMED, url }),
        Err(fault) => report.record(NAMED, Err(fault)),
    }
    places.extend(places::of_resource(url));
    let found = places::look(wire, places, report).await;
    let document = found.first().map_or(&Value::Null, |(_, answer)| &answer.json);
    if found.is_empty() {
        let advice = format!("Serve it at {} (RFC 9728 §3.1).", places::of_resource(url)[0].url);
        report.record("resource: metadata", Err(fault("There is none anywhere that clients look.", advice)));
    } else {
        report.record("resource: metadata names this resource", names_resource(url, document));
        report.record("resource: metadata names its server", names_server(document));
    }
    let scope = scope(&challenge, document);
    report.record("resource: scopes to ask for", Ok(scope.1));
    report.record("resource: token that is none", refuses_nonsense(wire, url).await);
    Resource {
        url: url.clone(),
        identifier: document["resource"].as_str().map(str::to_owned),
        scope: scope.0,
        // Clients of 2025-03-26 look there, and newer ones do so when they find nothing better.
        issuer: first_server(document).map_or_else(|| url.origin().ascii_serialization(), str::to_owned),
        metadata_url: found.into_iter().next().map(|(place, _)| place.url),
    }
}

fn challenged(answer: &Answer, challenge: &Challenge) -> Finding {
    let told = answer.told();
    if answer.status != StatusCode::UNAUTHORIZED {
        return Err(fault(
            format!("{told}: only a 401 makes a client ask a person to sign in."),
            "Answer 401 with WWW-Authenticate: Bearer to every request without a token, before anything else.",
        ));
    }
    if challenge.is_missing() {
        return Err(fault(
            "401 without WWW-Authenticate.",
            "Send WWW-Authenticate: Bearer resource_metadata=\"…\", scope=\"…\" (RFC 9728 §5.1).",
        ));
    }
    if !challenge.is_bearer() {
        return Err(fault(
            "401, but the first challenge is not Bearer: typescript-sdk looks at no other.",
            "Send the Bearer challenge first.",
        ));
    }
    Ok("401 with a Bearer challenge.".to_owned())
}

fn named(challenge: &Challenge) -> Result<String, Fault> {
    let advice =
        "Put resource_metadata=\"https://…\", a whole URL in double quotes, into the Bearer challenge.";
    match challenge.parameter("resource_metadata") {
        Some(url) if Url::parse(url).is_ok() => Ok(url.to_owned()),
        Some(url) => Err(fault(format!("resource_metadata is {url:?}, which is no whole URL."), advice)),
        None if challenge.mentions("resource_metadata") => {
            Err(fault("resource_metadata is not in double quotes, as clients look for it.", advice))
        }
        None => Err(fault("The challenge names no resource_metadata: not every client guesses.", advice)),
    }
}

/// RFC 9728 §3.3 wants what was called; typescript-sdk takes what contains it, too.
pub(super) fn names_resource(url: &Url, document: &Value) -> Finding {
    let advice = format!("Set resource to {:?}, as people type it into their client.", url.as_str());
    let Some(named) = document["resource"].as_str() else {
        return Err(fault("resource is missing, or no string.", advice));
    };
    let Ok(parsed) = Url::parse(named) else {
        return Err(fault(format!("resource is {named:?}, which is no whole URL."), advice));
    };
    if parsed == *url {
        return Ok(format!("resource is {named:?}."));
    }
    if parsed.origin() == url.origin() && is_below(url.path(), parsed.path()) {
        return Ok(format!("resource is {named:?}, which contains this one; strict clients want it exact."));
    }
    Err(fault(format!("resource is {named:?}, which is not {:?}: clients stop here.", url.as_str()), advice))
}

fn is_below(path: &str, root: &str) -> bool {
    let with_slash = |path: &str| format!("{}/", path.trim_end_matches('/'));
    with_slash(path).starts_with(&with_slash(root))
}

fn names_server(document: &Value) -> Finding {
    let advice = "List the issuer of the authorization server in authorization_servers.";
    let Some(issuer) = first_server(document) else {
        return Err(fault("authorization_servers is missing, empty, or no list of strings.", advice));
    };
    if Url::parse(issuer).is_err() {
        return Err(fault(
            format!("authorization_servers begins with {issuer:?}, which is no whole URL."),
            advice,
        ));
    }
    match document["authorization_servers"].as_array().map(Vec::len) {
        Some(1) => Ok(format!("It is {issuer}.")),
        _ => Ok(format!("It is {issuer}; Claude uses no other of the list.")),
    }
}

fn first_server(document: &Value) -> Option<&str> {
    document["authorization_servers"].get(0)?.as_str()
}

/// MCP §Scope Selection Strategy: what clients ask for, and why.
fn scope(challenge: &Challenge, document: &Value) -> (Option<String>, String) {
    if let Some(scope) = challenge.parameter("scope") {
        return (Some(scope.to_owned()), format!("Clients ask for {scope:?}, which the challenge names."));
    }
    let supported = document["scopes_supported"]
        .as_array()
        .map(|scopes| scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
    match supported.filter(|scope| !scope.is_empty()) {
        Some(scope) => {
            let text = format!(
                "Clients ask for {scope:?}, all that the metadata names; a challenge with scope would say what is \
                 needed."
            );
            (Some(scope), text)
        }
        None => {
            (None, "Nothing names scopes: clients ask for none, and get what the server gives.".to_owned())
        }
    }
}

async fn refuses_nonsense(wire: &Wire, url: &Url) -> Finding {
    let token = Secret::generate("countersign-doctor-", 24);
    let answer = wire.send_for_status(first_request(wire, url, Some(&token))).await?;
    let challenge = Challenge::of(&answer.headers);
    if answer.status != StatusCode::UNAUTHORIZED {
        return Err(fault(
            format!("{}: a client whose token has ended does not learn of it.", answer.told()),
            "Answer 401 to every token that is not good (RFC 6750 §3.1).",
        ));
    }
    match challenge.parameter("error") {
        Some(error) => Ok(format!("401, {error}.")),
        None => Ok("401; error=\"invalid_token\" would say why.".to_owned()),
    }
}

/// What a client gets with a token that is good.
pub(super) async fn takes(wire: &Wire, resource: &Resource, token: &Secret) -> Finding {
    let answer = wire.send_for_status(first_request(wire, &resource.url, Some(token))).await?;
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(fault(
            format!("{} with a token of its own server.", answer.told()),
            "Compare what the token holds (iss, aud, scope, exp) with what the resource wants, and both clocks.",
        )),
        status if status.is_server_error() => {
            Err(fault(format!("{status} with a token."), "Read the log of the resource."))
        }
        status if status.is_redirection() => Err(fault(
            format!("{} with a token: clients do not take it along.", answer.told()),
            "Answer at this very URL.",
        )),
        status if status.is_success() => Ok(format!("{status}.")),
        // An API that speaks no MCP says so only to those whom it lets in.
        status => Ok(format!("{status}: the token is good, whatever else was wrong.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(url: &str, named: &str) -> bool {
        names_resource(&url.parse().unwrap(), &json!({ "resource": named })).is_ok()
    }

    #[test]
    fn a_resource_is_itself_or_what_it_lies_in() {
        for (url, named) in [
            ("https://a.example", "https://a.example/"),
            ("https://a.example/mcp", "https://a.example/mcp"),
            ("https://a.example/mcp", "https://a.example"),
            ("https://a.example/mcp/x", "https://a.example/mcp"),
        ] {
            assert!(is_taken(url, named), "{url} {named}");
        }
        for (url, named) in [
            ("https://a.example/mcp", "https://a.example/mc"),
            ("https://a.example/mcp", "https://a.example/mcp/x"),
            ("https://a.example/mcp", "http://a.example/mcp"),
            ("https://a.example/mcp", "https://b.example/mcp"),
            ("https://a.example/mcp", "a.example/mcp"),
        ] {
            assert!(!is_taken(url, named), "{url} {named}");
        }
    }
}
