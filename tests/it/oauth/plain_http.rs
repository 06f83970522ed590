//! What carries a secret, a code or a token does not come over plain HTTP (RFC 6749 §10.9).

use countersign::app::config::Settings;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::assert_shown_as_page;
use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::Pkce;

fn behind_a_proxy(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

/// As a proxy passes on what came from afar.
fn from_afar(request: reqwest::RequestBuilder, proto: &str) -> reqwest::RequestBuilder {
    request.header("x-forwarded-for", "203.0.113.9").header("x-forwarded-proto", proto)
}

impl Scene {
    async fn behind_a_proxy() -> Self {
        Self::with(behind_a_proxy, super::confidential).await
    }

    async fn post_from_afar(&self, proto: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(from_afar(self.client.request(&self.server, path, form), proto)).await
    }
}

#[tokio::test]
async fn the_token_and_the_introspection_endpoint_take_https_only() {
    let scene = Scene::behind_a_proxy().await;
    let access_token = scene.tokens().await.access;

    for (path, form) in [
        ("/oauth/token", [("grant_type", "client_credentials")]),
        ("/oauth/introspect", [("token", access_token.as_str())]),
        ("/oauth/device_authorization", [("scope", "read")]),
    ] {
        let plain = scene.post_from_afar("http", path, &form).await;
        let secure = scene.post_from_afar("https", path, &form).await;

        assert_refused(&plain, 403, "invalid_request");
        assert_eq!(secure.status, 200, "{path}: {}", secure.text);
    }
}

#[tokio::test]
async fn a_request_is_pushed_over_https_only() {
    let scene = Scene::behind_a_proxy().await;
    let form = scene.client.authorize_form(&Pkce::default(), &[]);
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

    let plain = scene.post_from_afar("http", "/oauth/par", &form).await;
    let secure = scene.post_from_afar("https", "/oauth/par", &form).await;

    assert_refused(&plain, 403, "invalid_request");
    assert_eq!(secure.status, 201, "{}", secure.text);
}

#[tokio::test]
async fn userinfo_takes_https_only() {
    let scene = Scene::behind_a_proxy().await;
    let token = scene.tokens_with(&[("scope", "openid")]).await.field("access_token");
    let request = || scene.server.request("GET", "/oauth/userinfo").bearer_auth(&token);

    let plain = Answer::of(from_afar(request(), "http")).await;
    let secure = Answer::of(from_afar(request(), "https")).await;

    assert_refused(&plain, 403, "invalid_request");
    assert_eq!(secure.status, 200, "{}", secure.text);
}

/// RFC 7009 §2: a token that was sent that way by mistake should be revoked.
#[tokio::test]
async fn a_token_can_be_revoked_over_plain_http() {
    let scene = Scene::behind_a_proxy().await;
    let tokens = scene.tokens().await;

    let answer = scene.post_from_afar("http", "/oauth/revoke", &[("token", &tokens.refresh)]).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!scene.is_accepted(&tokens.access).await);
}

#[tokio::test]
async fn no_page_is_shown_over_plain_http() {
    let scene = Scene::behind_a_proxy().await;
    let authorize = scene.client.authorize_path(&Pkce::default(), &[]);

    for path in
        [authorize.as_str(), "/oauth/authorize", "/login", "/register", "/device", "/settings/account"]
    {
        let plain = Answer::of(from_afar(scene.browser.request("GET", path), "http")).await;
        let secure = Answer::of(from_afar(scene.browser.request("GET", path), "https")).await;
        let posted = Answer::of(from_afar(scene.browser.request("POST", path), "http")).await;

        assert_shown_as_page(&plain, path);
        assert!(plain.text.contains("HTTPS"), "{path}: {}", plain.text);
        assert_eq!((plain.status, posted.status), (403, 403), "{path}");
        assert_ne!(secure.status, 403, "{path}");
    }
}

#[tokio::test]
async fn nobody_logs_in_to_the_session_api_over_plain_http() {
    let scene = Scene::behind_a_proxy().await;
    let body = json!({ "email": scene.ada.email, "password": PASSWORD });
    let request = || scene.server.request("POST", "/api/auth/login").json(&body);

    let plain = Answer::of(from_afar(request(), "http")).await;
    let secure = Answer::of(from_afar(request(), "https")).await;

    assert_eq!((plain.status, plain.error()), (403, "INSECURE_CONNECTION"));
    assert_eq!(secure.status, 200, "{}", secure.text);
}

#[tokio::test]
async fn what_tells_nothing_secret_is_there_for_all() {
    let scene = Scene::behind_a_proxy().await;

    for path in ["/.well-known/oauth-authorization-server", "/oauth/jwks", "/livez"] {
        let answer = Answer::of(from_afar(scene.server.request("GET", path), "http")).await;

        assert_eq!(answer.status, 200, "{path}");
    }
}
