//! Resource indicators (RFC 8707): tokens for other APIs than the built-in one.

use countersign::app::config::Settings;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::oauth::jwks::verified;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;

const FILES: &str = "https://files.example/api";
const MAIL: &str = "https://mail.example";

fn two_resources(settings: &mut Settings) {
    settings.resources = vec![FILES.to_owned(), MAIL.to_owned()];
}

impl Scene {
    async fn with_resources() -> Self {
        Self::with(two_resources, |_| {}).await
    }

    /// A code for `resources`, exchanged with `narrowed` as the resources of the token request.
    async fn tokens_for(&self, resources: &[&str], narrowed: &[&str]) -> Answer {
        let (code, pkce) = self.code_for(resources).await;
        self.exchange_for(&code, &pkce, narrowed).await
    }

    async fn code_for(&self, resources: &[&str]) -> (String, Pkce) {
        let pkce = Pkce::default();
        let changes: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
        let answer = self.client.ask(&self.browser, &pkce, &changes).await;
        (answer.location_params()["code"].clone(), pkce)
    }

    async fn exchange_for(&self, code: &str, pkce: &Pkce, resources: &[&str]) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &pkce.verifier),
        ];
        form.extend(resources.iter().map(|resource| ("resource", *resource)));
        self.post_token(&form).await
    }

    async fn refresh_for_resource(&self, refresh_token: &str, resource: &str) -> Answer {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("resource", resource)];
        self.post_token(&form).await
    }
}

fn audience(answer: &Answer) -> Value {
    claims(&answer.field("access_token"))["aud"].clone()
}

#[tokio::test]
async fn the_resource_becomes_the_audience_and_survives_refreshing() {
    let scene = Scene::with_resources().await;

    let first = scene.tokens_for(&[FILES], &[]).await;
    let second = scene.refresh(&first.field("refresh_token")).await;

    assert_eq!((audience(&first), audience(&second)), (json!(FILES), json!(FILES)));
    assert!(verified(&scene.server, &first.field("access_token"), FILES).await.is_some());
}

#[tokio::test]
async fn several_resources_become_several_audiences() {
    let scene = Scene::with_resources().await;

    let answer = scene.tokens_for(&[FILES, MAIL, FILES], &[]).await;

    assert_eq!(audience(&answer), json!([FILES, MAIL]));
}

#[tokio::test]
async fn a_token_request_may_name_some_of_the_resources() {
    let scene = Scene::with_resources().await;

    let first = scene.tokens_for(&[FILES, MAIL], &[MAIL]).await;
    let second = scene.refresh_for_resource(&first.field("refresh_token"), FILES).await;
    let third = scene.refresh(&second.field("refresh_token")).await;

    assert_eq!(audience(&first), json!(MAIL));
    assert_eq!(audience(&second), json!(FILES));
    assert_eq!(audience(&third), json!([FILES, MAIL]));
}

#[tokio::test]
async fn a_resource_that_was_not_granted_is_an_invalid_target_and_consumes_nothing() {
    let scene = Scene::with_resources().await;
    let (code, pkce) = scene.code_for(&[FILES]).await;
    let refused_code = scene.exchange_for(&code, &pkce, &[MAIL]).await;
    let first = scene.exchange_for(&code, &pkce, &[]).await;
    let refused_refresh = scene.refresh_for_resource(&first.field("refresh_token"), MAIL).await;
    let second = scene.refresh(&first.field("refresh_token")).await;
    let third = scene.refresh(&second.field("refresh_token")).await;

    assert_refused(&refused_code, 400, "invalid_target");
    assert_refused(&refused_refresh, 400, "invalid_target");
    assert_eq!((first.status, second.status, third.status), (200, 200, 200));
}

