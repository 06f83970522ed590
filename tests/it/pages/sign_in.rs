//! `/login` and `/logout`

use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::field_of;

/// Where nobody may be sent after signing in.
const FOREIGN: [&str; 14] = [
    "https://evil.example/",
    "http://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "\\/evil.example/",
    "/\t/evil.example/",
    "\t//evil.example/",
    " //evil.example/",
    "/\n/evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
];

fn credentials(password: &str) -> [(&str, &str); 2] {
    [("email", "ada@example.com"), ("password", password)]
}

#[tokio::test]
async fn signing_in_leads_to_the_settings() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let browser = server.browser();

    let answer = browser.submit("/login", "/login", &credentials(PASSWORD)).await;

    assert_eq!((answer.status, answer.location()), (303, "/settings"));
    assert_eq!(browser.get("/settings/account").await.status, 200);
}

#[tokio::test]
async fn who_is_signed_in_already_sees_no_form() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;

    let answer = browser.get("/login").await;

    assert_eq!((answer.status, answer.location()), (303, "/settings"));
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_without_a_hint() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let browser = server.browser();

    let wrong = browser.submit("/login", "/login", &credentials("not the password")).await;
    let unknown = [("email", "nobody@example.com"), ("password", "not the password")];
    let unknown = browser.submit("/login", "/login", &unknown).await;

    assert!((400..500).contains(&wrong.status) && wrong.status != 429, "{}", wrong.status);
    assert_eq!(field_of(&wrong, "email").as_deref(), Some("ada@example.com"));
    assert!(wrong.text.contains("role=\"alert\""), "{}", wrong.text);
    assert!(!wrong.text.contains("not the password"), "a password is never shown");
    assert_eq!(unknown.status, wrong.status);
    assert_eq!(unknown.text.replace("nobody@example.com", "ada@example.com"), wrong.text);
    assert_eq!(browser.get("/settings/account").await.status, 303, "nobody is signed in");
}

#[tokio::test]
async fn a_person_goes_on_to_where_they_were_going() {
    let server = TestServer::start().await;
    server.user("ada").await;

    for next in ["/settings/account", "/settings/api?before=x", "/oauth/authorize?client_id=a&state=%26%3D"] {
        let browser = server.browser();
        let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let answer = browser.submit(&format!("/login?next={query}"), "/login", &credentials(PASSWORD)).await;

        assert_eq!((answer.status, answer.location()), (303, next));
    }
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;

    for next in FOREIGN {
        let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = format!("/login?next={query}");
        let by_form = server.browser().submit(&page, "/login", &credentials(PASSWORD)).await;
        let at_once = server.browser_of(&ada).await.get(&page).await;

        for answer in [by_form, at_once] {
            assert_eq!(answer.status, 303, "{next}: {}", answer.text);
            assert!(["/", "/settings"].contains(&answer.location()), "{next} led to {}", answer.location());
        }
    }
}

#[tokio::test]
async fn signing_out_is_asked_before_it_is_done() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;

    let asked = browser.get("/logout").await;
    let still = browser.get("/settings/account").await;
    let done = browser.send(&crate::support::form_of(&asked, "/logout"), &[]).await;

    assert!(asked.status == 200 && asked.text.contains("ada@example.com"));
    assert_eq!(still.status, 200, "a link alone signs nobody out");
    assert_eq!((done.status, done.location()), (303, "/"));
    assert_eq!(browser.get("/settings/account").await.status, 303);
}

#[tokio::test]
async fn who_is_not_signed_in_has_nothing_to_sign_out_of() {
    let server = TestServer::start().await;

    let answer = server.browser().get("/logout").await;

    assert_eq!((answer.status, answer.location()), (303, "/"));
}

#[tokio::test]
async fn a_stranger_is_sent_to_the_sign_in_and_back() {
    let server = TestServer::start().await;
    server.user("ada").await;

    for path in [
        "/settings",
        "/settings/api",
        "/settings/api?before=x%26y",
        "/settings/api/key_1/rotate",
        "/settings/api/key_1/revoke",
        "/settings/apps",
        "/settings/apps/cli_1/remove",
        "/settings/developer",
        "/settings/developer/new",
        "/settings/developer/cli_1",
        "/settings/developer/cli_1/delete",
        "/settings/developer/cli_1/secrets/sec_1/delete",
        "/settings/account",
        "/playground",
    ] {
        let answer = server.browser().get(path).await;

        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.location().starts_with("/login?next="), "{path}: {}", answer.location());
        assert_eq!(answer.location_params()["next"], path);
    }
}

#[tokio::test]
async fn a_page_of_strangers_is_never_kept_by_a_cache() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;

    let mut answers: Vec<Answer> = vec![server.browser().get("/settings/account").await];
    for path in ["/", "/login?next=/", "/settings/account", "/settings/api", "/logout"] {
        answers.push(browser.get(path).await);
    }

    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.text);
    }
}
