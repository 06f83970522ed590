//! Guessing passwords is slowed down, per account and per address.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::TestServer;

const WRONG: &str = "not the password";

/// Guesses until it is told to wait; the answers to all guesses.
async fn guess(server: &TestServer, email: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(server.log_in(email, WRONG).await);
        if answers.last().is_some_and(|answer| answer.status == 429) {
            return answers;
        }
    }
    panic!("twenty guesses at {email} were free");
}

fn retry_after(answer: &Answer) -> i64 {
    answer.header("retry-after").unwrap_or_else(|| panic!("no Retry-After: {}", answer.text)).parse().unwrap()
}

#[tokio::test]
async fn guessing_at_an_account_has_to_wait() {
    let server = TestServer::start().await;
    server.user("ada").await;

    let answers = guess(&server, "ada@example.com").await;

    let (refused, free) = answers.split_last().unwrap();
    assert!(free.len() >= 3, "a person may mistype");
    assert!(free.iter().all(|answer| (answer.status, answer.error()) == (401, "INVALID_CREDENTIALS")));
    let (wait, message) = (retry_after(refused), &refused.json["error"]["message"]);
    assert!(wait >= 1);
    let error = json!({ "code": "RATE_LIMIT_EXCEEDED", "message": message, "retry_after": wait });
    assert_eq!(refused.json, json!({ "error": error }));
}

#[tokio::test]
async fn while_an_account_has_to_wait_the_right_password_waits_too() {
    let server = TestServer::start().await;
    server.user("ada").await;
    guess(&server, "ada@example.com").await;

    let answer = server.log_in("ada@example.com", PASSWORD).await;

    assert_eq!((answer.status, answer.error()), (429, "RATE_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn the_wait_is_over_when_it_was_said_to_be() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let answers = guess(&server, "ada@example.com").await;

    server.clock.advance(TimeDelta::seconds(retry_after(answers.last().unwrap())));

    assert_eq!(server.log_in("ada@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn who_goes_on_guessing_waits_longer() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let mut wait = retry_after(guess(&server, "ada@example.com").await.last().unwrap());
    let first = wait;

    for _ in 0..4 {
        server.clock.advance(TimeDelta::seconds(wait));
        assert_eq!(server.log_in("ada@example.com", WRONG).await.status, 401);
        wait = retry_after(&server.log_in("ada@example.com", WRONG).await);
    }

    assert!(wait > first, "{wait} after {first}");
}

#[tokio::test]
async fn nobody_is_locked_out_for_longer_than_some_minutes() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let mut wait = retry_after(guess(&server, "ada@example.com").await.last().unwrap());
    for _ in 0..12 {
        server.clock.advance(TimeDelta::seconds(wait));
        server.log_in("ada@example.com", WRONG).await;
        wait = retry_after(&server.log_in("ada@example.com", WRONG).await);
    }

    server.clock.advance(TimeDelta::minutes(15));

    assert!(wait <= 15 * 60, "{wait}");
    assert_eq!(server.log_in("ada@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn an_unknown_address_has_to_wait_just_the_same() {
    let (with, without) = (TestServer::start().await, TestServer::start().await);
    with.user("ada").await;

    let known = guess(&with, "ada@example.com").await;
    let unknown = guess(&without, "ada@example.com").await;

    let told = |answers: &[Answer]| -> Vec<(u16, String, Option<String>)> {
        let told = |answer: &Answer| {
            (answer.status, answer.text.clone(), answer.header("retry-after").map(str::to_owned))
        };
        answers.iter().map(told).collect()
    };
    assert_eq!(told(&known), told(&unknown));
}

#[tokio::test]
async fn an_account_is_the_same_in_whatever_case() {
    let server = TestServer::start().await;
    server.user("ada").await;
    guess(&server, "ADA@example.com ").await;

    let answer = server.log_in("ada@example.com", PASSWORD).await;

    assert_eq!(answer.status, 429);
}

#[tokio::test]
async fn another_account_need_not_wait() {
    let server = TestServer::start().await;
    server.user("ada").await;
    server.user("bob").await;
    guess(&server, "ada@example.com").await;

    assert_eq!(server.log_in("bob@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_success_lets_the_account_start_afresh() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let free = guess(&server, "bob@example.com").await.len() - 1;
    for _ in 0..free - 1 {
        assert_eq!(server.log_in("ada@example.com", WRONG).await.status, 401);
    }

    assert_eq!(server.log_in("ada@example.com", PASSWORD).await.status, 200);

    for _ in 0..free - 1 {
        assert_eq!(server.log_in("ada@example.com", WRONG).await.status, 401);
    }
    assert_eq!(server.log_in("ada@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn trying_one_password_on_many_accounts_has_to_wait_too() {
    let server = TestServer::start_with(behind_a_proxy).await;
    server.user("ada").await;
    let mut refused = None;
    for number in 0..100 {
        let answer = log_in_from(&server, "203.0.113.9", &format!("person{number}@example.com"), WRONG).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a hundred guesses from one address were free");

    let same_address = log_in_from(&server, "203.0.113.9", "ada@example.com", PASSWORD).await;
    let other_address = log_in_from(&server, "198.51.100.7", "ada@example.com", PASSWORD).await;

    assert!(retry_after(&refused) >= 1);
    assert_eq!((same_address.status, other_address.status), (429, 200));
}

#[tokio::test]
async fn a_success_does_not_buy_an_address_more_guesses() {
    let server = TestServer::start_with(behind_a_proxy).await;
    server.user("eve").await;

    let mut statuses = Vec::new();
    for number in 0..60 {
        let email = format!("person{number}@example.com");
        statuses.push(log_in_from(&server, "203.0.113.9", &email, WRONG).await.status);
        if number % 5 == 0 {
            log_in_from(&server, "203.0.113.9", "eve@example.com", PASSWORD).await;
        }
    }

    assert!(statuses.contains(&429), "{statuses:?}");
}

fn behind_a_proxy(settings: &mut countersign::app::config::Settings) {
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

async fn log_in_from(server: &TestServer, address: &str, email: &str, password: &str) -> Answer {
    let request = server.request("POST", "/api/auth/login").header("x-forwarded-for", address);
    let request = request.header("x-forwarded-proto", "https");
    Answer::of(request.json(&json!({ "email": email, "password": password }))).await
}

#[tokio::test]
async fn the_page_and_the_session_api_count_together() {
    let server = TestServer::start().await;
    server.user("ada").await;
    guess(&server, "ada@example.com").await;

    let form = [("email", "ada@example.com"), ("password", PASSWORD)];
    let page = server.browser().submit("/login", "/login", &form).await;

    assert_eq!(page.status, 429);
    assert!(retry_after(&page) >= 1);
    assert!(page.text.contains("Too many attempts"), "{}", page.text);
}

#[tokio::test]
async fn guesses_that_are_under_way_at_once_are_counted_each() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let body = json!({ "email": "ada@example.com", "password": WRONG });

    let answers =
        Answer::of_all((0..40).map(|_| server.request("POST", "/api/auth/login").json(&body))).await;

    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(looked_at <= 10, "{looked_at} guesses at once were looked at");
}
