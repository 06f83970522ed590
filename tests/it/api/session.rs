//! `/api/auth`: register, sign in, who am I, sign out.

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Params;
use argon2::Version;
use argon2::password_hash::PasswordHasher;
use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::TestServer;

fn registration(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "companyName": "Acme Corp" })
}

#[tokio::test]
async fn registering_makes_a_person_with_an_organization() {
    let server = TestServer::start().await;

    let answer = server.post_json("/api/auth/register", &registration("ada@example.com")).await;

    assert_eq!(answer.status, 201, "{}", answer.text);
    let (user, company) = (&answer.json["user"]["id"], &answer.json["company"]["companyId"]);
    assert!(Uuid::parse_str(user.as_str().unwrap()).is_ok());
    assert!(Uuid::parse_str(company.as_str().unwrap()).is_ok());
    assert_eq!(
        answer.json,
        json!({
            "user": { "id": user, "email": "ada@example.com" },
            "company": { "id": 1, "companyId": company, "companyName": "Acme Corp" },
        })
    );
    assert_eq!(server.log_in("ada@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_registered_organization_begins_on_the_free_plan_with_five_dollars() {
    let server = TestServer::start().await;

    server.post_json("/api/auth/register", &registration("ada@example.com")).await;

    assert_eq!(plan_and_credits(&server).await, ("free".to_owned(), 500));
}

#[tokio::test]
async fn how_a_registered_organization_begins_is_configurable() {
    let server = TestServer::start_with(|settings| {
        settings.new_organization_plan = "starter".to_owned();
        settings.new_organization_credits_cents = 1234;
    })
    .await;

    server.post_json("/api/auth/register", &registration("ada@example.com")).await;

    assert_eq!(plan_and_credits(&server).await, ("starter".to_owned(), 1234));
}

async fn plan_and_credits(server: &TestServer) -> (String, i64) {
    sqlx::query_as("select plan, credits_cents from organizations").fetch_one(&server.app.db).await.unwrap()
}

#[tokio::test]
async fn a_taken_address_is_a_conflict_in_whatever_case() {
    let server = TestServer::start().await;
    server.post_json("/api/auth/register", &registration("ada@example.com")).await;

    for email in ["ada@example.com", "ADA@Example.COM", " ada@example.com "] {
        let answer = server.post_json("/api/auth/register", &registration(email)).await;

        assert_eq!(answer.status, 409, "{email}");
        let message = &answer.json["error"]["message"];
        assert!(message.is_string());
        let error = json!({ "code": "USER_CREATION_FAILED", "message": message, "field": "email" });
        assert_eq!(answer.json, json!({ "error": error }));
    }
}

#[tokio::test]
async fn of_two_registrations_at_once_one_wins_and_the_other_leaves_nothing() {
    let server = TestServer::start().await;
    let body = registration("ada@example.com");

    let (one, other) = tokio::join!(
        server.post_json("/api/auth/register", &body),
        server.post_json("/api/auth/register", &body),
    );

    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    let organizations: i64 =
        sqlx::query_scalar("select count(*) from organizations").fetch_one(&server.app.db).await.unwrap();
    assert_eq!(organizations, 1);
}

#[tokio::test]
async fn nobody_registers_where_registration_is_closed() {
    let server = TestServer::start_with(|settings| settings.registration = false).await;

    let answer = server.post_json("/api/auth/register", &registration("ada@example.com")).await;

    assert_eq!((answer.status, answer.error()), (403, "FORBIDDEN"));
    assert_eq!(server.log_in("ada@example.com", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn signing_in_gives_tokens_and_says_who_it_was() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let now = server.clock.now().timestamp();

    let answer = server.log_in("ada@example.com", PASSWORD).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let session = &answer.json["session"];
    assert!(session["access_token"].is_string());
    assert!(session["refresh_token"].as_str().unwrap().starts_with("v1."));
    let expires_at = session["expires_at"].as_i64().unwrap();
    assert!((now + 60..=now + 24 * 3600).contains(&expires_at), "{expires_at} is no moment in epoch seconds");
    assert_eq!(
        answer.json,
        json!({
            "session": {
                "access_token": session["access_token"],
                "refresh_token": session["refresh_token"],
                "expires_at": expires_at,
            },
            "user": { "id": ada.id, "email": "ada@example.com", "companyId": 1 },
        })
    );
}

#[tokio::test]
async fn an_address_is_known_in_whatever_case() {
    let server = TestServer::start().await;
    server.user("ada").await;

    let answer = server.log_in(" Ada@EXAMPLE.com ", PASSWORD).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["user"]["email"], "ada@example.com");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let server = TestServer::start().await;
    server.user("ada").await;

    let wrong = server.log_in("ada@example.com", "not her password").await;
    let unknown = server.log_in("nobody@example.com", "not her password").await;

    assert_eq!(wrong.status, 401);
    assert_eq!(
        wrong.json,
        json!({ "error": { "code": "INVALID_CREDENTIALS", "message": "Invalid email or password" } })
    );
    assert_eq!((unknown.status, &unknown.text), (wrong.status, &wrong.text));
    assert_eq!(names_and_values(&unknown), names_and_values(&wrong));
}

/// Without those that differ between any two answers.
fn names_and_values(answer: &Answer) -> Vec<(String, String)> {
    let differ = ["date", "x-request-id", "x-ratelimit-remaining", "ratelimit"];
    let headers = answer.headers.iter().filter(|(name, _)| !differ.contains(&name.as_str()));
    headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn me_tells_person_and_organization() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await;

    let answer = server.get_as(&session.access_token, "/api/auth/me").await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({
            "user": { "id": ada.id, "email": "ada@example.com", "companyId": 1, "isSuperadmin": false },
            "company": {
                "id": 1,
                "companyId": ada.organization,
                "companyName": "ada Inc",
                "createdAt": "2030-01-01T00:00:00.000Z",
            },
        })
    );
}

#[tokio::test]
async fn an_access_token_ends_when_it_said() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await;
    let life = TimeDelta::seconds(session.expires_at - server.clock.now().timestamp());

    server.clock.advance(life - TimeDelta::seconds(1));
    let before = server.get_as(&session.access_token, "/api/auth/me").await;
    server.clock.advance(TimeDelta::seconds(1));
    let after = server.get_as(&session.access_token, "/api/auth/me").await;

    assert_eq!(before.status, 200);
    assert_eq!((after.status, after.error()), (401, "UNAUTHORIZED"));
}

#[tokio::test]
async fn only_the_persons_own_session_is_me() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let app = server.public_client(ada.organization).await;
    let token = app.tokens(&server, &browser).await.field("access_token");
    let (_, key) = server.key(ada.organization, "admin").await;

    for credential in [token.as_str(), key.as_str(), "junk"] {
        for (method, path) in [("GET", "/api/auth/me"), ("POST", "/api/auth/logout")] {
            let answer = Answer::of(server.request(method, path).bearer_auth(credential)).await;

            assert_eq!((answer.status, answer.error()), (401, "UNAUTHORIZED"), "{path} with {credential}");
        }
    }
    assert_eq!(server.get_as(&token, "/v1/auth/test").await.status, 200);
}

