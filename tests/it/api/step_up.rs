//! Step-up (RFC 9470): a call behind a proxy that wants a stronger or more recent sign-in.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::OAuthClient;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::form_of;

const PATH: &str = "/v1/auth/verify";
const PASSWORD_ACR: &str = "urn:countersign:acr:password";

struct Scene {
    server: TestServer,
    ada: TestUser,
    browser: Browser,
    client: OAuthClient,
}

impl Scene {
    /// Ada signs in, as the clock begins.
    async fn new() -> Self {
        let server = TestServer::start().await;
        let ada = server.user("ada").await;
        let client = server.confidential_client(ada.organization).await;
        let browser = server.browser_of(&ada).await;
        Self { server, ada, browser, client }
    }

    async fn tokens(&self) -> (String, String) {
        let answer = self.client.tokens(&self.server, &self.browser).await;
        (answer.field("access_token"), answer.field("refresh_token"))
    }

    async fn verify(&self, token: &str, query: &str) -> Answer {
        self.server.get_as(token, &format!("{PATH}?{query}")).await
    }

    fn wait(&self, seconds: i64) {
        self.server.clock.advance(TimeDelta::seconds(seconds));
    }

    /// As a client does it that was challenged: a new request, and what the person makes of it.
    async fn step_up(&self, changes: &[(&str, &str)]) -> String {
        let pkce = Pkce::default();
        let asked = self.browser.get(&self.client.authorize_path(&pkce, changes)).await;
        let form = form_of(&self.browser.get(asked.location()).await, "/login");
        let signed_in = self.browser.send(&form, &[("email", &self.ada.email), ("password", PASSWORD)]).await;
        let page = self.browser.get(signed_in.location()).await;
        let granted = match page.status {
            303 => page,
            _ => self.browser.send(&form_of(&page, "/oauth/authorize"), &[("decision", "approve")]).await,
        };
        let code = granted.location_params().remove("code").unwrap_or_else(|| panic!("{}", granted.text));
        self.client.exchange(&self.server, &code, &pkce).await.field("access_token")
    }
}

/// With the whole challenge.
#[track_caller]
fn assert_challenged(server: &TestServer, answer: &Answer, wants: &str) {
    let message = "This needs a stronger or more recent sign-in";
    let body = json!({ "error": { "code": "insufficient_user_authentication", "message": message } });
    assert_eq!((answer.status, &answer.json), (401, &body), "{}", answer.text);
    let expected = format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"{message}\", \
         resource_metadata=\"{}/.well-known/oauth-protected-resource\", {wants}, DPoP algs=",
        server.issuer()
    );
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with(&expected), "{challenge}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_sign_in_that_is_too_old_is_challenged() {
    let scene = Scene::new().await;
    let (token, _) = scene.tokens().await;
    scene.wait(300);

    let young_enough = scene.verify(&token, "max_age=300").await;
    let too_old = scene.verify(&token, "max_age=299").await;
    let by_now = scene.verify(&token, "max_age=0").await;

    assert_eq!(young_enough.status, 200, "{}", young_enough.text);
    assert_challenged(&scene.server, &too_old, "scope=\"read\", max_age=\"299\"");
    assert_challenged(&scene.server, &by_now, "scope=\"read\", max_age=\"0\"");
}

#[tokio::test]
async fn a_sign_in_that_is_too_weak_is_challenged() {
    let scene = Scene::new().await;
    let (token, _) = scene.tokens().await;

    let strong_enough = scene.verify(&token, &format!("acr_values=urn:example:phr+{PASSWORD_ACR}")).await;
    let too_weak = scene.verify(&token, "acr_values=urn:example:phr+urn:example:phrh&max_age=600").await;

    assert_eq!(strong_enough.status, 200, "{}", strong_enough.text);
    let wants = "scope=\"read\", acr_values=\"urn:example:phr urn:example:phrh\", max_age=\"600\"";
    assert_challenged(&scene.server, &too_weak, wants);
}

/// What an app goes through that was challenged, with these scopes.
async fn assert_opens_with(scope: &str) {
    let scene = Scene::new().await;
    let (token, _) = scene.tokens().await;
    scene.wait(301);
    assert_eq!(scene.verify(&token, "max_age=300").await.status, 401);

    let newer = scene.step_up(&[("max_age", "300"), ("acr_values", PASSWORD_ACR), ("scope", scope)]).await;

    assert_eq!(scene.verify(&newer, &format!("max_age=300&acr_values={PASSWORD_ACR}")).await.status, 200);
    assert_eq!(scene.verify(&token, "max_age=300").await.status, 401, "the old token stays old");
}

#[tokio::test]
async fn a_new_sign_in_opens_what_was_refused() {
    assert_opens_with("openid read write").await;
}

#[tokio::test]
async fn without_openid_it_works_the_same() {
    assert_opens_with("read write").await;
}

/// Or the app would be sent back and forth for ever.
#[tokio::test]
async fn a_sign_in_that_cannot_be_had_is_an_unmet_requirement() {
    let scene = Scene::new().await;
    let (token, _) = scene.tokens().await;
    let wanted = [("acr_values", "urn:example:phr urn:example:phrh")];
    assert_eq!(scene.verify(&token, "acr_values=urn:example:phr+urn:example:phrh").await.status, 401);

    let answer = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &wanted)).await;

    assert_eq!(answer.location_params()["error"], "unmet_authentication_requirements");
}

