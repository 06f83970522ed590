//! How often a credential may ask, and how it is told.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const PATH: &str = "/v1/auth/test";
/// 2030-01-01T00:00:00Z, when the clock of a test begins.
const START: i64 = 1_893_456_000;

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.header(name).unwrap_or_else(|| panic!("no {name} with status {}: {}", answer.status, answer.text))
}

fn limits(answer: &Answer) -> [i64; 3] {
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
        .map(|name| header(answer, name).parse().unwrap())
}

#[tokio::test]
async fn each_plan_has_its_limits() {
    let server = TestServer::start().await;

    for (plan, hour, minute) in
        [("free", 100, 10), ("starter", 500, 50), ("standard", 2000, 100), ("pro", 10_000, 500)]
    {
        let user = server.user_on_plan(plan, plan).await;
        let (_, key) = server.key(user.organization, "read").await;

        let answer = server.get_as(&key, PATH).await;

        assert_eq!(limits(&answer), [minute, minute - 1, START + 60], "{plan}");
        let policy = format!("\"minute\";q={minute};w=60, \"hour\";q={hour};w=3600");
        assert_eq!(header(&answer, "ratelimit-policy"), policy);
        let state = format!("\"minute\";r={};t=60, \"hour\";r={};t=3600", minute - 1, hour - 1);
        assert_eq!(header(&answer, "ratelimit"), state);
    }
}

#[tokio::test]
async fn the_eleventh_request_of_a_minute_is_refused_on_the_free_plan() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;
    server.clock.advance(TimeDelta::seconds(15));
    for left in (0..10).rev() {
        let answer = server.get_as(&key, PATH).await;
        assert_eq!((answer.status, limits(&answer)), (200, [10, left, START + 60]));
    }

    let refused = server.get_as(&key, PATH).await;

    assert_eq!(refused.status, 429);
    assert_eq!(limits(&refused), [10, 0, START + 60]);
    assert_eq!(header(&refused, "retry-after"), "45");
    let message = &refused.json["error"]["message"];
    assert!(message.is_string());
    let error = json!({ "code": "rate_limit_exceeded", "message": message, "retry_after": 45 });
    assert_eq!(refused.json, json!({ "error": error }));
}

#[tokio::test]
async fn when_the_wait_is_over_the_next_request_is_answered() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;
    for _ in 0..10 {
        server.get_as(&key, PATH).await;
    }
    assert_eq!(server.get_as(&key, PATH).await.status, 429);

    server.clock.advance(TimeDelta::seconds(59));
    let early = server.get_as(&key, PATH).await;
    server.clock.advance(TimeDelta::seconds(1));
    let after = server.get_as(&key, PATH).await;

    assert_eq!((early.status, header(&early, "retry-after")), (429, "1"));
    assert_eq!((after.status, limits(&after)), (200, [10, 9, START + 120]));
}

#[tokio::test]
async fn the_hour_holds_although_each_minute_is_kept() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;
    for _ in 0..10 {
        for _ in 0..10 {
            assert_eq!(server.get_as(&key, PATH).await.status, 200);
        }
        server.clock.advance(TimeDelta::minutes(1));
    }

    let refused = server.get_as(&key, PATH).await;
    server.clock.advance(TimeDelta::minutes(50));
    let after = server.get_as(&key, PATH).await;

    assert_eq!((refused.status, limits(&refused)), (429, [100, 0, START + 3600]));
    assert_eq!(header(&refused, "retry-after"), "3000");
    assert_eq!(after.status, 200);
}

#[tokio::test]
async fn a_refused_request_costs_nothing() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;
    for _ in 0..30 {
        server.get_as(&key, PATH).await;
    }
    server.clock.advance(TimeDelta::minutes(1));

    let answer = server.get_as(&key, PATH).await;

    assert_eq!(answer.status, 200);
    assert!(header(&answer, "ratelimit").contains("\"hour\";r=89;"), "{}", header(&answer, "ratelimit"));
}

#[tokio::test]
async fn each_credential_counts_for_itself() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, one) = server.key(ada.organization, "read").await;
    let (_, other) = server.key(ada.organization, "read").await;
    let session = server.session_of(&ada).await.access_token;
    for _ in 0..11 {
        server.get_as(&one, PATH).await;
    }

    assert_eq!(server.get_as(&one, PATH).await.status, 429);
    assert_eq!(server.get_as(&other, PATH).await.status, 200);
    assert_eq!(server.get_as(&session, PATH).await.status, 200);
}

#[tokio::test]
async fn a_new_secret_or_a_new_token_buys_no_more_requests() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, key) = server.key(ada.organization, "read").await;
    let session = server.session_of(&ada).await;
    for _ in 0..10 {
        server.get_as(&key, PATH).await;
        server.get_as(&session.access_token, PATH).await;
    }

    let rotate = server.request("POST", &format!("/v1/api-keys/{id}/rotate")).bearer_auth(&admin);
    let rotated = Answer::of(rotate).await.field("key");
    let refreshed = crate::support::Session::of(&server.refresh_session(&session.refresh_token).await);

    assert_eq!(server.get_as(&rotated, PATH).await.status, 429);
    assert_eq!(server.get_as(&refreshed.access_token, PATH).await.status, 429);
}

#[tokio::test]
async fn every_answer_to_a_known_caller_tells_the_limits() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, reader) = server.key(ada.organization, "read").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for (key, method, path, body, status) in [
        (&reader, "GET", "/v1/profile", "", 200),
        (&reader, "GET", "/v1/api-keys", "", 403),
        (&admin, "GET", "/v1/api-keys?limit=0", "", 400),
        (&admin, "POST", "/v1/api-keys", "{", 400),
        (&admin, "POST", "/v1/api-keys", "{}", 422),
        (&admin, "GET", "/v1/api-keys/key_x", "", 404),
        (&admin, "GET", "/v1/nothing", "", 404),
        (&admin, "GET", "/v1", "", 404),
        (&admin, "GET", "/v1/", "", 404),
        (&admin, "PUT", "/v1/api-keys", "", 405),
    ] {
        let request =
            server.request(method, path).bearer_auth(key).header("content-type", "application/json");
        let answer = Answer::of(request.body(body)).await;

        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert_eq!(limits(&answer)[0], 500, "{method} {path}");
        assert!(header(&answer, "ratelimit").starts_with("\"minute\";r=4"), "{method} {path}");
        assert_eq!(header(&answer, "ratelimit-policy"), "\"minute\";q=500;w=60, \"hour\";q=10000;w=3600");
    }
}

#[tokio::test]
async fn the_answer_itself_tells_the_same_as_its_headers() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    let answer = server.get_as(&key, PATH).await;

    let [limit, remaining, reset] = limits(&answer);
    assert_eq!(answer.json["rate_limit"], json!({ "limit": limit, "remaining": remaining, "reset": reset }));
}

#[tokio::test]
async fn many_requests_at_once_do_not_get_past_the_limit() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;

    let answers = Answer::of_all((0..30).map(|_| server.request("GET", PATH).bearer_auth(&key))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 20);
}