#[tokio::test]
async fn me_and_logout_want_a_token() {
    let server = TestServer::start().await;

    for (method, path) in [("GET", "/api/auth/me"), ("POST", "/api/auth/logout")] {
        let answer = Answer::of(server.request(method, path)).await;

        assert_eq!((answer.status, answer.error()), (401, "UNAUTHORIZED"), "{path}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{path}");
    }
}

#[tokio::test]
async fn signing_out_kills_both_tokens_at_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await;

    let answer =
        Answer::of(server.request("POST", "/api/auth/logout").bearer_auth(&session.access_token)).await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.get_as(&session.access_token, "/api/auth/me").await.status, 401);
    assert_eq!(server.get_as(&session.access_token, "/v1/auth/test").await.status, 401);
    let refreshed = server.refresh_session(&session.refresh_token).await;
    assert_eq!((refreshed.status, refreshed.error()), (401, "REFRESH_FAILED"));
}

#[tokio::test]
async fn signing_out_leaves_the_persons_other_sessions() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (phone, desk) = (server.session_of(&ada).await, server.session_of(&ada).await);

    Answer::of(server.request("POST", "/api/auth/logout").bearer_auth(&phone.access_token)).await;

    assert_eq!(server.get_as(&desk.access_token, "/api/auth/me").await.status, 200);
    assert_eq!(server.refresh_session(&desk.refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_password_stored_with_weaker_parameters_is_stored_anew_at_sign_in() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let weaker = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8 * 1024, 1, 1, None).unwrap());
    let stored = weaker.hash_password(PASSWORD.as_bytes()).unwrap().to_string();
    sqlx::query("update users set password_hash = $1").bind(stored).execute(&server.app.db).await.unwrap();
    let login = json!({ "email": ada.email, "password": PASSWORD });
    let sign_in = || Answer::of(server.request("POST", "/api/auth/login").json(&login));

    assert_eq!(sign_in().await.status, 200);

    let stored: String =
        sqlx::query_scalar("select password_hash from users").fetch_one(&server.app.db).await.unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    assert_eq!(sign_in().await.status, 200);
}
