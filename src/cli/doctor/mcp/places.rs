//! Where clients look for metadata, in their order, and what they find there.

use reqwest::StatusCode;
use url::Url;

use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;
use crate::cli::doctor::mcp::wire::Answer;
use crate::cli::doctor::mcp::wire::Wire;

pub(super) struct Place {
    pub(super) check: &'static str,
    pub(super) url: String,
}

/// RFC 9728 §3.1; the root is MCP's own addition for resources with a path.
pub(super) fn of_resource(resource: &Url) -> Vec<Place> {
    let root = format!("{}/.well-known/oauth-protected-resource", resource.origin().ascii_serialization());
    let path = resource.path().trim_end_matches('/');
    let mut places = Vec::new();
    if !path.is_empty() {
        let query = resource.query().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{root}{path}{query}");
        places.push(Place { check: "resource: metadata, path inserted", url });
    }
    places.push(Place { check: "resource: metadata at the root", url: root });
    places
}

/// MCP §Authorization Server Metadata Discovery: RFC 8414 §3.1, then both forms of OpenID Connect.
pub(super) fn of_server(issuer: &Url) -> Vec<Place> {
    let origin = issuer.origin().ascii_serialization();
    let path = issuer.path().trim_end_matches('/');
    let inserted = |name: &str| format!("{origin}/.well-known/{name}{path}");
    let mut places =
        vec![Place { check: "server: metadata, RFC 8414", url: inserted("oauth-authorization-server") }];
    if path.is_empty() {
        places.push(Place { check: "server: metadata, OpenID", url: inserted("openid-configuration") });
    } else {
        let appended = format!("{origin}{path}/.well-known/openid-configuration");
        places.extend([
            Place { check: "server: metadata, OpenID, path inserted", url: inserted("openid-configuration") },
            Place { check: "server: metadata, OpenID, path appended", url: appended },
        ]);
    }
    places
}

/// One row for each place. What was found, in the order of the places.
pub(super) async fn look(wire: &Wire, places: Vec<Place>, report: &mut Report) -> Vec<(Place, Answer)> {
    let mut found = Vec::new();
    for place in places {
        match document(wire, &place.url).await {
            Ok(Some(answer)) => {
                let is_direct = Url::parse(&place.url).is_ok_and(|url| url == answer.url);
                let via = if is_direct { "" } else { ", after a redirect that not every client follows" };
                report.record(place.check, Ok(format!("200 at {}{via}.", place.url)));
                found.push((place, answer));
            }
            Ok(None) => report.record(place.check, Ok(format!("404 at {}: clients look on.", place.url))),
            Err(fault) => report.record(place.check, Err(fault)),
        }
    }
    found
}

/// `None` where nothing is. Anything else stops some client or other, instead of sending it on.
pub(super) async fn document(wire: &Wire, url: &str) -> Result<Option<Answer>, Fault> {
    let answer = wire.send(wire.document(url)).await?;
    let advice = "Answer 200 with a JSON object as application/json, to anybody, or else 404.";
    match answer.status {
        StatusCode::OK if answer.json.is_object() && answer.is_json() => Ok(Some(answer)),
        StatusCode::OK if answer.json.is_object() => {
            Err(fault(format!("200 at {url}, but its Content-Type is not application/json."), advice))
        }
        StatusCode::OK => Err(fault(format!("200 at {url}, but it is no JSON object."), advice)),
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(fault(format!("{} at {url}: some clients give up there.", answer.told()), advice)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(places: Vec<Place>) -> Vec<String> {
        places.into_iter().map(|place| place.url).collect()
    }

    #[test]
    fn a_path_goes_behind_the_well_known_one() {
        let places = of_resource(&"https://api.example:8443/mcp/?a=b".parse().unwrap());
        let root = "https://api.example:8443/.well-known/oauth-protected-resource";
        assert_eq!(urls(places), [format!("{root}/mcp?a=b"), root.to_owned()]);

        let places = of_server(&"https://auth.example/one/".parse().unwrap());
        assert_eq!(
            urls(places),
            [
                "https://auth.example/.well-known/oauth-authorization-server/one",
                "https://auth.example/.well-known/openid-configuration/one",
                "https://auth.example/one/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn without_a_path_there_is_less_to_try() {
        let places = of_resource(&"https://api.example".parse().unwrap());
        assert_eq!(urls(places), ["https://api.example/.well-known/oauth-protected-resource"]);

        let places = of_server(&"https://auth.example/".parse().unwrap());
        assert_eq!(
            urls(places),
            [
                "https://auth.example/.well-known/oauth-authorization-server",
                "https://auth.example/.well-known/openid-configuration",
            ]
        );
    }
}
