//! `/settings/apps`: the apps that a person allowed.

use countersign::clients::registration::AuthMethod;
use countersign::clients::registration::Registration;
use countersign::clients::registration::TOKEN_EXCHANGE;

use crate::support::Answer;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::TestUser;
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

/// Two of the same organization that may pass access on, and what the first one has of Ada's.
async fn with_an_agent(server: &TestServer, ada: &TestUser) -> (OAuthClient, Answer, Answer) {
    let for_exchange = |registration: &mut Registration| {
        registration.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
        registration.grant_types.push(TOKEN_EXCHANGE.to_owned());
    };
    let app = server.client(ada.organization, for_exchange).await;
    let service = server
        .client(ada.organization, |registration| {
            for_exchange(registration);
            "Reports".clone_into(&mut registration.name);
        })
        .await;
    let tokens = app.tokens(server, &server.browser_of(ada).await).await;
    let form = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", &tokens.field("access_token")),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "read"),
        ("label", "nightly <report> agent"),
    ];
    let passed_on = service.post(server, "/oauth/token", &form).await;
    assert_eq!(passed_on.status, 200, "{}", passed_on.text);
    (app, tokens, passed_on)
}

/// The link by which the one part on a page is removed.
fn link_to_remove(page: &Answer) -> String {
    let (_, rest) = page.text.split_once("href=\"/settings/apps/parts/").unwrap();
    format!("{APPS}/parts/{}", rest.split('"').next().unwrap())
}

#[tokio::test]
async fn what_an_app_passed_on_stands_under_it() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    with_an_agent(&server, &ada).await;

    let page = server.browser_of(&ada).await.get(APPS).await;

    assert_eq!(page.text.matches("<h2 id=\"app-").count(), 1, "one app: {}", page.text);
    for said in ["nightly &#60;report&#62; agent", "to Reports", "in 1 hour", ">read<"] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
}

#[tokio::test]
async fn what_an_app_passed_on_can_be_removed_alone() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, tokens, passed_on) = with_an_agent(&server, &ada).await;
    let browser = server.browser_of(&ada).await;
    let path = link_to_remove(&browser.get(APPS).await);

    let answer = browser.submit(&path, &path, &[]).await;

    assert_eq!((answer.status, answer.location()), (303, APPS));
    assert_eq!(server.get_as(&passed_on.field("access_token"), "/v1/auth/test").await.status, 401);
    assert_eq!(server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 200);
    let page = browser.get(APPS).await;
    assert!(page.text.contains("no longer has access") && page.text.contains("Test app"), "{}", page.text);
    assert!(!page.text.contains("to Reports"), "{}", page.text);
    assert_eq!(browser.get(&path).await.status, 404);
}

#[tokio::test]
async fn what_ones_own_app_was_not_given_cannot_be_removed() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let (_, _, passed_on) = with_an_agent(&server, &ada).await;
    let path = link_to_remove(&server.browser_of(&ada).await.get(APPS).await);
    let foreign = server.browser_of(&bob).await;
    let csrf = foreign.csrf(APPS).await;

    for path in [path.as_str(), "/settings/apps/parts/x/remove", "/settings/apps/parts/%00/remove"] {
        assert_eq!(foreign.get(path).await.status, 404, "{path}");
        assert_eq!(foreign.post(path, &[("csrf", &csrf)]).await.status, 404, "{path}");
    }
    assert_eq!(server.get_as(&passed_on.field("access_token"), "/v1/auth/test").await.status, 200);
}
