//! `Idempotency-Key` on the credential API.

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

async fn start() -> (TestServer, String) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    (server, admin)
}

fn create(server: &TestServer, credential: &str, key: &str, body: &Value) -> reqwest::RequestBuilder {
    let request = server.request("POST", "/v1/api-keys").bearer_auth(credential);
    request.header("idempotency-key", key).json(body)
}

fn body() -> Value {
    json!({ "label": "CI", "scopes": ["read"] })
}

/// Besides the one that asks.
async fn keys(server: &TestServer, admin: &str) -> usize {
    server.get_as(admin, "/v1/api-keys").await.json["data"].as_array().unwrap().len() - 1
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_again_and_not_done_again() {
    let (server, admin) = start().await;

    let first = Answer::of(create(&server, &admin, "order-1", &body())).await;
    let again = Answer::of(create(&server, &admin, "order-1", &body())).await;

    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(again.text, first.text);
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("cache-control"), Some("no-store"));
    assert_eq!(keys(&server, &admin).await, 1);
}

#[tokio::test]
async fn another_key_is_another_request() {
    let (server, admin) = start().await;

    let first = Answer::of(create(&server, &admin, "order-1", &body())).await;
    let second = Answer::of(create(&server, &admin, "order-2", &body())).await;

    assert_ne!(first.field("key"), second.field("key"));
    assert_eq!(keys(&server, &admin).await, 2);
}

#[tokio::test]
async fn a_key_cannot_be_used_for_another_request() {
    let (server, admin) = start().await;
    Answer::of(create(&server, &admin, "order-1", &body())).await;

    let other = json!({ "label": "Deploy", "scopes": ["read"] });
    let answer = Answer::of(create(&server, &admin, "order-1", &other)).await;

    assert_eq!((answer.status, answer.error()), (422, "validation_error"));
    assert_eq!(keys(&server, &admin).await, 1);
}

#[tokio::test]
async fn keys_of_different_credentials_have_nothing_to_do_with_each_other() {
    let (server, admin) = start().await;
    let eve = server.user("eve").await;
    let (_, foreign) = server.key(eve.organization, "admin").await;

    let own = Answer::of(create(&server, &admin, "order-1", &body())).await;
    let other = Answer::of(create(&server, &foreign, "order-1", &body())).await;

    assert_eq!(other.status, 201);
    assert_ne!(own.field("key"), other.field("key"));
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let (server, admin) = start().await;

    let answers = Answer::of_all((0..8).map(|_| create(&server, &admin, "order-1", &body()))).await;

    assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)));
    let mut created: Vec<String> =
        answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.field("key")).collect();
    created.dedup();
    assert_eq!(created.len(), 1);
    assert_eq!(keys(&server, &admin).await, 1);
}

#[tokio::test]
async fn after_a_day_a_key_is_forgotten() {
    let (server, admin) = start().await;
    let first = Answer::of(create(&server, &admin, "order-1", &body())).await;
    server.clock.advance(TimeDelta::hours(25));

    let later = Answer::of(create(&server, &admin, "order-1", &body())).await;

    assert_eq!(later.status, 201);
    assert_ne!(first.field("key"), later.field("key"));
}

#[tokio::test]
async fn a_kept_answer_tells_a_thief_of_the_database_no_secret() {
    let (server, admin) = start().await;
    let secret = Answer::of(create(&server, &admin, "order-1", &body())).await.field("key");

    let kept: Vec<Vec<u8>> =
        sqlx::query_scalar("select answer_sealed from idempotent_requests where answer_sealed is not null")
            .fetch_all(&server.app.db)
            .await
            .unwrap();

    assert_eq!(kept.len(), 1);
    assert!(!kept[0].windows(secret.len()).any(|part| part == secret.as_bytes()));
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_a_bad_request() {
    let (server, admin) = start().await;

    for key in ["", " ", &"x".repeat(256)] {
        let answer = Answer::of(create(&server, &admin, key, &body())).await;
        assert_eq!((answer.status, answer.error()), (400, "bad_request"), "{key:?}");
    }
    let twice = create(&server, &admin, "one", &body()).header("idempotency-key", "two");
    assert_eq!(Answer::of(twice).await.status, 400);
    assert_eq!(keys(&server, &admin).await, 0);
}
