//! The database is away: nobody is told anything wrong, nobody is signed out, and it is over by itself.

use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::OAuthClient;
use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::TestUser;

/// One of everything that is asked with while the database is away.
struct Before {
    server: TestServer,
    ada: TestUser,
    browser: Browser,
    client: OAuthClient,
    access_token: String,
    refresh_token: String,
    key: String,
    session: crate::support::Session,
}

impl Before {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let ada = server.user("ada").await;
        let browser = server.browser_of(&ada).await;
        let client = server.confidential_client(ada.organization).await;
        let tokens = client.tokens(&server, &browser).await;
        let (_, key) = server.key(ada.organization, "admin").await;
        let session = server.session_of(&ada).await;
        let (access_token, refresh_token) = (tokens.field("access_token"), tokens.field("refresh_token"));
        Self { server, ada, browser, client, access_token, refresh_token, key, session }
    }

    async fn introspect(&self, token: &str) -> Answer {
        self.client.post(&self.server, "/oauth/introspect", &[("token", token)]).await
    }
}

fn assert_away(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 503, "{what}: {}", answer.text);
    let wait = answer.header("retry-after").unwrap_or_else(|| panic!("{what}: no Retry-After"));
    assert!(wait.parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{what}: {wait}");
    for word in ["sqlx", "postgres", "database \"", "test_", "pool"] {
        assert!(!answer.text.to_lowercase().contains(word), "{what} tells too much: {}", answer.text);
    }
}

#[tokio::test]
async fn the_protocol_says_to_come_back_later() {
    let before = Before::start().await;
    before.server.lose_database().await;

    let refreshed = before.client.refresh(&before.server, &before.refresh_token).await;
    let form = [("grant_type", "client_credentials")];
    let own = before.client.post(&before.server, "/oauth/token", &form).await;
    let revoked =
        before.client.post(&before.server, "/oauth/revoke", &[("token", &before.refresh_token)]).await;

    for (answer, what) in [(refreshed, "refresh"), (own, "client credentials"), (revoked, "revocation")] {
        assert_away(&answer, what);
        assert_eq!(answer.error(), "temporarily_unavailable", "{what}");
    }
}

