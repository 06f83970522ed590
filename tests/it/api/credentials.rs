//! How a credential is presented to `/v1`, and which ones count.

use chrono::TimeDelta;
use countersign::api_keys::format;
use countersign::base::secret::Secret;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const PATH: &str = "/v1/auth/test";

fn challenge(server: &TestServer) -> String {
    format!("resource_metadata=\"{}/.well-known/oauth-protected-resource\"", server.issuer())
}

/// 401 for a credential that was presented (RFC 6750 §3.1).
fn assert_invalid_token(server: &TestServer, answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.error()), (401, "unauthorized"), "{what}: {}", answer.text);
    let found = answer.header("www-authenticate").unwrap_or_else(|| panic!("{what}: no challenge"));
    assert!(found.starts_with("Bearer "), "{what}: {found}");
    assert!(found.contains("error=\"invalid_token\""), "{what}: {found}");
    assert!(found.contains(&challenge(server)), "{what}: {found}");
}

#[tokio::test]
async fn a_key_may_come_in_either_header_or_in_both() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (id, key) = server.key(ada.organization, "read").await;

    for request in [
        server.request("GET", PATH).bearer_auth(&key),
        server.request("GET", PATH).header("authorization", format!("bearer {key}")),
        server.request("GET", PATH).header("authorization", format!("BEARER   {key}")),
        server.request("GET", PATH).header("x-api-key", &key),
        server.request("GET", PATH).header("x-api-key", &key).bearer_auth(&key),
    ] {
        let answer = Answer::of(request).await;

        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json["key"]["id"], id.to_string());
    }
}

#[tokio::test]
async fn two_credentials_that_differ_are_a_bad_request() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, one) = server.key(ada.organization, "read").await;
    let (_, other) = server.key(ada.organization, "read").await;

    for request in [
        server.request("GET", PATH).bearer_auth(&one).header("x-api-key", &other),
        server.request("GET", PATH).bearer_auth("junk").header("x-api-key", &other),
        server.request("GET", PATH).header("x-api-key", &one).header("x-api-key", &other),
        server.request("GET", PATH).bearer_auth(&one).bearer_auth(&other),
    ] {
        let answer = Answer::of(request).await;

        assert_eq!((answer.status, answer.error()), (400, "bad_request"), "{}", answer.text);
    }
}

#[tokio::test]
async fn without_a_credential_the_answer_says_where_to_read_on() {
    let server = TestServer::start().await;

    let answer = server.get(PATH).await;

    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json,
        json!({ "error": { "code": "unauthorized", "message": "Invalid or missing API key" } })
    );
    let expected = format!("Bearer {}, DPoP algs=\"ES256 ", challenge(&server));
    assert!(answer.header("www-authenticate").unwrap().starts_with(&expected), "{:?}", answer.headers);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// RFC 6750 §3.1: a caller who used another method is told no error.
#[tokio::test]
async fn another_scheme_is_as_good_as_none() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    for value in
        [format!("Basic {key}"), "Basic YTpi".to_owned(), format!("Token {key}"), format!("Digest {key}")]
    {
        let answer = Answer::of(server.request("GET", PATH).header("authorization", &value)).await;

        assert_eq!((answer.status, answer.error()), (401, "unauthorized"), "{value}");
        let found = answer.header("www-authenticate").unwrap();
        assert!(found.starts_with(&format!("Bearer {}, DPoP algs=", challenge(&server))), "{value}: {found}");
    }
}

#[tokio::test]
async fn a_credential_counts_only_where_it_belongs() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let signed_in = server.browser_of(&ada).await;

    for path in [format!("{PATH}?access_token={key}"), format!("{PATH}?api_key={key}")] {
        assert_eq!(server.get(&path).await.status, 401, "{path}");
    }
    assert_eq!(signed_in.get(PATH).await.status, 401, "a cookie must not do, or any site could act");
    assert_eq!(Answer::of(server.request("GET", PATH).header("authorization", &key)).await.status, 401);
}

#[tokio::test]
async fn a_token_is_no_api_key() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await.access_token;
    let browser = server.browser_of(&ada).await;
    let token =
        server.public_client(ada.organization).await.tokens(&server, &browser).await.field("access_token");

    for text in [session, token] {
        assert_eq!(server.get_as(&text, PATH).await.status, 200);
        let answer = Answer::of(server.request("GET", PATH).header("x-api-key", &text)).await;
        assert_invalid_token(&server, &answer, "a token in X-API-Key");
    }
}

