//! What an API says of itself (RFC 9728), and who is pointed to it: the server's own, and those behind forward-auth.

use countersign::app::config::Settings;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const VERIFY: &str = "/v1/auth/verify";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const API: &str = "https://api.example";
const MCP: &str = "https://mcp.example/mcp";

fn several(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    settings.resources =
        [API, MCP, "https://mcp.example/files/", "https://mail.example:8443/", "urn:abstract"]
            .map(str::to_owned)
            .to_vec();
    settings.scopes.insert("contacts:read".to_owned(), "See contacts".to_owned());
}

async fn ask(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = server.request("GET", path);
    Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

fn challenge(answer: &Answer) -> &str {
    answer.header("www-authenticate").unwrap()
}

#[tokio::test]
async fn the_api_says_what_it_is_and_who_issues_its_tokens() {
    let server = TestServer::start().await;
    let issuer = server.issuer();

    let answer = server.get(WELL_KNOWN).await;

    assert_eq!(
        answer.json,
        json!({
            "resource": issuer,
            "authorization_servers": [issuer],
            "scopes_supported": ["read", "write", "delete"],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": [
                "ES256", "ES384", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
            ],
            "dpop_bound_access_tokens_required": false,
            "resource_name": issuer.strip_prefix("http://").unwrap(),
            "resource_documentation": format!("{issuer}/docs"),
        })
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
}

#[tokio::test]
async fn an_api_behind_a_proxy_says_the_same_of_itself() {
    let server = TestServer::start_with(several).await;

    let answer = server.get(&format!("{WELL_KNOWN}/mcp")).await;

    let own = server.get(WELL_KNOWN).await.json;
    let mut expected = own.as_object().unwrap().clone();
    expected.remove("resource_documentation");
    expected.insert("resource".to_owned(), json!(MCP));
    expected.insert("resource_name".to_owned(), json!("mcp.example/mcp"));
    assert_eq!(answer.json, Value::Object(expected));
    assert_eq!(answer.json["scopes_supported"], json!(["read", "write", "delete", "contacts:read"]));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn the_metadata_of_every_resource_is_where_its_url_says() {
    let server = TestServer::start_with(several).await;
    let issuer = server.issuer().to_owned();
    let asked = async |path: &str, host: &str| {
        let headers = [("host", "127.0.0.1"), ("x-forwarded-host", host)];
        ask(&server, &format!("{WELL_KNOWN}{path}"), &headers).await.json["resource"].clone()
    };

    assert_eq!(asked("", "api.example").await, API);
    assert_eq!(asked("", "API.example:443").await, API);
    assert_eq!(asked("/mcp", "mcp.example").await, MCP);
    assert_eq!(asked("/files/", "mcp.example").await, "https://mcp.example/files/");
    assert_eq!(asked("", "mail.example:8443").await, "https://mail.example:8443/");
    assert_eq!(asked("", "auth.example").await, issuer, "who else would be meant");
    assert_eq!(asked("", "mcp.example").await, issuer);
    let by_host = ask(&server, WELL_KNOWN, &[("host", "api.example")]).await;
    assert_eq!(by_host.json["resource"], API, "a proxy that passes Host on");
    let head = Answer::of(server.request("HEAD", &format!("{WELL_KNOWN}/mcp"))).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

/// The host chooses among what is configured. Of whom it is not believed, `Host` alone does.
#[tokio::test]
async fn only_a_trusted_proxy_forwards_a_host() {
    let server = TestServer::start_with(|settings| settings.resources = vec![API.to_owned()]).await;

    let forged = ask(&server, WELL_KNOWN, &[("x-forwarded-host", "api.example")]).await;

    assert_eq!(forged.json["resource"], server.issuer());
}

#[tokio::test]
async fn a_resource_that_is_not_ours_has_no_metadata() {
    let server = TestServer::start_with(several).await;

    for path in ["/", "/nothing", "/mcp/", "/mcp/x", "/mcp?x=1", "/files", "/abstract", "/%00", "//", "/MCP"]
    {
        let answer =
            ask(&server, &format!("{WELL_KNOWN}{path}"), &[("x-forwarded-host", "mcp.example")]).await;

        assert_eq!((answer.status, answer.error()), (404, "not_found"), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}

#[tokio::test]
async fn a_stranger_is_pointed_to_the_metadata_and_told_of_scopes() {
    let server = TestServer::start_with(several).await;

    let at_own = server.get("/v1/profile").await;
    let by_method = ask(&server, VERIFY, &[("x-forwarded-method", "POST")]).await;
    let named = server.get(&format!("{VERIFY}?scope=contacts:read&scope=write&resource={MCP}")).await;
    let urn = server.get(&format!("{VERIFY}?resource=urn:abstract")).await;

    let own = format!("resource_metadata=\"{}{WELL_KNOWN}\"", server.issuer());
    assert!(challenge(&at_own).starts_with(&format!("Bearer {own}, DPoP ")), "{}", challenge(&at_own));
    assert!(challenge(&by_method).starts_with(&format!("Bearer {own}, scope=\"write\", DPoP ")));
    let there = format!("resource_metadata=\"https://mcp.example{WELL_KNOWN}/mcp\"");
    let expected = format!("Bearer {there}, scope=\"write contacts:read\", DPoP ");
    assert!(challenge(&named).starts_with(&expected), "{}", challenge(&named));
    assert!(
        challenge(&urn).starts_with(&format!("Bearer {own}, ")),
        "what is nowhere says nothing of itself"
    );
    for answer in [at_own, by_method, named, urn] {
        assert_eq!(answer.status, 401);
        assert!(!challenge(&answer).contains("error"), "{}", challenge(&answer));
    }
}

#[tokio::test]
async fn a_bad_token_is_pointed_to_the_metadata_too() {
    let server = TestServer::start_with(several).await;

    let answer = server.get_as("junk", &format!("{VERIFY}?scope=contacts:read&resource={MCP}")).await;

    let expected = format!(
        "Bearer error=\"invalid_token\", error_description=\"Invalid or missing API key\", \
         resource_metadata=\"https://mcp.example{WELL_KNOWN}/mcp\", scope=\"contacts:read\", DPoP "
    );
    assert!(challenge(&answer).starts_with(&expected), "{}", challenge(&answer));
}

/// As an app finds its way from an address to a token.
#[tokio::test]
async fn what_a_challenge_points_to_is_there() {
    let server = TestServer::start_with(several).await;

    for resource in [API, MCP, "https://mail.example:8443/", "https://mcp.example/files/"] {
        let refused = server.get(&format!("{VERIFY}?resource={resource}")).await;
        let pointer = challenge(&refused).split('"').nth(1).unwrap().to_owned();
        let url: url::Url = pointer.parse().unwrap();
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let metadata = ask(&server, url.path(), &[("x-forwarded-host", host)]).await;

        assert_eq!(metadata.json["resource"], resource, "{pointer}");
        assert_eq!(metadata.json["authorization_servers"], json!([server.issuer()]));
    }
}

#[tokio::test]
async fn a_proxied_api_takes_only_tokens_for_itself() {
    let server = TestServer::start_with(several).await;
    let ada = server.user("ada").await;
    let client = server.confidential_client(ada.organization).await;
    let token = async |resource: &str| {
        let form = [("grant_type", "client_credentials"), ("scope", "read"), ("resource", resource)];
        client.post(&server, "/oauth/token", &form).await.field("access_token")
    };
    let (for_mcp, for_api) = (token(MCP).await, token(API).await);

    let path = format!("{VERIFY}?resource={MCP}");
    let (good, foreign) = (server.get_as(&for_mcp, &path).await, server.get_as(&for_api, &path).await);

    assert_eq!((good.status, foreign.status), (200, 401));
    assert!(challenge(&foreign).contains("error=\"invalid_token\""), "{}", challenge(&foreign));
}

#[tokio::test]
async fn a_lacking_scope_is_named_with_all_that_the_call_needs() {
    let server = TestServer::start_with(several).await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "write").await;

    let path = format!("{VERIFY}?scope=contacts:read&scope=write&scope=delete&resource={API}");
    let answer = server.get_as(&key, &path).await;
    let of_one = server.get_as(&key, &format!("{VERIFY}?scope=delete")).await;

    let message =
        "Insufficient permissions for this operation: it needs the scopes write delete contacts:read";
    assert_eq!((answer.status, &answer.json["error"]["message"]), (403, &json!(message)));
    let expected = format!(
        "Bearer error=\"insufficient_scope\", error_description=\"{message}\", \
         resource_metadata=\"{API}{WELL_KNOWN}\", scope=\"write delete contacts:read\", DPoP "
    );
    assert!(challenge(&answer).starts_with(&expected), "{}", challenge(&answer));
    assert!(challenge(&of_one).contains("scope=\"delete\""), "{}", challenge(&of_one));
}

#[tokio::test]
async fn admin_is_enough_for_everything() {
    let server = TestServer::start_with(several).await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for query in ["scope=contacts:read", "scope=write&scope=delete", "scope=admin"] {
        assert_eq!(server.get_as(&admin, &format!("{VERIFY}?{query}")).await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn offline_access_is_a_matter_of_the_server_and_not_of_the_api() {
    let server = TestServer::start_with(several).await;

    let resource = server.get(&format!("{WELL_KNOWN}/mcp")).await;
    let stranger = server.get(VERIFY).await;
    let of_server = server.get("/.well-known/oauth-authorization-server").await;

    for name in ["offline_access", "openid", "profile", "email", "admin"] {
        assert!(!resource.json["scopes_supported"].as_array().unwrap().contains(&json!(name)), "{name}");
        assert!(!challenge(&stranger).contains(name), "{name}");
        assert!(of_server.json["scopes_supported"].as_array().unwrap().contains(&json!(name)), "{name}");
    }
    assert_eq!(server.get(&format!("{VERIFY}?scope=offline_access")).await.status, 400);
}