#[tokio::test]
async fn introspection_never_calls_a_token_inactive() {
    let before = Before::start().await;
    before.server.lose_database().await;

    for token in [&before.access_token, &before.refresh_token, &before.key] {
        let by_client = before.introspect(token).await;
        let by_key = before.server.request("POST", "/oauth/introspect").header("x-api-key", &before.key);
        let by_key = Answer::of(by_key.form(&[("token", token)])).await;

        for answer in [by_client, by_key] {
            assert_away(&answer, token);
            assert!(!answer.text.contains("active\""), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_credential_api_says_to_come_back_later() {
    let before = Before::start().await;
    before.server.lose_database().await;

    for credential in [&before.key, &before.access_token, &before.session.access_token] {
        for path in ["/v1/auth/test", "/v1/api-keys", "/v1/nothing"] {
            let answer = before.server.get_as(credential, path).await;

            assert_away(&answer, path);
            let error = json!({
                "code": "unavailable",
                "message": answer.json["error"]["message"],
                "retry_after": answer.json["error"]["retry_after"],
            });
            assert_eq!(answer.json, json!({ "error": error }), "{path}");
        }
    }
}

#[tokio::test]
async fn junk_is_still_known_to_be_junk() {
    let before = Before::start().await;
    before.server.lose_database().await;

    for junk in ["junk", "sk_junk", &format!("{}x", before.key)] {
        assert_eq!(before.server.get_as(junk, "/v1/auth/test").await.status, 401, "{junk}");
    }
}

#[tokio::test]
async fn the_session_api_says_to_come_back_later() {
    let before = Before::start().await;
    before.server.lose_database().await;

    let register = json!({ "email": "eve@example.com", "password": PASSWORD, "companyName": "Eve" });
    for (answer, what) in [
        (before.server.log_in(&before.ada.email, PASSWORD).await, "login"),
        (before.server.post_json("/api/auth/register", &register).await, "register"),
        (before.server.refresh_session(&before.session.refresh_token).await, "refresh"),
        (before.server.get_as(&before.session.access_token, "/api/auth/me").await, "me"),
    ] {
        assert_away(&answer, what);
        assert_eq!(answer.error(), "UNAVAILABLE", "{what}");
    }
}

#[tokio::test]
async fn pages_say_to_come_back_later_and_keep_the_person_signed_in() {
    let before = Before::start().await;
    let csrf = before.browser.csrf("/settings/account").await;
    let sign_in = before.server.browser();
    let sign_in_csrf = sign_in.csrf("/login").await;
    before.server.lose_database().await;

    let mut answers = Vec::new();
    for path in
        ["/", "/login", "/logout", "/settings/api", "/settings/apps", "/settings/account", "/playground"]
    {
        answers.push((path, before.browser.get(path).await));
    }
    let key = [("csrf", csrf.as_str()), ("label", "x"), ("scope", "read"), ("expires_in", "never")];
    answers.push(("a form", before.browser.post("/settings/api", &key).await));
    answers.push(("signing out", before.browser.post("/logout", &[("csrf", &csrf)]).await));
    for (browser, csrf) in [(&sign_in, &sign_in_csrf), (&before.browser, &csrf)] {
        let form = [
            ("csrf", csrf.as_str()),
            ("email", before.ada.email.as_str()),
            ("password", PASSWORD),
            ("next", ""),
        ];
        answers.push(("signing in", browser.post("/login", &form).await));
    }

    for (what, answer) in answers {
        assert_away(&answer, what);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{what}");
        assert!(answer.set_cookie("countersign").is_none(), "{what}: the cookie stays");
    }
    before.server.database.bring_back().await;
    assert_eq!(before.browser.get("/settings/account").await.status, 200);
}

#[tokio::test]
async fn an_authorization_request_is_not_lost_to_the_app() {
    let before = Before::start().await;
    let path = before.client.authorize_path(&crate::support::Pkce::default(), &[]);
    before.server.lose_database().await;

    let answer = before.browser.get(&path).await;

    assert_away(&answer, "authorize");
    assert_eq!(answer.header("location"), None, "where to is not known without the database");
}

#[tokio::test]
async fn what_needs_no_database_goes_on() {
    let before = Before::start().await;
    before.server.lose_database().await;

    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/oauth/jwks",
        "/errors/unavailable",
        "/assets/logo.svg",
    ] {
        assert_eq!(before.server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_process_lives_but_is_not_ready() {
    let server = TestServer::start().await;
    let ready = server.get("/readyz").await;
    server.lose_database().await;

    let (live, unready) = (server.get("/livez").await, server.get("/readyz").await);
    server.database.bring_back().await;
    let again = server.get("/readyz").await;

    assert_eq!((ready.status, live.status, unready.status, again.status), (200, 200, 503, 200));
    assert_away(&unready, "readyz");
    assert_eq!(unready.json["database"], "failing");
    assert_eq!(unready.json["signing_key"], "ok");
}

#[tokio::test]
async fn it_is_over_by_itself() {
    let before = Before::start().await;
    before.server.lose_database().await;
    assert_away(&before.server.get_as(&before.key, "/v1/auth/test").await, "while it is away");

    before.server.database.bring_back().await;

    let server = &before.server;
    assert_eq!(server.get_as(&before.key, "/v1/auth/test").await.status, 200);
    assert_eq!(server.get_as(&before.access_token, "/v1/auth/test").await.status, 200);
    assert_eq!(before.introspect(&before.access_token).await.json["active"], true);
    assert_eq!(before.client.refresh(server, &before.refresh_token).await.status, 200);
    assert_eq!(server.refresh_session(&before.session.refresh_token).await.status, 200);
    assert_eq!(before.browser.get("/settings/account").await.status, 200);
    assert_eq!(server.log_in(&before.ada.email, PASSWORD).await.status, 200);
}
