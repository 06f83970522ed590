//! `/playground`: runs a flow and shows each request and answer.

use chrono::TimeDelta;
use countersign::base::ids::OrganizationId;
use countersign::clients::registration::AuthMethod;
use countersign::clients::registration::CLIENT_CREDENTIALS;
use countersign::clients::registration::DEVICE_CODE;
use countersign::clients::registration::Registration;
use countersign::clients::registration::TOKEN_EXCHANGE;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::form_of;

const PAGE: &str = "/playground";

async fn client(server: &TestServer, organization: OrganizationId) -> OAuthClient {
    client_with(server, organization, |_| {}).await
}

/// One that comes back to the playground.
async fn client_with(
    server: &TestServer,
    organization: OrganizationId,
    adjust: impl FnOnce(&mut Registration),
) -> OAuthClient {
    let callback = format!("{}/playground/callback", server.issuer());
    let client = server.client(organization, |registration| {
        registration.redirect_uris = vec![callback];
        adjust(registration);
    });
    client.await
}

fn for_everything(registration: &mut Registration) {
    registration.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
    registration.grant_types.extend([CLIENT_CREDENTIALS, DEVICE_CODE, TOKEN_EXCHANGE].map(str::to_owned));
}

/// The page after the start of a run that asks for `scopes`.
async fn start(browser: &Browser, client: &OAuthClient, grant: &str, scopes: &[&str]) -> Answer {
    let secret = client.secret.as_deref().unwrap_or_default();
    let mut form = vec![("client_id", client.id.as_str()), ("grant", grant), ("client_secret", secret)];
    form.extend(scopes.iter().map(|scope| ("scope", *scope)));
    let started = browser.submit(PAGE, "/playground/start", &form).await;
    assert_eq!(started.status, 303, "{}", started.text);
    browser.get(PAGE).await
}

async fn step(browser: &Browser, step: &str) -> Answer {
    let answer = browser.submit(PAGE, "/playground/step", &[("step", step)]).await;
    assert_eq!(answer.status, 303, "{step}: {}", answer.text);
    browser.get(PAGE).await
}

/// Of a started run: to the consent, and back with a code.
async fn consent(browser: &Browser, page: &Answer) -> Answer {
    let consent_url = page.text.split("Go to consent").next().unwrap().rsplit("href=\"").next().unwrap();
    let consent_url = consent_url.split('"').next().unwrap().replace("&#38;", "&");
    let consent = browser.get(&consent_url).await;
    let approved = browser.send(&form_of(&consent, "/oauth/authorize"), &[("decision", "approve")]).await;
    let back = browser.get(approved.location()).await;
    assert_eq!(back.status, 303, "{}", back.text);
    browser.get(PAGE).await
}

async fn run_to_the_code(browser: &Browser, client: &OAuthClient) -> Answer {
    let started = start(browser, client, "code", &["read", "write"]).await;
    consent(browser, &started).await
}

/// What the last step shows.
fn latest(page: &Answer) -> &str {
    let latest = page.text.split("id=\"latest\"").nth(1).unwrap();
    latest.split("</li>").next().unwrap()
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
async fn an_app_that_a_person_signs_in_to_is_shown_who_it_is() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client(&server, ada.organization).await;
    let browser = server.browser_of(&ada).await;

    let started = start(&browser, &client, "code", &["openid", "email", "read"]).await;
    consent(&browser, &started).await;
    let with_tokens = step(&browser, "exchange").await;
    let told = step(&browser, "userinfo").await;

    assert!(latest(&started).contains("<code>nonce</code>"));
    assert!(latest(&with_tokens).contains("id_token, decoded"), "{}", latest(&with_tokens));
    assert!(latest(&with_tokens).contains("&#34;nonce&#34;: "), "{}", latest(&with_tokens));
    assert!(latest(&told).contains("/oauth/userinfo") && latest(&told).contains(&ada.email));
}

#[tokio::test]
async fn a_request_is_pushed_and_the_browser_sent_with_a_reference() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let public = client(&server, ada.organization).await;
    let confidential = client_with(&server, ada.organization, for_everything).await;

    for client in [public, confidential] {
        let browser = server.browser_of(&ada).await;
        let started = start(&browser, &client, "pushed", &["read"]).await;
        let with_code = consent(&browser, &started).await;
        let with_tokens = step(&browser, "exchange").await;

        assert!(started.text.contains("/oauth/par") && started.text.contains("201 Created"));
        assert!(latest(&started).contains("request_uri") && !latest(&started).contains("redirect_uri"));
        assert!(latest(&with_code).contains("state is the one from above"), "{}", latest(&with_code));
        assert!(latest(&with_tokens).contains("&#34;access_token&#34;"), "{}", latest(&with_tokens));
    }
}

#[tokio::test]
async fn a_device_shows_its_code_and_asks_until_the_person_has_decided() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client_with(&server, ada.organization, for_everything).await;
    let browser = server.browser_of(&ada).await;

    let started = start(&browser, &client, "device", &["openid", "read"]).await;
    let user_code = started.text.split("/device?user_code=").nth(1).unwrap()[..9].to_owned();
    let pending = step(&browser, "poll").await;
    let too_soon = step(&browser, "poll").await;
    browser.allow_device(&user_code).await;
    server.clock.advance(TimeDelta::seconds(15));
    let with_tokens = step(&browser, "poll").await;

    assert!(started.text.contains(&format!("<p class=\"user-code\">{user_code}</p>")), "{}", started.text);
    assert!(latest(&pending).contains("authorization_pending"), "{}", latest(&pending));
    assert!(latest(&too_soon).contains("slow_down"), "{}", latest(&too_soon));
    assert!(latest(&with_tokens).contains("&#34;refresh_token&#34;"), "{}", latest(&with_tokens));
    assert!(latest(&with_tokens).contains("id_token, decoded"), "{}", latest(&with_tokens));
    assert!(!with_tokens.text.contains("value=\"poll\"") && !with_tokens.text.contains("user-code"));
    let called = step(&browser, "api").await;
    assert!(latest(&called).contains("&#34;authenticated&#34;: true"), "{}", latest(&called));
}