#[tokio::test]
async fn what_looks_like_a_key_but_is_none_is_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let secret = |letter: &str| Secret::new(letter.repeat(32));
    let unknown = format::assemble("sk", "AAAAAAAA", &secret("a"));
    let wrong_secret = format::assemble("sk", &key[3..11], &secret("a"));
    let other_prefix = format::assemble("pk", &key[3..11], &Secret::new(&key[11..43]));
    let swapped: String =
        key.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c }).collect();

    for junk in [
        "x",
        "sk_",
        "sk",
        &key[..key.len() - 1],
        &format!("{key}0"),
        &format!("{key} {key}"),
        &format!("{}000000", &key[..43]),
        &swapped,
        unknown.expose(),
        wrong_secret.expose(),
        other_prefix.expose(),
        &"a".repeat(7000),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        "a.b.c",
        "' or 1=1 --",
    ] {
        assert_invalid_token(&server, &server.get_as(junk, PATH).await, junk);
        let answer = Answer::of(server.request("GET", PATH).header("x-api-key", junk)).await;
        assert_invalid_token(&server, &answer, junk);
    }
    assert_eq!(server.get_as(&key, PATH).await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let server = TestServer::start().await;

    for name in ["authorization", "x-api-key"] {
        let request = server.request("GET", PATH).header(name, &b"Bearer sk_\xff\xfe"[..]);
        let answer = Answer::of(request).await;

        assert_eq!((answer.status, answer.error()), (401, "unauthorized"), "{name}");
    }
}

#[tokio::test]
async fn an_expired_a_revoked_and_an_unknown_key_are_answered_alike() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let body = json!({ "label": "short", "scopes": ["read"], "expires_at": "2030-01-01T01:00:00Z" });
    let expiring = server.send_json_as(&admin, "POST", "/v1/api-keys", &body).await.field("key");
    let (id, revoked) = server.key(ada.organization, "read").await;
    assert_eq!(server.get_as(&expiring, PATH).await.status, 200);
    assert_eq!(server.get_as(&revoked, PATH).await.status, 200);

    server.clock.advance(TimeDelta::hours(1));
    Answer::of(server.request("DELETE", &format!("/v1/api-keys/{id}")).bearer_auth(&admin)).await;

    let unknown = format::assemble("sk", "AAAAAAAA", &Secret::new("a".repeat(32)));
    let expected = server.get_as(unknown.expose(), PATH).await;
    for key in [&expiring, &revoked] {
        let answer = server.get_as(key, PATH).await;
        assert_invalid_token(&server, &answer, key);
        assert_eq!(answer.text, expected.text);
        assert_eq!(answer.header("www-authenticate"), expected.header("www-authenticate"));
    }
}

#[tokio::test]
async fn a_key_works_until_the_second_it_expires() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let body = json!({ "label": "short", "scopes": ["read"], "expires_at": "2030-01-01T01:00:00Z" });
    let key = server.send_json_as(&admin, "POST", "/v1/api-keys", &body).await.field("key");

    server.clock.advance(TimeDelta::seconds(3599));
    assert_eq!(server.get_as(&key, PATH).await.status, 200);
    server.clock.advance(TimeDelta::seconds(1));
    assert_eq!(server.get_as(&key, PATH).await.status, 401);
}

#[tokio::test]
async fn an_apps_token_ends_after_ten_minutes() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let token =
        server.public_client(ada.organization).await.tokens(&server, &browser).await.field("access_token");

    server.clock.advance(TimeDelta::seconds(599));
    assert_eq!(server.get_as(&token, PATH).await.status, 200);
    server.clock.advance(TimeDelta::seconds(1));
    assert_invalid_token(&server, &server.get_as(&token, PATH).await, "an expired token");
}

#[tokio::test]
async fn a_token_of_another_server_is_worth_nothing() {
    let (server, other) = (TestServer::start().await, TestServer::start().await);
    let ada = other.user("ada").await;
    let browser = other.browser_of(&ada).await;
    let token =
        other.public_client(ada.organization).await.tokens(&other, &browser).await.field("access_token");
    let session = other.session_of(&ada).await.access_token;

    for foreign in [token, session] {
        assert_invalid_token(&server, &server.get_as(&foreign, PATH).await, "a foreign token");
    }
}

#[tokio::test]
async fn the_keys_prefix_is_configurable() {
    let server = TestServer::start_with(|settings| settings.api_key_prefix = "acme_live".to_owned()).await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await.access_token;

    let body = json!({ "label": "ci", "scopes": ["read"] });
    let key = server.send_json_as(&session, "POST", "/v1/api-keys", &body).await.field("key");

    assert!(key.starts_with("acme_live_"), "{key}");
    assert_eq!(key.len(), "acme_live_".len() + 8 + 32 + 6);
    assert_eq!(server.get_as(&key, PATH).await.status, 200);
}

#[tokio::test]
async fn the_last_use_of_a_key_is_told() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, key) = server.key(ada.organization, "read").await;
    server.clock.advance(TimeDelta::minutes(5));

    server.get_as(&key, PATH).await;
    server.write_access_log().await;

    let shown = server.get_as(&admin, &format!("/v1/api-keys/{id}")).await;
    assert_eq!(shown.json["last_used_at"], "2030-01-01T00:05:00Z");
    assert_eq!(shown.json["last_used_from"], "127.0.0.1");
}
