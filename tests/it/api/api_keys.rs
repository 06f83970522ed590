//! `/v1/api-keys`

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

/// A server, and a key that may do everything in an organization on plan `pro`.
pub(super) async fn start() -> (TestServer, String) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    (server, admin)
}

pub(super) async fn create(server: &TestServer, admin: &str, body: &Value) -> Answer {
    let answer = server.send_json_as(admin, "POST", "/v1/api-keys", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer
}

pub(super) async fn status_with(server: &TestServer, key: &str) -> u16 {
    server.get_as(key, "/v1/auth/test").await.status
}

#[tokio::test]
async fn a_new_key_is_shown_with_its_secret() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await.access_token;

    let body = json!({ "label": " CI ", "scopes": ["write", "read"], "expires_at": "2030-02-01T00:00:00Z" });
    let answer = create(&server, &session, &body).await;

    let (id, key) = (answer.field("id"), answer.field("key"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("location"), Some(format!("/v1/api-keys/{id}").as_str()));
    assert!(key.starts_with("sk_") && key.len() == 3 + 8 + 32 + 6, "{key}");
    assert_eq!(
        answer.json,
        json!({
            "id": id,
            "key": key,
            "hint": format!("{}…", &key[..11]),
            "label": "CI",
            "scopes": ["read", "write"],
            "status": "active",
            "created_by": ada.id,
            "created_at": "2030-01-01T00:00:00Z",
            "expires_at": "2030-02-01T00:00:00Z",
            "ip_allowlist": [],
            "previous_until": null,
            "last_used_at": null,
            "last_used_from": null,
            "revoked_at": null,
        })
    );
    let who = server.get_as(&key, "/v1/auth/test").await;
    assert_eq!(who.json["scopes"], json!(["read", "write"]));
    assert_eq!(who.json["key"], json!({ "id": id, "label": "CI" }));
}

#[tokio::test]
async fn the_secret_is_shown_never_again() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (id, secret) = (created.field("id"), created.field("key")[11..].to_owned());

    for path in [format!("/v1/api-keys/{id}"), "/v1/api-keys".to_owned()] {
        let answer = server.get_as(&admin, &path).await;

        assert_eq!(answer.status, 200);
        assert!(answer.text.contains(&id) && !answer.text.contains(&secret), "{}", answer.text);
    }
    let mut expected = created.json.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(server.get_as(&admin, &format!("/v1/api-keys/{id}")).await.json, expected);
}

#[tokio::test]
async fn what_no_key_can_be_like_is_refused_with_the_field_at_fault() {
    let (server, admin) = start().await;
    let good = json!({ "label": "CI", "scopes": ["read"] });

    for (field, value) in [
        ("label", json!("")),
        ("label", json!("   ")),
        ("label", json!("two\nlines")),
        ("label", json!("nul\u{0}")),
        ("label", json!("x".repeat(101))),
        ("label", json!(7)),
        ("label", Value::Null),
        ("scopes", json!([])),
        ("scopes", json!("read")),
        ("scopes", json!(["fly"])),
        ("scopes", json!(["read", ""])),
        ("scopes", json!(["read write"])),
        ("scopes", json!([7])),
        ("scopes", json!(["read\u{0}"])),
        ("expires_at", json!("2029-12-31T23:59:59Z")),
        ("expires_at", json!("2030-01-01T00:00:00Z")),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!(1_900_000_000)),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = server.send_json_as(&admin, "POST", "/v1/api-keys", &body).await;

        let found = (answer.status, answer.error(), answer.json["error"]["field"].as_str());
        assert_eq!(found, (422, "validation_error", Some(field)), "{value}: {}", answer.text);
    }
    for missing in ["label", "scopes"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(missing);
        let answer = server.send_json_as(&admin, "POST", "/v1/api-keys", &body).await;
        assert_eq!((answer.status, answer.json["error"]["field"].as_str()), (422, Some(missing)));
    }
    assert_eq!(server.get_as(&admin, "/v1/api-keys").await.json["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_misses_nothing() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (own, admin) = server.key(ada.organization, "admin").await;
    let mut expected = vec![own.to_string()];
    for _ in 0..59 {
        server.clock.advance(TimeDelta::seconds(1));
        expected.push(server.key(ada.organization, "read").await.0.to_string());
    }
    expected.reverse();

    let mut found = Vec::new();
    let mut path = "/v1/api-keys?limit=25".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = server.get_as(&admin, &path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.json.as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "next_cursor"]);
        let data = page.json["data"].as_array().unwrap();
        sizes.push(data.len());
        found.extend(data.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.json["next_cursor"].as_str() else { break };
        path = format!("/v1/api-keys?limit=25&cursor={cursor}");
    }

    assert_eq!(sizes, [25, 25, 10]);
    assert_eq!(found, expected, "the newest first, each once");
}

