//! `/playground`: runs a flow and shows each request and answer.

use crate::support::Answer;
use crate::support::Browser;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::form_of;

const PAGE: &str = "/playground";

async fn client(server: &TestServer, organization: countersign::base::ids::OrganizationId) -> OAuthClient {
    let callback = format!("{}/playground/callback", server.issuer());
    server.client(organization, |registration| registration.redirect_uris = vec![callback]).await
}

async fn step(browser: &Browser, step: &str) -> Answer {
    let answer = browser.submit(PAGE, "/playground/step", &[("step", step)]).await;
    assert_eq!(answer.status, 303, "{step}: {}", answer.text);
    browser.get(PAGE).await
}

/// From the start to the consent and back with a code.
async fn run_to_the_code(browser: &Browser, client: &OAuthClient) -> Answer {
    let started = browser.submit(PAGE, "/playground/start", &[("client_id", &client.id)]).await;
    assert_eq!(started.status, 303, "{}", started.text);
    let page = browser.get(PAGE).await;
    let consent_url = page.text.split("Go to consent").next().unwrap().rsplit("href=\"").next().unwrap();
    let consent_url = consent_url.split('"').next().unwrap().replace("&#38;", "&");
    let consent = browser.get(&consent_url).await;
    let approved = browser.send(&form_of(&consent, "/oauth/authorize"), &[("decision", "approve")]).await;
    let back = browser.get(approved.location()).await;
    assert_eq!(back.status, 303, "{}", back.text);
    browser.get(PAGE).await
}

#[tokio::test]
async fn a_whole_flow_is_shown_request_by_request() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client(&server, ada.organization).await;
    let browser = server.browser_of(&ada).await;

    let with_code = run_to_the_code(&browser, &client).await;
    let with_tokens = step(&browser, "exchange").await;
    let called = step(&browser, "api").await;
    let refreshed = step(&browser, "refresh").await;
    let revoked = step(&browser, "revoke").await;
    let refused = step(&browser, "api").await;

    assert!(with_code.text.contains("code=") || with_code.text.contains("<code>code</code>"));
    assert!(with_tokens.text.contains("/oauth/token") && with_tokens.text.contains("access_token"));
    assert!(called.text.contains("/v1/auth/test") && called.text.contains("authenticated"));
    assert!(refreshed.text.contains("grant_type=refresh_token"));
    assert!(revoked.text.contains("/oauth/revoke"));
    assert!(refused.text.contains("401"), "{}", refused.text);
}

#[tokio::test]
async fn starting_over_forgets_the_run() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client(&server, ada.organization).await;
    let browser = server.browser_of(&ada).await;
    run_to_the_code(&browser, &client).await;

    let answer = browser.submit(PAGE, "/playground/reset", &[]).await;

    assert_eq!(answer.status, 303);
    let page = browser.get(PAGE).await;
    assert!(page.text.contains("action=\"/playground/start\"") && !page.text.contains("/playground/step"));
}

#[tokio::test]
async fn only_apps_of_the_persons_organizations_that_come_back_here_are_offered() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let own = client(&server, ada.organization).await;
    let elsewhere = server.public_client(ada.organization).await;
    let foreign = client(&server, eve.organization).await;
    let browser = server.browser_of(&ada).await;

    let page = browser.get(PAGE).await;

    assert!(page.text.contains(&own.id));
    assert!(!page.text.contains(&elsewhere.id) && !page.text.contains(&foreign.id));
    for id in [&elsewhere.id, &foreign.id, "x"] {
        let answer = browser.submit(PAGE, "/playground/start", &[("client_id", id)]).await;
        assert_eq!(answer.status, 400, "{id}");
    }
}

#[tokio::test]
async fn a_step_that_is_not_possible_is_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client(&server, ada.organization).await;
    let browser = server.browser_of(&ada).await;
    let csrf = browser.csrf("/settings/account").await;

    assert_eq!(browser.post("/playground/step", &[("csrf", &csrf), ("step", "refresh")]).await.status, 400);
    assert_eq!(browser.get("/playground/callback?code=x&state=y").await.status, 400);
    browser.submit(PAGE, "/playground/start", &[("client_id", &client.id)]).await;
    for step in ["refresh", "retry", "replay", "exchange", "fly", ""] {
        let answer = browser.post("/playground/step", &[("csrf", &csrf), ("step", step)]).await;
        assert_eq!(answer.status, 400, "{step}");
    }
}

#[tokio::test]
async fn where_it_is_off_there_is_nothing() {
    let off = TestServer::start_with(|settings| settings.playground = Some(false)).await;
    let public = TestServer::start_with(|settings| settings.issuer = "https://auth.example".to_owned()).await;

    for server in [off, public] {
        for (method, path) in [
            ("GET", "/playground"),
            ("GET", "/playground/callback"),
            ("POST", "/playground/start"),
            ("POST", "/playground/step"),
            ("POST", "/playground/client-credentials"),
            ("POST", "/playground/reset"),
        ] {
            let answer = Answer::of(server.request(method, path)).await;

            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
}
