//! Plain HTTP, and who may say where a request comes from.

use countersign::app::config::Settings;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const PATH: &str = "/v1/auth/test";

fn behind_a_proxy(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

async fn ask(server: &TestServer, key: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request("GET", PATH).bearer_auth(key);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn plain_http_from_afar_is_refused() {
    let server = TestServer::start_with(behind_a_proxy).await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    for proto in [Some("http"), Some("HTTP"), Some("https, http"), Some("wss"), Some(""), None] {
        let mut headers = vec![("x-forwarded-for", "203.0.113.9")];
        headers.extend(proto.map(|proto| ("x-forwarded-proto", proto)));
        let answer = ask(&server, &key, &headers).await;

        assert_eq!(answer.status, 403, "{proto:?}");
        let message = &answer.json["error"]["message"];
        assert!(message.as_str().unwrap().contains("HTTPS"), "{message}");
        assert_eq!(answer.json, json!({ "error": { "code": "insecure_connection", "message": message } }));
    }
}

#[tokio::test]
async fn a_stranger_is_told_of_plain_http_first() {
    let server = TestServer::start_with(behind_a_proxy).await;

    let request = server.request("GET", PATH).header("x-forwarded-for", "203.0.113.9");
    let answer = Answer::of(request.header("x-forwarded-proto", "http")).await;

    assert_eq!((answer.status, answer.error()), (403, "insecure_connection"));
}

#[tokio::test]
async fn https_at_a_trusted_proxy_is_https() {
    let server = TestServer::start_with(behind_a_proxy).await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    let headers = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
    let answer = ask(&server, &key, &headers).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn plain_http_can_be_allowed() {
    let server = TestServer::start_with(|settings| {
        behind_a_proxy(settings);
        settings.insecure_http = true;
    })
    .await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    let headers = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http")];
    let answer = ask(&server, &key, &headers).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn without_a_trusted_proxy_forwarded_headers_mean_nothing() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, key) = server.key(ada.organization, "read").await;

    let headers = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "for=203.0.113.9;proto=http"),
        ("x-real-ip", "203.0.113.9"),
    ];
    let answer = ask(&server, &key, &headers).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    server.write_access_log().await;
    let shown = server.get_as(&admin, &format!("/v1/api-keys/{id}")).await;
    assert_eq!(shown.json["last_used_from"], "127.0.0.1");
}

#[tokio::test]
async fn the_address_is_the_last_one_that_a_trusted_proxy_vouches_for() {
    for (forwarded, expected) in [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 127.0.0.2", "203.0.113.9"),
        ("127.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ] {
        let server = TestServer::start_with(behind_a_proxy).await;
        let ada = server.user("ada").await;
        let (_, admin) = server.key(ada.organization, "admin").await;
        let (id, key) = server.key(ada.organization, "read").await;

        let headers = [("x-forwarded-for", forwarded), ("x-forwarded-proto", "https")];
        assert_eq!(ask(&server, &key, &headers).await.status, 200);

        server.write_access_log().await;
        let shown = server.get_as(&admin, &format!("/v1/api-keys/{id}")).await;
        assert_eq!(shown.json["last_used_from"], expected, "{forwarded}");
    }
}

#[tokio::test]
async fn urls_come_from_the_configuration_never_from_the_request() {
    let server = TestServer::start_with(behind_a_proxy).await;

    let request = server.request("GET", PATH).header("host", "evil.example");
    let request = request.header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "https");
    let answer = Answer::of(request).await;

    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains(server.issuer()) && !challenge.contains("evil"), "{challenge}");
}