#[tokio::test]
async fn a_device_that_was_refused_asks_no_more() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client_with(&server, ada.organization, for_everything).await;
    let browser = server.browser_of(&ada).await;
    let started = start(&browser, &client, "device", &["read"]).await;
    let user_code = started.text.split("/device?user_code=").nth(1).unwrap()[..9].to_owned();
    browser.decide_on_device(&user_code, &[("decision", "deny")]).await;

    let refused = step(&browser, "poll").await;

    assert!(latest(&refused).contains("access_denied"), "{}", latest(&refused));
    assert!(!refused.text.contains("action=\"/playground/step\""));
}

#[tokio::test]
async fn an_agent_gets_a_part_of_the_access_and_loses_it_alone() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client_with(&server, ada.organization, for_everything).await;
    let browser = server.browser_of(&ada).await;
    run_to_the_code(&browser, &client).await;
    step(&browser, "exchange").await;

    let part = [("step", "pass_on"), ("scope", "read"), ("label", "Night watch")];
    let passed_on = browser.submit(PAGE, "/playground/step", &part).await;
    let with_agent = browser.get(PAGE).await;
    let apps = browser.get("/settings/apps").await;
    let as_agent = step(&browser, "api_as_agent").await;
    step(&browser, "revoke_agent").await;
    let dead = step(&browser, "api_as_agent").await;
    let alive = step(&browser, "api").await;

    assert_eq!(passed_on.status, 303, "{}", passed_on.text);
    assert!(latest(&with_agent).contains("&#34;scope&#34;: &#34;read&#34;"), "{}", latest(&with_agent));
    assert!(latest(&with_agent).contains("&#34;act&#34;: "), "{}", latest(&with_agent));
    assert!(apps.text.contains("Night watch"));
    assert!(latest(&as_agent).contains("200 OK"), "{}", latest(&as_agent));
    assert!(latest(&dead).contains("401"), "{}", latest(&dead));
    assert!(latest(&alive).contains("200 OK"), "{}", latest(&alive));
}

#[tokio::test]
async fn an_app_asks_for_itself_and_introspects() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = client_with(&server, ada.organization, for_everything).await;
    let browser = server.browser_of(&ada).await;

    let with_token = start(&browser, &client, "client_credentials", &["openid", "read"]).await;
    let known = step(&browser, "introspect").await;
    step(&browser, "revoke").await;
    let dead = step(&browser, "introspect").await;

    assert!(latest(&with_token).contains("grant_type=client_credentials\n&#38;scope=read</pre>"));
    assert!(latest(&with_token).contains("&#34;access_token&#34;"), "{}", latest(&with_token));
    assert!(!with_token.text.contains("pass_on") && !with_token.text.contains("/oauth/userinfo"));
    assert!(latest(&known).contains("&#34;active&#34;: true"), "{}", latest(&known));
    assert!(latest(&dead).contains("&#34;active&#34;: false"), "{}", latest(&dead));
}

#[tokio::test]
async fn only_what_the_app_is_registered_for_is_offered() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let (code, pushed) = ("code", "pushed");
    let (device, credentials) = ("device", "client_credentials");
    let organization = ada.organization;
    let usual = client(&server, organization).await;
    let all = client_with(&server, organization, for_everything).await;
    let pushing =
        client_with(&server, organization, |app| app.require_pushed_authorization_requests = true).await;
    let elsewhere = server.client(organization, for_everything).await;

    for (client, offered) in [
        (usual, vec![code, pushed]),
        (all, vec![code, pushed, device, credentials]),
        (pushing, vec![pushed]),
        (elsewhere, vec![device, credentials]),
    ] {
        let page = browser.get(&format!("{PAGE}?client_id={}", client.id)).await;

        let has_secret = client.secret.is_some();
        assert_eq!(page.text.contains("name=\"client_secret\""), has_secret, "{offered:?}");
        for grant in [code, pushed, device, credentials] {
            let radio = format!("name=\"grant\" value=\"{grant}\"");
            assert_eq!(page.text.contains(&radio), offered.contains(&grant), "{grant} of {offered:?}");
            if !offered.contains(&grant) {
                let form = form_of(&page, "/playground/start");
                let answer = browser.send(&form, &[("grant", grant), ("client_secret", "x")]).await;
                assert_eq!(answer.status, 400, "{grant} of {offered:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_confidential_app_needs_its_secret() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    client_with(&server, ada.organization, for_everything).await;
    let browser = server.browser_of(&ada).await;

    let answer = browser.submit(PAGE, "/playground/start", &[("grant", "device"), ("scope", "delete")]).await;

    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("Test app is confidential: it needs its secret."));
    assert!(
        answer.text.contains("value=\"device\" checked") && answer.text.contains("value=\"delete\" checked")
    );
    assert!(
        !answer.text.contains("value=\"code\" checked") && !answer.text.contains("value=\"read\" checked")
    );
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
async fn only_apps_of_the_persons_organizations_that_can_get_a_token_here_are_offered() {
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
    start(&browser, &client, "code", &[]).await;
    for step in
        ["refresh", "retry", "replay", "exchange", "poll", "pass_on", "userinfo", "revoke_agent", "fly", ""]
    {
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
            ("POST", "/playground/reset"),
        ] {
            let answer = Answer::of(server.request(method, path)).await;

            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
}
