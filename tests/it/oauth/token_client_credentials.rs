//! `POST /oauth/token` with client credentials (RFC 6749 §4.4).

use chrono::TimeDelta;
use countersign::scopes::Scopes;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::support::Answer;

impl Scene {
    async fn client_credentials(&self, scope: &str) -> Answer {
        self.post_token(&[("grant_type", "client_credentials"), ("scope", scope)]).await
    }
}

#[tokio::test]
async fn a_client_gets_a_token_on_its_own_account() {
    let scene = Scene::confidential().await;

    let answer = scene.client_credentials("read").await;

    assert_eq!(
        answer.json,
        json!({
            "access_token": answer.field("access_token"),
            "token_type": "Bearer",
            "expires_in": 600,
            "scope": "read",
        })
    );
    let who = scene.server.get_as(&answer.field("access_token"), "/v1/auth/test").await;
    assert_eq!(who.json["user"], Value::Null);
    assert_eq!(who.json["client"]["id"], scene.client.id);
    assert_eq!(who.json["organization"]["id"], scene.ada.organization.to_string());
    assert_eq!(who.json["scopes"], json!(["read"]));
}

#[tokio::test]
async fn the_token_says_that_no_person_is_involved() {
    let scene = Scene::confidential().await;

    let answer = scene.client_credentials("read write").await;

    let claims = claims(&answer.field("access_token"));
    let now = scene.server.clock.now().timestamp();
    assert_eq!(
        claims,
        json!({
            "iss": scene.server.issuer(),
            "sub": scene.client.id,
            "aud": scene.server.issuer(),
            "exp": now + 600,
            "iat": now,
            "jti": claims["jti"],
            "client_id": scene.client.id,
            "scope": "read write",
            "org": scene.ada.organization.to_string(),
        })
    );
}

#[tokio::test]
async fn a_client_that_asks_for_no_scope_gets_its_default() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.default_scopes = Scopes::parse("write").unwrap();
    })
    .await;

    let answer = scene.client_credentials("").await;

    assert_eq!(answer.json["scope"], "write");
}

#[tokio::test]
async fn scopes_that_the_client_may_not_ask_for_are_invalid() {
    let scene = Scene::confidential().await;

    for scope in ["admin", "read admin", "unknown", "re\"ad", "read\u{e9}", "read\\", "READ"] {
        let answer = scene.client_credentials(scope).await;

        assert_refused(&answer, 400, "invalid_scope");
    }
}

#[tokio::test]
async fn a_public_client_has_no_account_of_its_own() {
    let scene = Scene::new().await;

    let answer = scene.client_credentials("read").await;

    assert_refused(&answer, 400, "unauthorized_client");
}

#[tokio::test]
async fn a_confidential_client_must_prove_itself() {
    let scene = Scene::confidential().await;
    let mut impostor = scene.client.clone();

    for secret in [None, Some("cs_wrong".to_owned())] {
        impostor.secret = secret;
        let form = [("grant_type", "client_credentials")];
        let answer = impostor.post(&scene.server, "/oauth/token", &form).await;

        assert_refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn the_token_lives_ten_minutes() {
    let scene = Scene::confidential().await;
    let access_token = scene.client_credentials("read").await.field("access_token");

    scene.server.clock.advance(TimeDelta::seconds(599));
    assert!(scene.is_accepted(&access_token).await);
    scene.server.clock.advance(TimeDelta::seconds(1));

    assert!(!scene.is_accepted(&access_token).await);
}

#[tokio::test]
async fn a_disabled_client_s_tokens_are_dead_at_once_and_it_gets_no_others() {
    let scene = Scene::confidential().await;
    let access_token = scene.client_credentials("read").await.field("access_token");

    scene.server.disable_client(&scene.client.id).await;

    assert!(!scene.is_accepted(&access_token).await);
    assert_refused(&scene.client_credentials("read").await, 401, "invalid_client");
}
