//! `/v1/clients`

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::TestUser;

async fn start() -> (TestServer, TestUser, String) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    (server, ada, admin)
}

fn good_body(kind: &str) -> Value {
    json!({ "name": "CRM", "type": kind, "redirect_uris": [CALLBACK], "scopes": ["read", "write"] })
}

async fn create(server: &TestServer, admin: &str, body: &Value) -> Answer {
    let answer = server.send_json_as(admin, "POST", "/v1/clients", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer
}

fn as_client(answer: &Answer) -> OAuthClient {
    let secret = answer.json["client_secret"].as_str().map(str::to_owned);
    OAuthClient { id: answer.field("client_id"), secret }
}

#[tokio::test]
async fn a_public_client_is_registered_with_safe_defaults() {
    let (server, ada, admin) = start().await;

    let answer = create(&server, &admin, &good_body("public")).await;

    let id = answer.field("client_id");
    assert_eq!(answer.header("location"), Some(format!("/v1/clients/{id}").as_str()));
    let expected = json!({
        "client_id": id,
        "name": "CRM",
        "type": "public",
        "homepage_url": null,
        "logo_url": null,
        "redirect_uris": [CALLBACK],
        "scopes": ["read", "write"],
        "default_scopes": ["read", "write"],
        "required_scopes": [],
        "grant_types": ["authorization_code", "refresh_token"],
        "require_pkce": true,
        "access_token_seconds": 600,
        "refresh_token_idle_seconds": 2_592_000,
        "refresh_token_max_seconds": 31_536_000,
        "retry_window_seconds": 60,
        "reviewed": false,
        "disabled": false,
        "created_at": "2030-01-01T00:00:00Z",
        "last_used_at": null,
        "secrets": [],
        "policy_uri": null,
        "tos_uri": null,
        "contacts": [],
        "token_endpoint_auth_method": "none",
        "jwks": null,
        "jwks_uri": null,
        "require_pushed_authorization_requests": false,
        "require_signed_request_object": false,
        "dpop_bound_access_tokens": false,
        "subject_type": "public",
        "sector_identifier_uri": null,
        "id_token_signed_response_alg": "RS256",
        "introspection_signed_response_alg": "RS256",
        "access_token_signing_alg": null,
        "post_logout_redirect_uris": [],
        "backchannel_logout_uri": null,
        "backchannel_logout_session_required": false,
    });
    assert_eq!(answer.json, expected);
    assert_eq!(server.get_as(&admin, &format!("/v1/clients/{id}")).await.json, expected);
    let browser = server.browser_of(&ada).await;
    as_client(&answer).tokens(&server, &browser).await;
}

#[tokio::test]
async fn a_confidential_client_comes_with_a_secret_that_is_shown_once() {
    let (server, ada, admin) = start().await;

    let answer = create(&server, &admin, &good_body("confidential")).await;

    let (id, secret) = (answer.field("client_id"), answer.field("client_secret"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let shown = server.get_as(&admin, &format!("/v1/clients/{id}")).await;
    let list = server.get_as(&admin, "/v1/clients").await;
    assert!(!shown.text.contains(&secret) && !list.text.contains(&secret));
    let first = &shown.json["secrets"][0];
    assert_eq!(
        shown.json["secrets"],
        json!([{
            "id": first["id"],
            "label": first["label"],
            "created_at": "2030-01-01T00:00:00Z",
            "expires_at": null,
            "last_used_at": null,
        }])
    );
    let browser = server.browser_of(&ada).await;
    as_client(&answer).tokens(&server, &browser).await;
}

#[tokio::test]
async fn apps_need_a_plan_that_has_them() {
    let server = TestServer::start().await;
    for plan in ["free", "starter", "standard"] {
        let user = server.user_on_plan(plan, plan).await;
        let (_, admin) = server.key(user.organization, "admin").await;

        let answer = server.send_json_as(&admin, "POST", "/v1/clients", &good_body("public")).await;

        assert_eq!((answer.status, answer.error()), (402, "payment_required"), "{plan}");
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains("pro"), "{plan}: {message}");
        assert_eq!(server.get_as(&admin, "/v1/clients").await.json["data"], json!([]));
    }
}

#[tokio::test]
async fn a_registration_that_will_not_do_names_the_field() {
    let (server, _, admin) = start().await;

    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(1000))),
        ("name", json!("two\nlines")),
        ("name", json!("nul\u{0}")),
        ("name", json!(7)),
        ("type", json!("secret")),
        ("homepage_url", json!("javascript:alert(1)")),
        ("homepage_url", json!("not a url")),
        ("logo_url", json!("data:text/html,x")),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["/relative"])),
        ("redirect_uris", json!(["https://app.example/cb#fragment"])),
        ("redirect_uris", json!(["javascript:alert(1)"])),
        ("redirect_uris", json!(["http://app.example/plain"])),
        ("redirect_uris", json!(["https://app.example/*"])),
        ("redirect_uris", json!("https://app.example/cb")),
        ("scopes", json!(["fly"])),
        ("scopes", json!([])),
        ("default_scopes", json!(["delete"])),
        ("required_scopes", json!(["delete"])),
        ("grant_types", json!(["password"])),
        ("grant_types", json!([])),
        ("grant_types", json!(["client_credentials"])),
        ("access_token_seconds", json!(0)),
        ("access_token_seconds", json!(i64::MAX)),
        ("refresh_token_idle_seconds", json!(-1)),
        ("refresh_token_max_seconds", json!(0)),
        ("retry_window_seconds", json!(-1)),
        ("retry_window_seconds", json!(1801)),
        ("require_pkce", json!(false)),
        ("jwks", json!([])),
        ("jwks", json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] })),
        ("jwks", json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }] })),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("colour", json!("red")),
    ] {
        let mut body = good_body("public");
        body[field] = value.clone();
        let answer = server.send_json_as(&admin, "POST", "/v1/clients", &body).await;

        let found = (answer.status, answer.error(), answer.json["error"]["field"].as_str());
        assert_eq!(found, (422, "validation_error", Some(field)), "{field}={value}: {}", answer.text);
    }
    assert_eq!(server.get_as(&admin, "/v1/clients").await.json["data"], json!([]));
}

