//! `/.well-known/…` (RFC 8414, RFC 9728), and what scripts of other origins may read.

use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// Every URL of this server that a document names.
pub fn own_urls(document: &Value, issuer: &str) -> Vec<String> {
    match document {
        Value::String(text) if text.starts_with(issuer) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(|item| own_urls(item, issuer)).collect(),
        Value::Object(fields) => fields.values().flat_map(|field| own_urls(field, issuer)).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_server_says_what_it_can_do() {
    let server = TestServer::start().await;
    let issuer = server.issuer();
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
    let algorithms =
        ["ES256", "ES384", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

    let answer = server.get(SERVER).await;

    assert_eq!(
        answer.json,
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/oauth/authorize"),
            "pushed_authorization_request_endpoint": format!("{issuer}/oauth/par"),
            "require_pushed_authorization_requests": false,
            "token_endpoint": format!("{issuer}/oauth/token"),
            "device_authorization_endpoint": format!("{issuer}/oauth/device_authorization"),
            "jwks_uri": format!("{issuer}/oauth/jwks"),
            "revocation_endpoint": format!("{issuer}/oauth/revoke"),
            "introspection_endpoint": format!("{issuer}/oauth/introspect"),
            "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
            "end_session_endpoint": format!("{issuer}/oauth/logout"),
            "scopes_supported": ["openid", "profile", "email", "offline_access", "read", "write", "delete", "admin"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
            ],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_methods_supported": methods[..3],
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "code_challenge_methods_supported": ["S256"],
            "dpop_signing_alg_values_supported": algorithms,
            "introspection_signing_alg_values_supported": ["ES256", "EdDSA", "RS256"],
            "authorization_response_iss_parameter_supported": true,
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "display_values_supported": ["page"],
            "acr_values_supported": ["urn:countersign:acr:password"],
            "request_parameter_supported": true,
            "request_object_signing_alg_values_supported": algorithms,
            "require_signed_request_object": false,
            "request_uri_parameter_supported": false,
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
            "userinfo_signing_alg_values_supported": ["none"],
            "claim_types_supported": ["normal"],
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp",
                "at_hash", "sid", "name", "updated_at", "email", "email_verified",
            ],
            "claims_parameter_supported": true,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "ui_locales_supported": ["en"],
            "service_documentation": format!("{issuer}/errors"),
            "registration_endpoint": format!("{issuer}/oauth/register"),
            "client_id_metadata_document_supported": true,
        })
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn every_algorithm_that_is_announced_is_asymmetric() {
    let server = TestServer::start().await;

    let mut document = server.get(SERVER).await.json;

    let document = document.as_object_mut().unwrap();
    assert_eq!(document.remove("userinfo_signing_alg_values_supported"), Some(json!(["none"])), "JSON alone");
    let lists = document.iter().filter(|(name, _)| name.ends_with("_alg_values_supported"));
    let algorithms: Vec<&str> =
        lists.flat_map(|(_, list)| list.as_array().unwrap()).map(|name| name.as_str().unwrap()).collect();
    assert!(!algorithms.is_empty());
    for name in algorithms {
        assert!(["ES", "Ed", "PS", "RS"].contains(&&name[..2]), "{name}");
    }
}

#[tokio::test]
async fn the_openid_alias_says_the_same() {
    let server = TestServer::start().await;

    let (document, alias) = (server.get(SERVER).await, server.get(OPENID).await);

    assert_eq!((alias.status, alias.json), (200, document.json));
}

#[tokio::test]
async fn a_scope_of_the_deployment_is_listed() {
    let server = TestServer::start_with(|settings| {
        settings.scopes.insert("contacts:read".to_owned(), "See your contacts".to_owned());
    })
    .await;

    let answer = server.get(SERVER).await;

    assert_eq!(
        answer.json["scopes_supported"],
        json!([
            "openid",
            "profile",
            "email",
            "offline_access",
            "read",
            "write",
            "delete",
            "admin",
            "contacts:read"
        ])
    );
}

#[tokio::test]
async fn every_url_in_the_metadata_answers() {
    let server = TestServer::start().await;

    for path in [SERVER, RESOURCE] {
        let urls = own_urls(&server.get(path).await.json, server.issuer());
        assert!(urls.len() >= 2, "{urls:?}");
        for url in urls {
            let answer = server.get(url.strip_prefix(server.issuer()).unwrap()).await;

            assert_ne!(answer.status, 404, "{url}");
            assert!(answer.status < 500, "{url}");
        }
    }
}

#[tokio::test]
async fn nothing_in_the_metadata_depends_on_the_request() {
    let server = TestServer::start().await;

    for path in [SERVER, OPENID, RESOURCE] {
        let expected = server.get(path).await.text;
        let request = server
            .request("GET", path)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-port", "444")
            .header("x-forwarded-prefix", "/evil")
            .header("x-forwarded-for", "203.0.113.9")
            .header("forwarded", "host=evil.example;proto=https")
            .header("x-original-host", "evil.example");
        let answer = Answer::of(request).await;

        assert_eq!((answer.status, answer.text), (200, expected), "{path}");
    }
}

#[tokio::test]
async fn no_answer_repeats_the_host_of_the_request() {
    let server = TestServer::start().await;

    for (method, path) in [
        ("GET", "/oauth/authorize"),
        ("GET", "/oauth/authorize?client_id=x"),
        ("POST", "/oauth/authorize"),
        ("POST", "/oauth/par"),
        ("POST", "/oauth/device_authorization"),
        ("POST", "/oauth/token"),
        ("POST", "/oauth/revoke"),
        ("POST", "/oauth/introspect"),
        ("GET", "/v1/auth/test"),
    ] {
        let request = server
            .request(method, path)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = Answer::of(request.body("a=1")).await;

        assert!(!answer.text.contains("evil.example"), "{path}: {}", answer.text);
        assert!(!format!("{:?}", answer.headers).contains("evil.example"), "{path}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn scripts_of_any_origin_may_call_what_serves_clients() {
    let server = TestServer::start().await;

    for (method, path) in [
        ("GET", SERVER),
        ("GET", OPENID),
        ("GET", RESOURCE),
        ("GET", "/oauth/jwks"),
        ("POST", "/oauth/par"),
        ("GET", "/oauth/userinfo"),
        ("POST", "/oauth/userinfo"),
        ("POST", "/oauth/device_authorization"),
        ("POST", "/oauth/token"),
        ("POST", "/oauth/revoke"),
    ] {
        let request = server
            .request("OPTIONS", path)
            .header("origin", "https://spa.example")
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization,content-type,mcp-protocol-version");
        let answer = Answer::of(request).await;

        assert!(matches!(answer.status, 200 | 204), "{path}: {}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        let listed = |header, name: &str| {
            let names = answer.header(header).unwrap_or_default().split(',').map(str::trim);
            names.into_iter().any(|found| found.eq_ignore_ascii_case(name))
        };
        assert!(listed("access-control-allow-methods", method), "{path}: {:?}", answer.headers);
        for name in ["authorization", "content-type", "MCP-Protocol-Version"] {
            assert!(listed("access-control-allow-headers", name), "{path}: {:?}", answer.headers);
        }
    }
}

#[tokio::test]
async fn scripts_of_any_origin_can_read_the_metadata() {
    let server = TestServer::start().await;

    for path in [SERVER, OPENID, RESOURCE, "/oauth/jwks"] {
        let request = server.request("GET", path).header("origin", "https://spa.example");
        let answer = Answer::of(request.header("mcp-protocol-version", "2025-06-18")).await;

        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
    }
}

#[tokio::test]
async fn the_metadata_can_only_be_read() {
    let server = TestServer::start().await;

    for path in [SERVER, OPENID, RESOURCE, "/oauth/jwks"] {
        assert_eq!(Answer::of(server.request("HEAD", path)).await.status, 200, "{path}");
        for method in ["POST", "PUT", "DELETE"] {
            let answer = Answer::of(server.request(method, path)).await;

            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_caller_who_is_not_known_is_pointed_to_the_metadata() {
    let server = TestServer::start().await;

    let answer = server.get("/v1/auth/test").await;

    let expected = format!("Bearer resource_metadata=\"{}{RESOURCE}\", ", server.issuer());
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(answer.status == 401 && challenge.starts_with(&expected), "{challenge}");
}
