//! Forward-auth: who may pass, and what a proxy is told of them.

use serde_json::json;

use crate::support::Answer;
use crate::support::RawConnection;
use crate::support::TestServer;
use crate::support::TestUser;

const PATH: &str = "/v1/auth/verify";

/// A question with these headers.
async fn ask(server: &TestServer, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

async fn ask_with(server: &TestServer, key: &str, path: &str, method: &str) -> Answer {
    ask(server, "GET", path, &[("x-api-key", key), ("x-forwarded-method", method)]).await
}

/// All that a proxy hands on, without the rate limit.
fn told(answer: &Answer) -> [&str; 4] {
    assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    ["x-auth-subject", "x-auth-organization", "x-auth-scopes", "x-auth-credential"]
        .map(|name| answer.header(name).unwrap_or_else(|| panic!("no {name}")))
}

async fn start() -> (TestServer, TestUser, String) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    (server, ada, key)
}

#[tokio::test]
async fn each_credential_says_whose_it_is() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let organization = ada.organization.to_string();
    let (key_id, key) = server.key(ada.organization, "read write").await;
    let session = server.session_of(&ada).await;
    let client = server.confidential_client(ada.organization).await;
    let granted = client.tokens(&server, &server.browser_of(&ada).await).await.field("access_token");
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let own = client.post(&server, "/oauth/token", &form).await.field("access_token");
    let admin = server.key(ada.organization, "admin").await.1;
    let grant = server.get_as(&admin, "/v1/grants").await.json["data"][0]["id"].as_str().unwrap().to_owned();

    let by_key = server.get_as(&key, PATH).await;
    let by_header = ask(&server, "GET", PATH, &[("x-api-key", &key)]).await;
    let by_session = server.get_as(&session.access_token, PATH).await;
    let by_grant = server.get_as(&granted, PATH).await;
    let by_client = server.get_as(&own, PATH).await;

    let key_id = key_id.to_string();
    let expected = [key_id.as_str(), &organization, "read write", &format!("api_key:{key_id}")];
    assert_eq!(told(&by_key), expected);
    assert_eq!(told(&by_header), expected);
    let [subject, of, scopes, credential] = told(&by_session);
    assert_eq!([subject, of, scopes], [ada.id.as_str(), &organization, "read write delete admin"]);
    assert!(credential.starts_with("session:"), "{credential}");
    assert_eq!(told(&by_grant), [ada.id.as_str(), &organization, "read write", &format!("grant:{grant}")]);
    assert_eq!(
        told(&by_client),
        [client.id.as_str(), &organization, "read", &format!("client:{}", client.id)]
    );
}

#[tokio::test]
async fn each_method_needs_its_scope() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let mut keys = Vec::new();
    for scope in ["read", "write", "delete", "admin"] {
        keys.push((scope, server.key(ada.organization, scope).await.1));
    }

    for (method, needed) in [
        ("GET", "read"),
        ("HEAD", "read"),
        ("OPTIONS", "read"),
        ("POST", "write"),
        ("PUT", "write"),
        ("PATCH", "write"),
        ("DELETE", "delete"),
        ("TRACE", "admin"),
        ("PURGE", "admin"),
        ("get", "admin"),
    ] {
        for (scope, key) in &keys {
            let answers = [
                ask(&server, "GET", PATH, &[("x-api-key", key), ("x-forwarded-method", method)]).await,
                ask(&server, "GET", PATH, &[("x-api-key", key), ("x-original-method", method)]).await,
                ask(&server, method, PATH, &[("x-api-key", key)]).await,
                ask(&server, method, &format!("{PATH}/v1/contacts"), &[("x-api-key", key)]).await,
            ];

            let may = *scope == needed || *scope == "admin";
            for (way, answer) in answers.iter().enumerate() {
                assert_eq!(answer.status, if may { 200 } else { 403 }, "{method} {scope} {way}");
            }
            if !may {
                let message =
                    format!("Insufficient permissions for this operation: it needs the scope {needed}");
                let body = json!({ "error": { "code": "forbidden", "message": message } });
                assert_eq!(answers[0].json, body);
                let challenge = answers[0].header("www-authenticate").unwrap();
                assert!(challenge.contains(&format!("scope=\"{needed}\"")), "{challenge}");
            }
        }
        server.clock.advance(chrono::TimeDelta::minutes(1));
    }
}

