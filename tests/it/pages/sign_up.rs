//! `/register`

use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::field_of;

const GOOD: [(&str, &str); 3] =
    [("company_name", "Acme & Sons"), ("email", "ada@example.com"), ("password", PASSWORD)];

#[tokio::test]
async fn a_new_person_is_signed_in_and_owns_an_organization() {
    let server = TestServer::start().await;
    let browser = server.browser();

    let answer = browser.submit("/register", "/register", &GOOD).await;

    assert_eq!((answer.status, answer.location()), (303, "/settings"));
    let account = browser.get("/settings/account").await;
    assert!(account.text.contains("ada@example.com") && account.text.contains("Acme &#38; Sons"));
    assert!(account.text.contains("owner"));
    assert_eq!(browser.get("/settings/api").await.status, 200);
    assert_eq!(server.log_in("ada@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_taken_address_is_said_beside_its_field() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let browser = server.browser();

    let answer = browser.submit("/register", "/register", &GOOD).await;

    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("id=\"email-problem\""), "{}", answer.text);
    assert_eq!(browser.get("/settings/account").await.status, 303, "nobody is signed in");
}

#[tokio::test]
async fn a_refused_form_keeps_what_was_typed_but_the_password() {
    let server = TestServer::start().await;
    let long = "x".repeat(3000);

    for (field, value) in [
        ("company_name", ""),
        ("company_name", "   "),
        ("company_name", &long),
        ("email", "ada"),
        ("email", ""),
        ("password", "short"),
        ("password", ""),
        ("password", &long),
    ] {
        let browser = server.browser();
        let changes: Vec<(&str, &str)> =
            GOOD.into_iter().map(|(name, good)| (name, if name == field { value } else { good })).collect();
        let answer = browser.submit("/register", "/register", &changes).await;

        assert_eq!(answer.status, 422, "{field}={value:.20}");
        assert!(answer.text.contains(&format!("id=\"{field}-problem\"")), "{field}: {}", answer.text);
        for (name, typed) in changes.into_iter().filter(|(name, _)| *name != "password") {
            assert_eq!(field_of(&answer, name).as_deref(), Some(typed), "{field}");
        }
        assert_eq!(field_of(&answer, "password").as_deref(), Some(""));
        assert!(!answer.text.contains(PASSWORD));
    }
    let people: i64 =
        sqlx::query_scalar("select count(*) from users").fetch_one(&server.app.db).await.unwrap();
    assert_eq!(people, 0);
}

#[tokio::test]
async fn who_registers_on_the_way_somewhere_gets_there() {
    let server = TestServer::start().await;
    for (number, (next, expected)) in [
        ("/settings/account", "/settings/account"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("person{number}@example.com");
        let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let changes = [("company_name", "Acme"), ("email", email.as_str()), ("password", PASSWORD)];
        let page = format!("/register?next={query}");
        let answer = server.browser().submit(&page, "/register", &changes).await;

        assert_eq!((answer.status, answer.location()), (303, expected), "{next}");
    }
}

#[tokio::test]
async fn where_registration_is_closed_no_page_leads_to_it() {
    let server = TestServer::start_with(|settings| settings.registration = false).await;

    let closed = server.browser().get("/register").await;
    let login = server.browser().get("/login").await;
    let home = server.browser().get("/").await;

    assert_eq!(closed.status, 403);
    assert!(!login.text.contains("/register") && !home.text.contains("/register"));
}
