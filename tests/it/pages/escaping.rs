//! What people type is shown as they typed it, never as markup.

use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::TestServer;
use crate::support::field_of;

const MARKUP: &str = "\"><script>alert('x')</script>&amp;";
const ESCAPED: &str = "&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;amp;";

fn assert_escaped(page: &Answer, what: &str) {
    assert!(!page.text.contains("<script"), "{what}: {}", page.text);
    assert!(page.text.contains(ESCAPED), "{what}: {}", page.text);
}

#[tokio::test]
async fn names_of_organizations_keys_and_apps_are_no_markup() {
    let server = TestServer::start_with(|settings| settings.new_organization_plan = "pro".to_owned()).await;
    let browser = server.browser();
    let form = [("company_name", MARKUP), ("email", "ada@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.submit("/register", "/register", &form).await.status, 303);
    let key = [("label", MARKUP), ("expires_in", "never")];
    assert_escaped(&browser.submit("/settings/api", "/settings/api", &key).await, "the new key");
    let app = [
        ("name", MARKUP),
        ("kind", "confidential"),
        ("redirect_uris", crate::support::CALLBACK),
        ("scope", "read"),
        ("scope", "write"),
    ];
    let shown = browser.submit("/settings/developer/new", "/settings/developer/new", &app).await;
    assert_escaped(&shown, "the new app");
    let id = field_of(&shown, "client_id").unwrap();
    let client = crate::support::OAuthClient { id: id.clone(), secret: field_of(&shown, "client_secret") };

    let consent = browser.get(&client.authorize_path(&Pkce::default(), &[])).await;
    client.tokens(&server, &browser).await;

    assert_escaped(&consent, "the consent page");
    for path in [
        "/settings/api",
        "/settings/apps",
        "/settings/developer",
        "/settings/account",
        &format!("/settings/apps/{id}/remove"),
        &format!("/settings/developer/{id}"),
        &format!("/settings/developer/{id}/delete"),
    ] {
        assert_escaped(&browser.get(path).await, path);
    }
}

#[tokio::test]
async fn what_a_url_carries_is_no_markup() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let app = server.public_client(ada.organization).await;
    let query: String = url::form_urlencoded::byte_serialize(MARKUP.as_bytes()).collect();
    let hint = app.authorize_path(&Pkce::default(), &[("login_hint", MARKUP)]);
    let hint: String = url::form_urlencoded::byte_serialize(hint.as_bytes()).collect();
    let wrong =
        app.authorize_path(&Pkce::default(), &[("redirect_uri", &format!("https://evil.example/{MARKUP}"))]);

    for path in [
        format!("/login?next={query}"),
        format!("/register?next={query}"),
        format!("/login?next={hint}"),
        format!("/oauth/authorize?client_id={query}"),
        format!("/errors/{query}"),
        wrong,
    ] {
        let page = server.get(&path).await;

        assert!(!page.text.contains("<script"), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn what_was_typed_wrong_is_shown_again_as_text() {
    let server = TestServer::start().await;
    let browser = server.browser();

    let login = browser.submit("/login", "/login", &[("email", MARKUP), ("password", "x")]).await;
    let form = [("company_name", MARKUP), ("email", MARKUP), ("password", "x")];
    let register = browser.submit("/register", "/register", &form).await;

    for page in [login, register] {
        assert_escaped(&page, "a form shown again");
        assert_eq!(field_of(&page, "email").as_deref(), Some(MARKUP));
    }
}
