//! `POST /oauth/token`: what all grants have in common.

use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;

#[tokio::test]
async fn a_code_buys_an_access_token_and_a_refresh_token() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    let answer = scene.exchange(&code, &pkce).await;

    assert_eq!(
        answer.json,
        json!({
            "access_token": answer.field("access_token"),
            "token_type": "Bearer",
            "expires_in": 600,
            "refresh_token": answer.field("refresh_token"),
            "scope": "read write",
        })
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let who = scene.server.get_as(&answer.field("access_token"), "/v1/auth/test").await;
    assert_eq!(who.json["user"]["email"], "ada@example.com");
}

#[tokio::test]
async fn a_request_without_a_grant_type_is_invalid() {
    let scene = Scene::new().await;

    for form in [&[][..], &[("grant_type", "")]] {
        let answer = scene.post_token(form).await;

        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn grant_types_that_the_server_does_not_offer_are_unsupported() {
    let scene = Scene::new().await;

    for grant_type in [
        "password",
        "implicit",
        "AUTHORIZATION_CODE",
        "authorization_code ",
        "refresh_token,authorization_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ] {
        let answer =
            scene.post_token(&[("grant_type", grant_type), ("username", "ada"), ("password", "x")]).await;

        assert_refused(&answer, 400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn every_grant_type_that_is_announced_is_offered() {
    let scene = Scene::confidential().await;
    let metadata = scene.server.get("/.well-known/oauth-authorization-server").await.json;

    for grant_type in metadata["grant_types_supported"].as_array().unwrap() {
        let answer = scene.post_token(&[("grant_type", grant_type.as_str().unwrap())]).await;

        assert!(matches!(answer.error(), "" | "invalid_request"), "{grant_type}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_client_uses_only_the_grant_types_that_it_registered() {
    let scene =
        Scene::with_client(|registration| registration.grant_types = vec!["authorization_code".to_owned()])
            .await;

    for grant_type in ["refresh_token", "client_credentials"] {
        let answer = scene.post_token(&[("grant_type", grant_type), ("refresh_token", "rt_x")]).await;

        assert_refused(&answer, 400, "unauthorized_client");
    }
}

#[tokio::test]
async fn a_client_that_did_not_register_refreshing_gets_no_refresh_token() {
    let scene =
        Scene::with_client(|registration| registration.grant_types = vec!["authorization_code".to_owned()])
            .await;

    let answer = scene.client.tokens(&scene.server, &scene.browser).await;

    assert_eq!(answer.json.get("refresh_token"), None);
    assert!(scene.is_accepted(&answer.field("access_token")).await);
}

#[tokio::test]
async fn parameters_that_no_grant_declares_are_ignored() {
    let scene = Scene::new().await;
    let refresh_token = scene.tokens().await.refresh;

    let answer = scene
        .post_token(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh_token),
            ("access_type", "offline"),
            ("foo", "1"),
            ("foo", "2"),
        ])
        .await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_body_with_raw_spaces_and_unescaped_punctuation_is_read() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let (id, verifier) = (&scene.client.id, &pkce.verifier);

    let form = format!(
        "grant_type=authorization_code&client_id={id}&code={code}&redirect_uri={CALLBACK}&code_verifier={verifier}"
    );
    let exchanged = scene.server.post_form("/oauth/token", &form).await;
    let refresh_token = exchanged.field("refresh_token");
    let form =
        format!("grant_type=refresh_token&client_id={id}&refresh_token={refresh_token}&scope=write read");
    let refreshed = scene.server.post_form("/oauth/token", &form).await;

    assert_eq!(exchanged.status, 200, "{}", exchanged.text);
    assert_eq!(refreshed.json["scope"], "read write");
}

#[tokio::test]
async fn the_content_type_is_read_in_any_spelling() {
    let scene = Scene::new().await;
    let id = &scene.client.id;

    for content_type in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        "APPLICATION/X-WWW-FORM-URLENCODED",
    ] {
        let refresh_token = scene.tokens().await.refresh;
        let body = format!("grant_type=refresh_token&client_id={id}&refresh_token={refresh_token}");
        let request = scene.server.request("POST", "/oauth/token").header("content-type", content_type);
        let answer = Answer::of(request.body(body)).await;

        assert_eq!(answer.status, 200, "{content_type}: {}", answer.text);
    }
}

#[tokio::test]
async fn parameters_in_the_url_are_not_read() {
    let scene = Scene::new().await;
    let (refresh_token, id) = (scene.tokens().await.refresh, &scene.client.id);

    let query = format!("grant_type=refresh_token&refresh_token={refresh_token}&client_id={id}");
    let without_body = scene.server.post_form(&format!("/oauth/token?{query}"), "").await;
    let with_client =
        scene.server.post_form(&format!("/oauth/token?{query}"), &format!("client_id={id}")).await;

    assert_refused(&without_body, 401, "invalid_client");
    assert_refused(&with_client, 400, "invalid_request");
}

#[tokio::test]
async fn no_refusal_repeats_a_secret() {
    let scene = Scene::confidential().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let tokens = scene.tokens().await;
    let secret = scene.client.secret.clone().unwrap();
    let (code, access, refresh, secret) =
        (code.as_str(), tokens.access.as_str(), tokens.refresh.as_str(), secret.as_str());

    for (path, form) in [
        ("/oauth/token", [("grant_type", "authorization_code"), ("code", code)]),
        ("/oauth/token", [("grant_type", "authorization_code"), ("code", refresh)]),
        ("/oauth/token", [("grant_type", "refresh_token"), ("refresh_token", code)]),
        ("/oauth/token", [("grant_type", "refresh_token"), ("refresh_token", access)]),
        ("/oauth/token", [("grant_type", secret), ("code", code)]),
        ("/oauth/token", [("grant_type", "client_credentials"), ("scope", secret)]),
        ("/oauth/token", [("grant_type", "client_credentials"), ("resource", access)]),
        ("/oauth/revoke", [("grant_type", "x"), ("tokens", refresh)]),
        ("/oauth/introspect", [("grant_type", "x"), ("tokens", refresh)]),
    ] {
        let mut form = form.to_vec();
        form.push(("code_verifier", &pkce.verifier));
        let answer = scene.client.post(&scene.server, path, &form).await;

        assert_eq!(answer.status, 400, "{}", answer.text);
        let secrets = [code, access, refresh, secret, &pkce.verifier];
        assert!(!secrets.iter().any(|secret| answer.text.contains(secret)), "{}", answer.text);
    }
}

#[tokio::test]
async fn scripts_of_any_origin_can_read_what_the_token_endpoint_answers() {
    let scene = Scene::new().await;
    let refresh_token = scene.tokens().await.refresh;

    for (token, status) in [(refresh_token.as_str(), 200), ("rt_unknown", 400)] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let request = scene.client.request(&scene.server, "/oauth/token", &form);
        let answer = Answer::of(request.header("origin", "https://spa.example")).await;

        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}