#[tokio::test]
async fn a_resource_that_the_server_does_not_know_is_an_invalid_target() {
    let scene = Scene::with_resources().await;
    let refresh_token = scene.tokens().await.refresh;

    for resource in [
        "https://unknown.example",
        "https://files.example/api/",
        "https://files.example/api#top",
        "https://files.example/API",
        "/api",
        "files",
    ] {
        let path = scene.client.authorize_path(&Pkce::default(), &[("resource", resource)]);
        let asked = scene.browser.get(&path).await;
        let refreshed = scene.refresh_for_resource(&refresh_token, resource).await;

        assert_eq!(asked.location_params()["error"], "invalid_target", "{resource}");
        assert_refused(&refreshed, 400, "invalid_target");
    }
}

/// Libraries that parse URLs put one there by themselves.
#[tokio::test]
async fn a_slash_behind_a_host_makes_no_difference() {
    let scene = Scene::with_resources().await;
    let issuer = scene.server.issuer();

    let mail = scene.tokens_for(&["https://mail.example/"], &[MAIL]).await;
    let refreshed = scene.refresh_for_resource(&mail.field("refresh_token"), "https://mail.example/").await;
    let own = scene.tokens_for(&[&format!("{issuer}/")], &[]).await;

    assert_eq!(
        [audience(&mail), audience(&refreshed), audience(&own)],
        [MAIL, MAIL, issuer].map(|aud| json!(aud))
    );
    assert!(scene.is_accepted(&own.field("access_token")).await);
}

#[tokio::test]
async fn a_token_for_another_resource_is_none_for_the_built_in_api() {
    let scene = Scene::with_resources().await;

    let answer = scene.tokens_for(&[FILES], &[]).await;

    let access_token = answer.field("access_token");
    assert!(!scene.is_accepted(&access_token).await);
    for path in ["/v1/profile", "/v1/grants", "/v1/api-keys"] {
        assert_eq!(scene.server.get_as(&access_token, path).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn the_built_in_api_can_be_asked_for_like_any_resource() {
    let scene = Scene::with_resources().await;
    let issuer = scene.server.issuer();

    let alone = scene.tokens_for(&[issuer], &[]).await;
    let among_others = scene.tokens_for(&[issuer, FILES], &[]).await;
    let narrowed = scene.refresh_for_resource(&among_others.field("refresh_token"), FILES).await;

    assert_eq!(audience(&alone), json!(issuer));
    assert!(scene.is_accepted(&alone.field("access_token")).await);
    assert!(scene.is_accepted(&among_others.field("access_token")).await);
    assert!(!scene.is_accepted(&narrowed.field("access_token")).await);
}

#[tokio::test]
async fn a_client_on_its_own_account_may_name_a_resource() {
    let scene = Scene::with(two_resources, confidential).await;
    let ask = async |resource| {
        scene.post_token(&[("grant_type", "client_credentials"), ("resource", resource)]).await
    };

    let known = ask(FILES).await;
    let unknown = ask("https://unknown.example").await;

    assert_eq!(audience(&known), json!(FILES));
    assert_refused(&unknown, 400, "invalid_target");
}

#[tokio::test]
async fn a_person_is_told_for_which_resource_they_are_asked() {
    let scene = Scene::with_resources().await;

    let page =
        scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[("resource", FILES)])).await;

    assert_eq!(page.status, 200);
    assert!(page.text.contains(FILES), "{}", page.text);
}

#[tokio::test]
async fn a_consent_for_one_resource_is_none_for_another() {
    let scene = Scene::with_resources().await;
    scene.tokens_for(&[FILES], &[]).await;
    let status = async |changes: &[(&str, &str)]| {
        scene.browser.get(&scene.client.authorize_path(&Pkce::default(), changes)).await.status
    };

    assert_eq!(status(&[("resource", FILES)]).await, 303);
    assert_eq!(status(&[("resource", MAIL)]).await, 200);
    assert_eq!(status(&[("resource", FILES), ("resource", MAIL)]).await, 200);
    assert_eq!(status(&[]).await, 200);
}