#[tokio::test]
async fn every_scope_that_is_named_is_needed() {
    let server = TestServer::start_with(|settings| {
        settings.scopes.insert("contacts:read".to_owned(), "See contacts".to_owned());
    })
    .await;
    let ada = server.user("ada").await;
    let (_, one) = server.key(ada.organization, "contacts:read").await;
    let (_, two) = server.key(ada.organization, "contacts:read write").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for (query, expected) in [
        ("", [403, 403, 200]),
        ("?scope=contacts:read", [200, 200, 200]),
        ("?scope=contacts%3Aread&scope=write", [403, 200, 200]),
        ("?scope=write&scope=contacts:read&scope=write", [403, 200, 200]),
        ("?scope=admin", [403, 403, 200]),
    ] {
        for (key, expected) in [&one, &two, &admin].into_iter().zip(expected) {
            // The method asks for nothing more once a scope is named.
            let answer = ask_with(&server, key, &format!("{PATH}{query}"), "GET").await;
            assert_eq!(answer.status, expected, "{query}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    let (server, _, key) = start().await;

    for (query, field) in [
        ("?scope=reed", Some("scope")),
        ("?scope=", Some("scope")),
        ("?scope=read+write", Some("scope")),
        ("?scope=read&scope=%00", Some("scope")),
        ("?scope=%FF", Some("scope")),
        ("?resource=", Some("resource")),
        ("?resource=https://a.example&resource=https://b.example", Some("resource")),
        ("?status=200", Some("status")),
        ("?scopes=read", None),
        ("?Scope=read", None),
        ("?x", None),
    ] {
        for path in [format!("{PATH}{query}"), format!("{PATH}{query}&status=403")] {
            let answer = server.get_as(&key, &path).await;

            let is_403 = path.ends_with("&status=403");
            assert_eq!(answer.status, if is_403 { 403 } else { 400 }, "{path}");
            assert_eq!(answer.header("x-auth-status"), is_403.then_some("400"), "{path}");
            let error = &answer.json["error"];
            assert_eq!((answer.error(), error["field"].as_str()), ("bad_request", field), "{path}");
        }
    }
}

#[tokio::test]
async fn a_token_must_be_for_the_resource() {
    const FILES: &str = "https://files.example/api";
    let server = TestServer::start_with(|settings| settings.resources = vec![FILES.to_owned()]).await;
    let ada = server.user("ada").await;
    let client = server.confidential_client(ada.organization).await;
    let token = async |resource: &str| {
        let form = [("grant_type", "client_credentials"), ("scope", "read"), ("resource", resource)];
        client.post(&server, "/oauth/token", &form).await.field("access_token")
    };
    let (for_files, for_us) = (token(FILES).await, token(server.issuer()).await);
    let (_, key) = server.key(ada.organization, "read").await;
    let session = server.session_of(&ada).await.access_token;

    for (query, expected) in [
        (String::new(), [401, 200]),
        (format!("?resource={FILES}"), [200, 401]),
        (format!("?resource={FILES}/"), [401, 401]),
        (format!("?resource={}", server.issuer()), [401, 200]),
    ] {
        let path = format!("{PATH}{query}");
        for (token, expected) in [&for_files, &for_us].into_iter().zip(expected) {
            let answer = server.get_as(token, &path).await;
            assert_eq!(answer.status, expected, "{path}: {}", answer.text);
        }
        for credential in [&key, &session] {
            assert_eq!(server.get_as(credential, &path).await.status, 200, "{path}: no audience");
        }
    }
}

#[tokio::test]
async fn each_pass_counts_towards_the_limit_and_says_what_is_left() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;

    let first = server.get_as(&key, PATH).await;
    let forbidden = ask_with(&server, &key, PATH, "POST").await;
    let elsewhere = server.get_as(&key, "/v1/profile").await;

    let left = |answer: &Answer| {
        ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-policy", "ratelimit"]
            .map(|name| answer.header(name).unwrap().to_owned())
    };
    let policy = "\"minute\";q=10;w=60, \"hour\";q=100;w=3600";
    let state = |left: i64| format!("\"minute\";r={left};t=60, \"hour\";r={};t=3600", left + 90);
    assert_eq!(left(&first), ["10", "9", "1893456060", policy, &state(9)]);
    assert_eq!((forbidden.status, &left(&forbidden)[4]), (403, &state(8)));
    assert_eq!((elsewhere.status, &left(&elsewhere)[4]), (200, &state(7)));
}

#[tokio::test]
async fn a_revoked_key_is_dead_at_once() {
    let (server, ada, key) = start().await;
    let (id, other) = server.key(ada.organization, "read").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    assert_eq!(server.get_as(&other, PATH).await.status, 200);

    let revoked =
        Answer::of(server.request("DELETE", &format!("/v1/api-keys/{id}")).bearer_auth(&admin)).await;

    assert_eq!(revoked.status, 204);
    assert_eq!(server.get_as(&other, PATH).await.status, 401);
    assert_eq!(server.get_as(&key, PATH).await.status, 200, "another one is not touched");
}

/// The path and its query are the caller's; so are all headers.
#[tokio::test]
async fn envoy_asks_for_nothing_but_by_method() {
    let (server, _, key) = start().await;

    for path in [
        "/",
        "/v1/contacts",
        "/v1/contacts?scope=admin",
        "/v1/contacts?scope=read&status=403&resource=x",
        "/v1/contacts?nonsense",
        "//",
        "/v1/auth/verify?scope=admin",
        "/%00/%FF?%",
    ] {
        let path = format!("{PATH}{path}");
        let read = ask(&server, "GET", &path, &[("x-api-key", &key), ("x-forwarded-method", "DELETE")]).await;
        let forged = ask(&server, "POST", &path, &[("x-api-key", &key), ("x-forwarded-method", "GET")]).await;
        let twice =
            [("x-api-key", key.as_str()), ("x-original-method", "GET"), ("x-forwarded-method", "PUT")];
        let unclear = ask(&server, "GET", &path, &twice).await;

        assert_eq!((read.status, forged.status, unclear.status), (200, 403, 200), "{path}: {}", read.text);
        assert_eq!(forged.header("x-auth-status"), None, "{path}");
    }
    // As no HTTP library would send it.
    for path in ["/../api-keys", "/../../../oauth/jwks", "/%2e%2e/api-keys", "/\\..\\"] {
        let request = format!("GET {PATH}{path} HTTP/1.1\r\nhost: test\r\nx-api-key: {key}\r\n\r\n");
        let answer = RawConnection::open(&server).await.send(&request).await;
        assert!(answer.status == 200 && answer.head.contains("x-auth-subject: "), "{path}: {answer:?}");
    }
    assert_eq!(server.get_as(&key, "/v1/auth/verifyx").await.status, 404);
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let (server, _, key) = start().await;

    let passed = Answer::of(server.request("HEAD", PATH).bearer_auth(&key)).await;
    let refused = Answer::of(server.request("HEAD", PATH)).await;

    told(&passed);
    assert_eq!((refused.status, refused.text.as_str()), (401, ""));
    let error: serde_json::Value = serde_json::from_str(refused.header("x-auth-error").unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "unauthorized");
}

/// A browser's preflight has no credential. Whoever wants it answered does so before asking here.
#[tokio::test]
async fn a_preflight_does_not_pass() {
    let (server, _, _) = start().await;

    let headers = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    let answer = ask(&server, "OPTIONS", PATH, &headers).await;

    assert_eq!((answer.status, answer.error()), (401, "unauthorized"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn an_issuer_with_a_path_has_it_there_too() {
    let server = TestServer::start_with(|settings| settings.issuer.push_str("/auth")).await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    for path in [PATH, "/auth/v1/auth/verify", "/auth/v1/auth/verify/", "/auth/v1/auth/verify/v1/contacts"] {
        assert_eq!(server.get_as(&key, path).await.status, 200, "{path}");
        assert_eq!(server.get(path).await.status, 401, "{path}");
    }
}

/// With what the proxy asks about, not how it asks.
#[tokio::test]
async fn what_was_asked_about_is_in_the_access_log() {
    let (server, ada, key) = start().await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let original = [("x-forwarded-method", "DELETE"), ("x-forwarded-uri", "/v1/contacts/7?api_key=secret")];

    ask(
        &server,
        "GET",
        &format!("{PATH}?status=403"),
        &[&[("x-api-key", key.as_str())], &original[..]].concat(),
    )
    .await;
    ask(&server, "PATCH", &format!("{PATH}/v1/contacts/8?x=secret"), &[("x-api-key", &admin)]).await;
    ask(&server, "GET", PATH, &[("x-api-key", &key)]).await;
    server.write_access_log().await;

    let log = server.get_as(&admin, "/v1/access-log?via=forward_auth").await.json;
    let entries = log["data"].as_array().unwrap().iter();
    let told: Vec<_> = entries
        .map(|entry| json!([entry["method"], entry["path"], entry["status"], entry["reason"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["GET", PATH, 200, null]),
            json!(["PATCH", "/v1/contacts/8", 200, null]),
            json!(["DELETE", "/v1/contacts/7", 403, "forbidden"]),
        ]
    );
}