#[tokio::test]
async fn a_page_that_ends_with_the_list_says_so() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    server.key(ada.organization, "read").await;

    let page = server.get_as(&admin, "/v1/api-keys?limit=2").await;

    assert_eq!(page.json["data"].as_array().unwrap().len(), 2);
    assert_eq!(page.json["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_limit_or_cursor_that_makes_no_sense_is_a_bad_request() {
    let (server, admin) = start().await;

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1000000", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("cursor=", "cursor"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%FF", "cursor"),
        ("cursor=key_00000000000000000000000000000000%27", "cursor"),
        ("cursor=gra_00000000000000000000000000000000", "cursor"),
    ] {
        let answer = server.get_as(&admin, &format!("/v1/api-keys?{query}")).await;

        let found = (answer.status, answer.error(), answer.json["error"]["field"].as_str());
        assert_eq!(found, (400, "bad_request", Some(field)), "{query}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_cursor_of_another_organization_shows_nothing_of_it() {
    let (server, admin) = start().await;
    let bob = server.user("bob").await;
    server.key(bob.organization, "read").await;
    let (newest, _) = server.key(bob.organization, "read").await;

    let page = server.get_as(&admin, &format!("/v1/api-keys?cursor={newest}")).await;

    assert_eq!(page.status, 200);
    let own = server.get_as(&admin, "/v1/api-keys").await.json["data"].clone();
    let own = own.as_array().unwrap();
    assert!(page.json["data"].as_array().unwrap().iter().all(|key| own.contains(key)), "{}", page.text);
}

#[tokio::test]
async fn a_change_holds_from_the_next_request_on() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (path, key) = (format!("/v1/api-keys/{}", created.field("id")), created.field("key"));

    let change = json!({ "label": "Deploy", "scopes": ["write"], "expires_at": "2030-01-02T00:00:00Z" });
    let answer = server.send_json_as(&admin, "PATCH", &path, &change).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut expected = created.json.clone();
    expected.as_object_mut().unwrap().remove("key");
    expected["label"] = "Deploy".into();
    expected["scopes"] = json!(["write"]);
    expected["expires_at"] = "2030-01-02T00:00:00Z".into();
    assert_eq!(answer.json, expected);
    assert_eq!(server.get_as(&key, "/v1/auth/test").await.json["scopes"], json!(["write"]));
}

#[tokio::test]
async fn a_change_touches_only_what_it_names() {
    let (server, admin) = start().await;
    let body = json!({ "label": "CI", "scopes": ["read"], "expires_at": "2030-01-02T00:00:00Z" });
    let created = create(&server, &admin, &body).await;
    let path = format!("/v1/api-keys/{}", created.field("id"));
    let shown = |answer: &Answer| (answer.json["label"].clone(), answer.json["expires_at"].clone());

    let untouched = server.send_json_as(&admin, "PATCH", &path, &json!({})).await;
    let for_good = server.send_json_as(&admin, "PATCH", &path, &json!({ "expires_at": null })).await;

    assert_eq!(shown(&untouched), (json!("CI"), json!("2030-01-02T00:00:00Z")));
    assert_eq!(shown(&for_good), (json!("CI"), Value::Null));
}

#[tokio::test]
async fn a_change_that_makes_no_sense_changes_nothing() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let path = format!("/v1/api-keys/{}", created.field("id"));
    let before = server.get_as(&admin, &path).await.json;

    for (field, value) in [
        ("label", json!("")),
        ("scopes", json!([])),
        ("scopes", json!(["fly"])),
        ("expires_at", json!("2029-01-01T00:00:00Z")),
        ("id", json!("key_1")),
        ("organization", json!("x")),
    ] {
        let mut change = json!({ "label": "Deploy" });
        change[field] = value.clone();
        let answer = server.send_json_as(&admin, "PATCH", &path, &change).await;

        let found = (answer.status, answer.json["error"]["field"].as_str());
        assert_eq!(found, (422, Some(field)), "{field}={value}: {}", answer.text);
    }
    assert_eq!(server.get_as(&admin, &path).await.json, before);
}

#[tokio::test]
async fn a_deleted_key_is_refused_from_its_next_request_on() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (path, key) = (format!("/v1/api-keys/{}", created.field("id")), created.field("key"));
    assert_eq!(status_with(&server, &key).await, 200);

    let answer = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(status_with(&server, &key).await, 401);
    let shown = server.get_as(&admin, &path).await.json;
    assert_eq!((&shown["status"], &shown["revoked_at"]), (&json!("revoked"), &json!("2030-01-01T00:00:00Z")));
}

#[tokio::test]
async fn a_deleted_key_does_not_come_back() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (id, key) = (created.field("id"), created.field("key"));
    let path = format!("/v1/api-keys/{id}");
    Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;

    let changed = server.send_json_as(&admin, "PATCH", &path, &json!({ "expires_at": null })).await;
    let rotated = server.send_json_as(&admin, "POST", &format!("{path}/rotate"), &json!({})).await;
    let deleted = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;

    assert_eq!((changed.status, changed.error()), (409, "conflict"));
    assert_eq!((rotated.status, rotated.error()), (409, "conflict"));
    assert_eq!(deleted.status, 204, "deleting twice is deleting once");
    assert_eq!(status_with(&server, &key).await, 401);
}
