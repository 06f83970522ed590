//! `/settings/apps`: the apps that a person allowed.

use crate::support::TestServer;
use crate::support::form_of;

const APPS: &str = "/settings/apps";

#[tokio::test]
async fn an_app_is_listed_once_it_is_allowed() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let app = server.public_client(bob.organization).await;
    let browser = server.browser_of(&ada).await;
    assert!(browser.get(APPS).await.text.contains("No app has access"));

    app.tokens(&server, &browser).await;

    let page = browser.get(APPS).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Test app") && page.text.contains("by bob Inc"), "{}", page.text);
    assert!(page.text.contains("not reviewed"));
    assert!(server.browser_of(&bob).await.get(APPS).await.text.contains("No app has access"));
}

#[tokio::test]
async fn removing_an_app_is_asked_first_and_then_ends_its_tokens_at_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let app = server.public_client(ada.organization).await;
    let browser = server.browser_of(&ada).await;
    let tokens = app.tokens(&server, &browser).await;
    let more = app.tokens(&server, &browser).await;
    let path = format!("{APPS}/{}/remove", app.id);

    let asked = browser.get(&path).await;
    let before = server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status;
    let answer = browser.send(&form_of(&asked, &path), &[]).await;

    assert!(asked.status == 200 && asked.text.contains("Test app"));
    assert_eq!(before, 200, "looking at the question removes nothing");
    assert_eq!((answer.status, answer.location()), (303, APPS));
    for tokens in [tokens, more] {
        assert_eq!(server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
        assert_eq!(app.refresh(&server, &tokens.field("refresh_token")).await.error(), "invalid_grant");
    }
    let page = browser.get(APPS).await;
    assert!(page.text.contains("Test app no longer has access."), "{}", page.text);
    assert!(page.text.contains("No app has access"));
}

#[tokio::test]
async fn removing_an_app_leaves_what_others_allowed_it() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let app = server.public_client(ada.organization).await;
    let browser = server.browser_of(&ada).await;
    app.tokens(&server, &browser).await;
    let of_bob = app.tokens(&server, &server.browser_of(&bob).await).await;

    let path = format!("{APPS}/{}/remove", app.id);
    browser.submit(&path, &path, &[]).await;

    assert_eq!(server.get_as(&of_bob.field("access_token"), "/v1/auth/test").await.status, 200);
}

#[tokio::test]
async fn an_app_that_is_not_connected_cannot_be_removed() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let app = server.public_client(ada.organization).await;
    let of_ada = app.tokens(&server, &server.browser_of(&ada).await).await;
    let foreign = server.browser_of(&bob).await;
    let csrf = foreign.csrf(APPS).await;

    for id in [app.id.as_str(), "x", "%00"] {
        let path = format!("{APPS}/{id}/remove");
        assert_eq!(foreign.get(&path).await.status, 404, "{path}");
        assert_eq!(foreign.post(&path, &[("csrf", &csrf)]).await.status, 404, "{path}");
    }
    assert_eq!(server.get_as(&of_ada.field("access_token"), "/v1/auth/test").await.status, 200);
}

#[tokio::test]
async fn an_app_that_was_removed_asks_again() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let app = server.public_client(ada.organization).await;
    let browser = server.browser_of(&ada).await;
    app.tokens(&server, &browser).await;
    let path = format!("{APPS}/{}/remove", app.id);
    browser.submit(&path, &path, &[]).await;

    let answer = browser.get(&app.authorize_path(&crate::support::Pkce::default(), &[])).await;

    assert_eq!(answer.status, 200, "the consent page, not a redirect to {:?}", answer.header("location"));
    assert!(answer.text.contains("Test app"));
}
