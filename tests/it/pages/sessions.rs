//! Sessions of browsers: the cookie, how a session begins, and how it ends.

use chrono::TimeDelta;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::field_of;

const COOKIE: &str = "countersign";

async fn sign_in(browser: &Browser, user: &TestUser) -> Answer {
    let form = [("email", user.email.as_str()), ("password", PASSWORD)];
    browser.submit("/login", "/login", &form).await
}

/// With nothing but this session cookie.
async fn account_with(server: &TestServer, cookie: &str) -> Answer {
    Answer::of(server.request("GET", "/settings/account").header("cookie", format!("{COOKIE}={cookie}")))
        .await
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_from_other_sites() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;

    let answer = sign_in(&server.browser(), &ada).await;

    let line = answer.set_cookie(COOKIE).unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(line.split("; ").any(|found| found == attribute), "{line}");
    }
    assert!(!line.contains("Domain"), "{line}");
}

#[tokio::test]
async fn over_https_the_cookies_belong_to_this_host_and_to_https_alone() {
    let server = TestServer::start_with(|settings| settings.issuer = "https://auth.example".to_owned()).await;
    let ada = server.user("ada").await;

    let page = server.get("/login").await;
    let csrf_cookie = page.set_cookie("__Host-countersign-csrf").unwrap().to_owned();
    let (pair, token) = (csrf_cookie.split(';').next().unwrap(), field_of(&page, "csrf").unwrap());
    let form = [("email", ada.email.as_str()), ("password", PASSWORD), ("csrf", &token), ("next", "")];
    let answer = Answer::of(server.request("POST", "/login").header("cookie", pair).form(&form)).await;

    assert_eq!(answer.status, 303, "{}", answer.text);
    let session_cookie = answer.set_cookie("__Host-countersign").unwrap().to_owned();
    for line in [csrf_cookie, session_cookie] {
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure"] {
            assert!(line.split("; ").any(|found| found == attribute), "{line}");
        }
        assert!(!line.contains("Domain"), "{line}");
    }
}

#[tokio::test]
async fn a_visitor_who_does_not_sign_in_has_no_session() {
    let server = TestServer::start().await;
    let browser = server.browser();
    for path in ["/", "/login", "/register", "/errors", "/settings/account"] {
        assert!(browser.get(path).await.set_cookie(COOKIE).is_none(), "{path}");
    }

    let sessions: i64 =
        sqlx::query_scalar("select count(*) from browser_sessions").fetch_one(&server.app.db).await.unwrap();

    assert_eq!(sessions, 0);
}

#[tokio::test]
async fn a_planted_session_is_not_the_one_that_a_person_gets() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let app = server.public_client(ada.organization).await;
    let browser = server.browser();
    let planted = sign_in(&browser, &eve).await.cookie(COOKIE).unwrap();
    let next: String = url::form_urlencoded::byte_serialize(
        app.authorize_path(&crate::support::Pkce::default(), &[("prompt", "login")]).as_bytes(),
    )
    .collect();

    let form = [("email", ada.email.as_str()), ("password", PASSWORD)];
    let answer = browser.submit(&format!("/login?next={next}"), "/login", &form).await;

    assert_eq!(answer.status, 303, "{}", answer.text);
    let fresh = answer.cookie(COOKIE).unwrap();
    assert_ne!(fresh, planted);
    assert_eq!(account_with(&server, &planted).await.status, 303, "the planted one is over");
    assert!(account_with(&server, &fresh).await.text.contains("ada@example.com"));
}

#[tokio::test]
async fn a_made_up_session_is_not_taken_over() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let made_up = "AAAAAAAAAAAAAAAAAAAAAA";
    let page = server.get("/login").await;
    let csrf_cookie = page.cookie("countersign-csrf").unwrap();
    let token = field_of(&page, "csrf").unwrap();

    let form = [("email", ada.email.as_str()), ("password", PASSWORD), ("csrf", &token), ("next", "")];
    let request = server.request("POST", "/login").form(&form);
    let cookies = format!("{COOKIE}={made_up}; countersign-csrf={csrf_cookie}");
    let answer = Answer::of(request.header("cookie", cookies)).await;

    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_ne!(answer.cookie(COOKIE).unwrap(), made_up);
    assert_eq!(account_with(&server, made_up).await.status, 303);
}

#[tokio::test]
async fn a_cookie_that_is_none_of_ours_is_nobody() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let good = sign_in(&server.browser(), &ada).await.cookie(COOKIE).unwrap();

    for cookie in
        ["", "x", "%00", "AAAAAAAAAAAAAAAAAAAAAA", &good[1..], &good.to_uppercase(), &"A".repeat(4000)]
    {
        let answer = account_with(&server, cookie).await;

        assert_eq!(answer.status, 303, "{cookie}");
        assert!(answer.location().starts_with("/login?"), "{cookie}");
    }
    assert_eq!(account_with(&server, &good).await.status, 200);
}

#[tokio::test]
async fn signing_out_ends_the_session_not_just_the_cookie() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser();
    let kept = sign_in(&browser, &ada).await.cookie(COOKIE).unwrap();
    assert_eq!(account_with(&server, &kept).await.status, 200);

    browser.submit("/settings/account", "/logout", &[]).await;

    assert_eq!(account_with(&server, &kept).await.status, 303);
}

#[tokio::test]
async fn the_database_holds_no_cookie() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let cookie = sign_in(&server.browser(), &ada).await.cookie(COOKIE).unwrap();

    let row: String = sqlx::query_scalar("select browser_sessions::text from browser_sessions")
        .fetch_one(&server.app.db)
        .await
        .unwrap();

    assert!(!row.contains(&cookie), "{row}");
    assert!(!row.contains(PASSWORD), "{row}");
}

#[tokio::test]
async fn two_weeks_without_a_visit_end_a_session() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (visiting, idle) = (server.browser_of(&ada).await, server.browser_of(&ada).await);
    server.clock.advance(TimeDelta::days(13));
    assert_eq!(visiting.get("/settings/account").await.status, 200);

    server.clock.advance(TimeDelta::days(2));

    assert_eq!(visiting.get("/settings/account").await.status, 200, "a visit begins the two weeks anew");
    assert_eq!(idle.get("/settings/account").await.status, 303);
}