#[tokio::test]
async fn a_confidential_client_may_do_without_pkce_if_it_says_so() {
    let (server, _, admin) = start().await;
    let mut body = good_body("confidential");
    body["require_pkce"] = false.into();

    let answer = create(&server, &admin, &body).await;

    assert_eq!(answer.json["require_pkce"], false);
}

#[tokio::test]
async fn the_list_holds_the_organizations_own_clients() {
    let (server, ada, admin) = start().await;
    let one = server.public_client(ada.organization).await.id;
    let two = server.confidential_client(ada.organization).await.id;
    let bob = server.user("bob").await;
    server.public_client(bob.organization).await;

    let answer = server.get_as(&admin, "/v1/clients").await;

    assert_eq!(answer.status, 200);
    let data = answer.json["data"].as_array().unwrap();
    let mut ids: Vec<&str> = data.iter().map(|client| client["client_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut expected = [one.as_str(), two.as_str()];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(answer.json["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_list_of_clients_is_read_page_by_page() {
    let (server, ada, admin) = start().await;
    for _ in 0..5 {
        server.public_client(ada.organization).await;
    }

    let mut sizes = Vec::new();
    let mut path = "/v1/clients?limit=2".to_owned();
    loop {
        let page = server.get_as(&admin, &path).await;
        sizes.push(page.json["data"].as_array().unwrap().len());
        let Some(cursor) = page.json["next_cursor"].as_str() else { break };
        path = format!("/v1/clients?limit=2&cursor={cursor}");
    }

    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn a_change_touches_only_what_it_names() {
    let (server, _, admin) = start().await;
    let created = create(&server, &admin, &good_body("public")).await;
    let path = format!("/v1/clients/{}", created.field("client_id"));

    let change =
        json!({ "name": "CRM 2", "redirect_uris": ["https://crm.example/back"], "access_token_seconds": 60 });
    let answer = server.send_json_as(&admin, "PATCH", &path, &change).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut expected = created.json.clone();
    expected["name"] = "CRM 2".into();
    expected["redirect_uris"] = json!(["https://crm.example/back"]);
    expected["access_token_seconds"] = 60.into();
    assert_eq!(answer.json, expected);
}

#[tokio::test]
async fn a_change_that_will_not_do_changes_nothing() {
    let (server, _, admin) = start().await;
    let created = create(&server, &admin, &good_body("public")).await;
    let path = format!("/v1/clients/{}", created.field("client_id"));

    for (field, value) in [
        ("type", json!("confidential")),
        ("redirect_uris", json!(["javascript:alert(1)"])),
        ("scopes", json!(["fly"])),
        ("client_id", json!("cli_1")),
        ("reviewed", json!(true)),
    ] {
        let mut change = json!({ "name": "CRM 2" });
        change[field] = value.clone();
        let answer = server.send_json_as(&admin, "PATCH", &path, &change).await;

        let found = (answer.status, answer.json["error"]["field"].as_str());
        assert_eq!(found, (422, Some(field)), "{field}={value}: {}", answer.text);
    }
    assert_eq!(server.get_as(&admin, &path).await.json, created.json);
}

#[tokio::test]
async fn a_disabled_client_gets_no_tokens_and_those_it_has_count_no_more() {
    let (server, ada, admin) = start().await;
    let browser = server.browser_of(&ada).await;
    let client = server.public_client(ada.organization).await;
    let tokens = client.tokens(&server, &browser).await;
    let path = format!("/v1/clients/{}", client.id);

    let answer = server.send_json_as(&admin, "PATCH", &path, &json!({ "disabled": true })).await;

    assert_eq!((answer.status, &answer.json["disabled"]), (200, &json!(true)));
    assert_eq!(server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
    assert_ne!(client.refresh(&server, &tokens.field("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn deleting_a_client_ends_its_tokens_at_once() {
    let (server, ada, admin) = start().await;
    let browser = server.browser_of(&ada).await;
    let client = server.public_client(ada.organization).await;
    let tokens = client.tokens(&server, &browser).await;
    let path = format!("/v1/clients/{}", client.id);

    let answer = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
    assert_eq!(client.refresh(&server, &tokens.field("refresh_token")).await.error(), "invalid_client");
    assert_eq!(server.get_as(&admin, &path).await.status, 404);
    assert_eq!(Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await.status, 404);
}

#[tokio::test]
async fn a_second_secret_works_beside_the_first() {
    let (server, ada, admin) = start().await;
    let browser = server.browser_of(&ada).await;
    let first = as_client(&create(&server, &admin, &good_body("confidential")).await);
    let path = format!("/v1/clients/{}/secrets", first.id);

    let body = json!({ "label": "Blue", "expires_at": "2030-02-01T00:00:00Z" });
    let answer = server.send_json_as(&admin, "POST", &path, &body).await;

    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.json,
        json!({
            "id": answer.field("id"),
            "label": "Blue",
            "created_at": "2030-01-01T00:00:00Z",
            "expires_at": "2030-02-01T00:00:00Z",
            "client_secret": answer.field("client_secret"),
        })
    );
    let second = OAuthClient { id: first.id.clone(), secret: Some(answer.field("client_secret")) };
    first.tokens(&server, &browser).await;
    second.tokens(&server, &browser).await;
}

#[tokio::test]
async fn a_deleted_and_an_expired_secret_prove_nothing() {
    let (server, _, admin) = start().await;
    let first = as_client(&create(&server, &admin, &good_body("confidential")).await);
    let path = format!("/v1/clients/{}", first.id);
    let first_id = server.get_as(&admin, &path).await.json["secrets"][0]["id"].as_str().unwrap().to_owned();
    let body = json!({ "label": "Short", "expires_at": "2030-01-01T01:00:00Z" });
    let short = server.send_json_as(&admin, "POST", &format!("{path}/secrets"), &body).await;
    let short = OAuthClient { id: first.id.clone(), secret: Some(short.field("client_secret")) };
    assert_eq!(first.refresh(&server, "junk").await.error(), "invalid_grant");
    assert_eq!(short.refresh(&server, "junk").await.error(), "invalid_grant");

    let deleting = server.request("DELETE", &format!("{path}/secrets/{first_id}")).bearer_auth(&admin);
    assert_eq!(Answer::of(deleting).await.status, 204);
    server.clock.advance(TimeDelta::hours(1));

    assert_eq!(first.refresh(&server, "junk").await.error(), "invalid_client");
    assert_eq!(short.refresh(&server, "junk").await.error(), "invalid_client");
}

#[tokio::test]
async fn a_public_client_has_no_secrets() {
    let (server, ada, admin) = start().await;
    let client = server.public_client(ada.organization).await;
    let path = format!("/v1/clients/{}/secrets", client.id);

    let answer = server.send_json_as(&admin, "POST", &path, &json!({ "label": "x" })).await;

    assert_eq!((answer.status, answer.error()), (409, "conflict"));
}

#[tokio::test]
async fn a_secret_of_another_client_is_not_found() {
    let (server, ada, admin) = start().await;
    let one = server.confidential_client(ada.organization).await;
    let other = server.confidential_client(ada.organization).await;
    let shown = server.get_as(&admin, &format!("/v1/clients/{}", other.id)).await;
    let secret = shown.json["secrets"][0]["id"].as_str().unwrap();

    let path = format!("/v1/clients/{}/secrets/{secret}", one.id);
    let answer = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;

    assert_eq!((answer.status, answer.error()), (404, "not_found"));
    assert_eq!(other.refresh(&server, "junk").await.error(), "invalid_grant");
}
