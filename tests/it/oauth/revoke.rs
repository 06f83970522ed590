//! `POST /oauth/revoke` (RFC 7009).

use chrono::TimeDelta;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::support::Answer;
use crate::support::OAuthClient;
use crate::support::Pkce;

const HINTS: [&str; 4] = ["access_token", "refresh_token", "nonsense", ""];

impl Scene {
    async fn revoke(&self, token: &str, hint: &str) -> Answer {
        self.revoke_by(&self.client, token, hint).await
    }

    async fn revoke_by(&self, client: &OAuthClient, token: &str, hint: &str) -> Answer {
        let form = [("token", token), ("token_type_hint", hint)];
        client.post(&self.server, "/oauth/revoke", &form).await
    }
}

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, &answer.json), (200, &json!({})), "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_the_grant_and_its_access_tokens() {
    let scene = Scene::new().await;

    for hint in HINTS {
        let first = scene.tokens().await;
        let second = scene.refresh(&first.refresh).await;
        let answer = scene.revoke(&second.field("refresh_token"), hint).await;

        assert_done(&answer);
        assert!(!scene.is_accepted(&first.access).await);
        assert!(!scene.is_accepted(&second.field("access_token")).await);
        let refreshed = scene.refresh(&second.field("refresh_token")).await;
        assert_refused(&refreshed, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn revoking_an_access_token_ends_it_alone() {
    let scene = Scene::new().await;

    for hint in HINTS {
        let first = scene.tokens().await;
        let second = scene.refresh(&first.refresh).await;
        let answer = scene.revoke(&first.access, hint).await;

        assert_done(&answer);
        assert!(!scene.is_accepted(&first.access).await);
        assert!(scene.is_accepted(&second.field("access_token")).await);
        assert_eq!(scene.refresh(&second.field("refresh_token")).await.status, 200);
    }
}

#[tokio::test]
async fn a_token_of_the_client_itself_can_be_revoked() {
    let scene = Scene::confidential().await;
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let first = scene.post_token(&form).await.field("access_token");
    let second = scene.post_token(&form).await.field("access_token");

    let answer = scene.revoke(&first, "").await;

    assert_done(&answer);
    assert!(!scene.is_accepted(&first).await);
    assert!(scene.is_accepted(&second).await);
}

#[tokio::test]
async fn a_token_that_the_server_does_not_know_is_as_good_as_revoked() {
    let scene = Scene::new().await;
    let code = scene.code(&Pkce::default()).await;
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;

    for token in ["unknown", "rt_unknown", "a.b.c", "\u{e9}", code.as_str(), key.as_str()] {
        let answer = scene.revoke(token, "").await;

        assert_done(&answer);
    }
    assert!(scene.is_accepted(&key).await);
}

#[tokio::test]
async fn revoking_twice_is_no_error() {
    let scene = Scene::new().await;
    let tokens = scene.tokens().await;

    for token in [&tokens.access, &tokens.access, &tokens.refresh, &tokens.refresh, &tokens.access] {
        let answer = scene.revoke(token, "").await;

        assert_done(&answer);
    }
}

#[tokio::test]
async fn revoking_an_expired_access_token_is_no_error() {
    let scene = Scene::new().await;
    let access_token = scene.tokens().await.access;
    scene.server.clock.advance(TimeDelta::hours(1));

    let answer = scene.revoke(&access_token, "").await;

    assert_done(&answer);
}

#[tokio::test]
async fn a_token_of_another_client_is_refused_and_stays_alive() {
    let scene = Scene::new().await;
    let other = scene.other_client().await;
    let tokens = scene.tokens().await;

    for hint in HINTS {
        for token in [&tokens.access, &tokens.refresh] {
            let answer = scene.revoke_by(&other, token, hint).await;

            assert_eq!(answer.status, 400, "{}", answer.text);
            assert!(answer.json["error"].is_string());
        }
    }
    assert!(scene.is_accepted(&tokens.access).await);
    assert_eq!(scene.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn a_confidential_client_must_prove_itself_to_revoke() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let mut impostor = scene.client.clone();

    for secret in [None, Some("cs_wrong".to_owned())] {
        impostor.secret = secret;
        let answer = scene.revoke_by(&impostor, &tokens.refresh, "").await;

        assert_refused(&answer, 401, "invalid_client");
    }
    assert!(scene.is_accepted(&tokens.access).await);
    assert_eq!(scene.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn a_tampered_refresh_token_revokes_nothing() {
    let scene = Scene::new().await;
    let tokens = scene.tokens().await;

    let cut = scene.revoke(&tokens.refresh[..tokens.refresh.len() - 1], "").await;
    let renamed = scene.revoke(&tokens.refresh.replacen("rt_", "ac_", 1), "").await;

    assert_done(&cut);
    assert_done(&renamed);
    assert!(scene.is_accepted(&tokens.access).await);
}

#[tokio::test]
async fn a_revoked_refresh_token_is_gone_from_the_list_of_consents() {
    let scene = Scene::new().await;
    let tokens = scene.tokens().await;
    assert_eq!(scene.live_grants().await, 1);

    scene.revoke(&tokens.refresh, "").await;

    assert_eq!(scene.live_grants().await, 0);
}
