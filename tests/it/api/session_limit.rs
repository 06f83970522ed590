//! How often one address may ask the session API, whose callers have no credential yet.

use chrono::TimeDelta;
use countersign::app::config::Settings;
use serde_json::json;

use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::TestServer;

const ME: &str = "/api/auth/me";
/// A minute after 2030-01-01T00:00:00Z.
const RESET: &str = "1893456060";

fn behind_a_proxy(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    settings.session_requests_per_minute = 3;
}

async fn ask_from(server: &TestServer, address: &str) -> Answer {
    let request = server.request("GET", ME).header("x-forwarded-for", address);
    Answer::of(request.header("x-forwarded-proto", "https")).await
}

#[tokio::test]
async fn the_sixty_first_request_of_a_minute_is_refused() {
    let server = TestServer::start().await;
    server.user("ada").await;
    for left in (0..60).rev() {
        let answer = server.get(ME).await;
        let told = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
        let told = told.map(|name| answer.header(name).unwrap().to_owned());
        assert_eq!((answer.status, told), (401, ["60", &left.to_string(), RESET].map(str::to_owned)));
    }
    server.clock.advance(TimeDelta::seconds(15));

    let refused = server.log_in("ada@example.com", PASSWORD).await;
    server.clock.advance(TimeDelta::seconds(45));
    let after = server.log_in("ada@example.com", PASSWORD).await;

    let message = "Rate limit exceeded. Please try again later.";
    let error = json!({ "code": "RATE_LIMIT_EXCEEDED", "message": message, "retry_after": 45 });
    assert_eq!((refused.status, &refused.json), (429, &json!({ "error": error })));
    assert_eq!(refused.header("retry-after"), Some("45"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"minute\";q=60;w=60, \"hour\";q=3600;w=3600"));
    assert_eq!(refused.header("ratelimit"), Some("\"minute\";r=0;t=45, \"hour\";r=3540;t=3585"));
    assert_eq!(after.status, 200, "{}", after.text);
}

#[tokio::test]
async fn each_address_counts_for_itself_and_a_subscribers_ipv6_is_one() {
    let server = TestServer::start_with(behind_a_proxy).await;
    for address in ["203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9"] {
        assert_eq!(ask_from(&server, address).await.status, 401);
    }
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"] {
        assert_eq!(ask_from(&server, address).await.status, 401);
    }

    for (address, expected) in [
        ("203.0.113.9", 429),
        ("203.0.113.10", 401),
        ("2001:db8::4", 429),
        ("2001:db8:0:1::4", 401),
        // What is not from a trusted proxy is no address.
        ("6.6.6.6, 203.0.113.9", 429),
    ] {
        assert_eq!(ask_from(&server, address).await.status, expected, "{address}");
    }
}

#[tokio::test]
async fn every_answer_of_the_session_api_tells_the_limit() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let good = json!({ "email": "ada@example.com", "password": PASSWORD });

    for (method, path, body, status) in [
        ("POST", "/api/auth/login", good.to_string(), 200),
        ("POST", "/api/auth/login", "{".to_owned(), 400),
        ("POST", "/api/auth/register", "{}".to_owned(), 422),
        ("POST", "/api/auth/refresh", "{\"refresh_token\":\"v1.x\"}".to_owned(), 401),
        ("GET", ME, String::new(), 401),
        ("POST", "/api/auth/logout", String::new(), 401),
        ("GET", "/api/auth/nothing", String::new(), 404),
        ("GET", "/api/auth/login", String::new(), 405),
    ] {
        let request = server.request(method, path).header("content-type", "application/json").body(body);
        let answer = Answer::of(request).await;

        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert_eq!(answer.header("x-ratelimit-limit"), Some("60"), "{method} {path}");
        assert!(
            answer.header("ratelimit").is_some_and(|value| value.starts_with("\"minute\";r=5")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_credential_api_and_the_pages_are_not_counted_by_address() {
    let server = TestServer::start_with(|settings| settings.session_requests_per_minute = 1).await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    server.get(ME).await;

    assert_eq!(server.get(ME).await.status, 429);
    assert_eq!(server.get_as(&key, "/v1/auth/test").await.status, 200);
    assert_eq!(server.get("/login").await.status, 200);
}
