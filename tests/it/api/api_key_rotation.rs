//! `POST /v1/api-keys/{id}/rotate`

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;

use crate::api::api_keys::create;
use crate::api::api_keys::start;
use crate::api::api_keys::status_with;
use crate::support::Answer;
use crate::support::TestServer;

async fn rotate(server: &TestServer, admin: &str, id: &str, body: &Value) -> Answer {
    server.send_json_as(admin, "POST", &format!("/v1/api-keys/{id}/rotate"), body).await
}

#[tokio::test]
async fn rotating_ends_the_old_secret_at_once() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (id, old) = (created.field("id"), created.field("key"));

    let answer = rotate(&server, &admin, &id, &json!({})).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let new = answer.field("key");
    let mut expected = created.json.clone();
    expected["key"] = new.as_str().into();
    assert_eq!(answer.json, expected, "the same key with another secret");
    assert_eq!(new[..11], old[..11]);
    assert_eq!((status_with(&server, &old).await, status_with(&server, &new).await), (401, 200));
}

#[tokio::test]
async fn rotating_needs_no_body() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let path = format!("/v1/api-keys/{}/rotate", created.field("id"));

    let answer = Answer::of(server.request("POST", &path).bearer_auth(&admin)).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(status_with(&server, &created.field("key")).await, 401);
}

#[tokio::test]
async fn with_an_overlap_both_secrets_work_until_it_ends() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (id, old) = (created.field("id"), created.field("key"));

    let answer = rotate(&server, &admin, &id, &json!({ "overlap_seconds": 3600 })).await;
    let new = answer.field("key");

    assert_eq!(answer.json["previous_until"], "2030-01-01T01:00:00Z");
    server.clock.advance(TimeDelta::seconds(3599));
    assert_eq!((status_with(&server, &old).await, status_with(&server, &new).await), (200, 200));
    server.clock.advance(TimeDelta::seconds(1));
    assert_eq!((status_with(&server, &old).await, status_with(&server, &new).await), (401, 200));
    let shown = server.get_as(&admin, &format!("/v1/api-keys/{id}")).await;
    assert_eq!(shown.json["previous_until"], Value::Null);
}

#[tokio::test]
async fn rotating_during_an_overlap_ends_the_oldest_secret() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (id, first) = (created.field("id"), created.field("key"));
    let second = rotate(&server, &admin, &id, &json!({ "overlap_seconds": 3600 })).await.field("key");

    let third = rotate(&server, &admin, &id, &json!({ "overlap_seconds": 3600 })).await.field("key");

    let statuses = [
        status_with(&server, &first).await,
        status_with(&server, &second).await,
        status_with(&server, &third).await,
    ];
    assert_eq!(statuses, [401, 200, 200]);
}

#[tokio::test]
async fn revoking_during_an_overlap_ends_both_secrets() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (id, old) = (created.field("id"), created.field("key"));
    let new = rotate(&server, &admin, &id, &json!({ "overlap_seconds": 3600 })).await.field("key");

    Answer::of(server.request("DELETE", &format!("/v1/api-keys/{id}")).bearer_auth(&admin)).await;

    assert_eq!((status_with(&server, &old).await, status_with(&server, &new).await), (401, 401));
}

#[tokio::test]
async fn an_overlap_that_makes_no_sense_is_refused_and_nothing_rotates() {
    let (server, admin) = start().await;
    let created = create(&server, &admin, &json!({ "label": "CI", "scopes": ["read"] })).await;
    let (id, key) = (created.field("id"), created.field("key"));

    for overlap in
        [json!(-1), json!(i64::MAX), json!(i64::MIN), json!(1.5), json!("3600"), json!(null), json!(1e300)]
    {
        let answer = rotate(&server, &admin, &id, &json!({ "overlap_seconds": overlap })).await;

        let found = (answer.status, answer.json["error"]["field"].as_str());
        assert_eq!(found, (422, Some("overlap_seconds")), "{overlap}: {}", answer.text);
    }
    assert_eq!(status_with(&server, &key).await, 200);
}

#[tokio::test]
async fn an_expired_key_is_said_to_be_and_cannot_be_rotated() {
    let (server, admin) = start().await;
    let body = json!({ "label": "CI", "scopes": ["read"], "expires_at": "2030-01-01T01:00:00Z" });
    let id = create(&server, &admin, &body).await.field("id");
    server.clock.advance(TimeDelta::hours(1));

    let rotated = rotate(&server, &admin, &id, &json!({})).await;

    assert_eq!((rotated.status, rotated.error()), (409, "conflict"));
    assert_eq!(server.get_as(&admin, &format!("/v1/api-keys/{id}")).await.json["status"], "expired");
}