#[tokio::test]
async fn refreshing_makes_no_sign_in_newer() {
    let scene = Scene::new().await;
    let (_, refresh_token) = scene.tokens().await;
    scene.wait(301);

    let refreshed = scene.client.refresh(&scene.server, &refresh_token).await.field("access_token");

    assert_eq!(scene.verify(&refreshed, "max_age=301").await.status, 200);
    assert_challenged(
        &scene.server,
        &scene.verify(&refreshed, "max_age=300").await,
        "scope=\"read\", max_age=\"300\"",
    );
}

#[tokio::test]
async fn a_token_tells_how_and_when_the_person_signed_in() {
    let scene = Scene::new().await;
    let signed_in_at = scene.server.clock.now().timestamp();
    scene.wait(100);
    let (token, _) = scene.tokens().await;

    let told = scene.client.post(&scene.server, "/oauth/introspect", &[("token", &token)]).await.json;

    for (name, expected) in
        [("auth_time", json!(signed_in_at)), ("acr", json!(PASSWORD_ACR)), ("amr", json!(["pwd"]))]
    {
        assert_eq!(told[name], expected, "{name}");
    }
    assert_eq!(told["iat"], signed_in_at + 100);
}

/// There is nobody behind them who could sign in again.
#[tokio::test]
async fn what_has_no_sign_in_behind_it_never_has_a_sufficient_one() {
    let scene = Scene::new().await;
    let (_, key) = scene.server.key(scene.ada.organization, "read admin").await;
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let own = scene.client.post(&scene.server, "/oauth/token", &form).await.field("access_token");

    for credential in [&key, &own] {
        assert_eq!(scene.verify(credential, "scope=read").await.status, 200);
        for (query, wants) in [
            ("max_age=4000000000".to_owned(), "max_age=\"4000000000\"".to_owned()),
            (format!("acr_values={PASSWORD_ACR}"), format!("acr_values=\"{PASSWORD_ACR}\"")),
        ] {
            let answer = scene.verify(credential, &query).await;
            assert_challenged(&scene.server, &answer, &format!("scope=\"read\", {wants}"));
        }
    }
}

#[tokio::test]
async fn a_session_has_the_sign_in_that_it_began_with() {
    let scene = Scene::new().await;
    let session = scene.server.session_of(&scene.ada).await;
    scene.wait(60);
    let refreshed = scene.server.refresh_session(&session.refresh_token).await;
    let refreshed = refreshed.json["session"]["access_token"].as_str().unwrap().to_owned();

    for token in [&session.access_token, &refreshed] {
        assert_eq!(scene.verify(token, &format!("max_age=60&acr_values={PASSWORD_ACR}")).await.status, 200);
        assert_eq!(scene.verify(token, "max_age=59").await.status, 401);
        assert_eq!(scene.verify(token, "acr_values=urn:example:phr").await.status, 401);
    }
}

#[tokio::test]
async fn a_bad_token_is_told_nothing_of_sign_ins() {
    let scene = Scene::new().await;

    for answer in [
        scene.verify("junk", "max_age=300&acr_values=a").await,
        scene.server.get(&format!("{PATH}?max_age=300&acr_values=a")).await,
    ] {
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!((answer.status, answer.error()), (401, "unauthorized"));
        assert!(!challenge.contains("max_age") && !challenge.contains("acr_values"), "{challenge}");
    }
}

#[tokio::test]
async fn a_lacking_scope_is_told_in_the_same_challenge() {
    let scene = Scene::new().await;
    let (token, _) = scene.tokens().await;
    scene.wait(301);

    let both = scene.verify(&token, "scope=delete&scope=read&max_age=300").await;
    let only_scope = scene.verify(&token, "scope=delete&scope=read&max_age=301").await;

    assert_challenged(&scene.server, &both, "scope=\"read delete\", max_age=\"300\"");
    assert_eq!((only_scope.status, only_scope.error()), (403, "forbidden"));
    let challenge = only_scope.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
}

#[tokio::test]
async fn a_requirement_that_is_none_is_refused() {
    let scene = Scene::new().await;
    let (token, _) = scene.tokens().await;

    for (query, field) in [
        ("max_age=", "max_age"),
        ("max_age=-1", "max_age"),
        ("max_age=%2B1", "max_age"),
        ("max_age=1.5", "max_age"),
        ("max_age=x", "max_age"),
        ("max_age=4294967296", "max_age"),
        ("max_age=1&max_age=1", "max_age"),
        ("acr_values=", "acr_values"),
        ("acr_values=+a", "acr_values"),
        ("acr_values=a++b", "acr_values"),
        ("acr_values=a%22b", "acr_values"),
        ("acr_values=a%5Cb", "acr_values"),
        ("acr_values=%00", "acr_values"),
        ("acr_values=%C3%A9", "acr_values"),
        ("acr_values=a&acr_values=b", "acr_values"),
    ] {
        let answer = scene.verify(&token, query).await;

        assert_eq!((answer.status, answer.error()), (400, "bad_request"), "{query}: {}", answer.text);
        assert_eq!(answer.json["error"]["field"], field, "{query}");
    }
}

/// Whose caller could otherwise do without a new sign-in, or send others to one.
#[tokio::test]
async fn a_requirement_that_is_the_caller_s_own_is_refused() {
    let scene = Scene::new().await;
    let (token, _) = scene.tokens().await;

    for query in ["max_age=300", "acr_values=a"] {
        let request = scene.server.request("GET", &format!("{PATH}?{query}")).bearer_auth(&token);
        let answer = Answer::of(request.header("x-forwarded-uri", format!("/v1/contacts?{query}"))).await;

        assert_eq!((answer.status, answer.error()), (400, "bad_request"), "{query}");
    }
}
