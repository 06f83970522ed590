//! `/livez`, `/readyz`, and the number of a request.

use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

#[tokio::test]
async fn a_server_that_works_is_live_and_ready() {
    let server = TestServer::start().await;

    let (live, ready) = (server.get("/livez").await, server.get("/readyz").await);

    assert_eq!(live.status, 200);
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json,
        json!({ "status": "ok", "database": "ok", "migrations": "ok", "signing_key": "ok" })
    );
    assert_eq!(ready.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_schema_that_is_behind_is_not_ready() {
    let server = TestServer::start().await;
    sqlx::query("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .execute(&server.app.db)
        .await
        .unwrap();

    let ready = server.get("/readyz").await;

    assert_eq!(ready.status, 503);
    assert!(ready.header("retry-after").is_some());
    assert_eq!((&ready.json["database"], &ready.json["migrations"]), (&json!("ok"), &json!("failing")));
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn every_answer_has_a_number_of_its_own() {
    let server = TestServer::start().await;
    let mut numbers = Vec::new();

    for path in [
        "/",
        "/livez",
        "/nothing",
        "/v1/auth/test",
        "/api/auth/me",
        "/oauth/jwks",
        "/assets/logo.svg",
        "/login",
    ] {
        let answer = server.get(path).await;
        let number = answer.header("x-request-id").unwrap_or_else(|| panic!("{path} has no number"));
        assert!(number.len() >= 8, "{path}: {number}");
        numbers.push(number.to_owned());
    }

    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 8);
}

#[tokio::test]
async fn the_callers_number_is_kept_if_it_is_harmless() {
    let server = TestServer::start().await;
    let long = "x".repeat(65);

    for (given, is_kept) in [
        ("0b8f3c9e-6a0e-4b6e-8f7e-0d8f4c9a7b21", true),
        ("request_1", true),
        ("short", false),
        ("with blanks in it", false),
        ("<script>alert(1)</script>", false),
        ("quote\"quote", false),
        (&long, false),
    ] {
        let answer = Answer::of(server.request("GET", "/livez").header("x-request-id", given)).await;

        assert_eq!(answer.header("x-request-id") == Some(given), is_kept, "{given}");
    }
}
