//! `POST /oauth/introspect` (RFC 7662).

use chrono::TimeDelta;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::claims;
use crate::support::Answer;
use crate::support::Pkce;

impl Scene {
    /// By its own client.
    async fn introspect(&self, token: &str) -> Answer {
        self.client.post(&self.server, "/oauth/introspect", &[("token", token)]).await
    }

    async fn introspect_with(&self, header: &str, value: &str, token: &str) -> Answer {
        let request = self.server.request("POST", "/oauth/introspect").header(header, value);
        Answer::of(request.form(&[("token", token)])).await
    }
}

#[track_caller]
fn assert_inactive(answer: &Answer) {
    assert_eq!((answer.status, &answer.json), (200, &json!({ "active": false })), "{}", answer.text);
}

#[tokio::test]
async fn an_access_token_is_described() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;

    let answer = scene.introspect(&tokens.access).await;

    let claims = claims(&tokens.access);
    let now = scene.server.clock.now().timestamp();
    assert_eq!(
        answer.json,
        json!({
            "active": true,
            "scope": "read write",
            "client_id": scene.client.id,
            "username": "ada@example.com",
            "token_type": "Bearer",
            "exp": now + 600,
            "iat": now,
            "sub": scene.ada.id,
            "aud": scene.server.issuer(),
            "iss": scene.server.issuer(),
            "jti": claims["jti"],
            "auth_time": now,
            "acr": "urn:countersign:acr:password",
            "amr": ["pwd"],
            "org": scene.ada.organization.to_string(),
            "grant": claims["grant"],
        })
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_refresh_token_is_described() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;

    let answer = scene.introspect(&tokens.refresh).await;

    let now = scene.server.clock.now().timestamp();
    assert_eq!(
        answer.json,
        json!({
            "active": true,
            "scope": "read write",
            "client_id": scene.client.id,
            "token_type": "refresh_token",
            "exp": now + 30 * 24 * 3600,
            "iat": now,
            "sub": scene.ada.id,
            "iss": scene.server.issuer(),
            "org": scene.ada.organization.to_string(),
            "grant": claims(&tokens.access)["grant"],
        })
    );
}

#[tokio::test]
async fn an_api_key_is_described() {
    let scene = Scene::confidential().await;
    let (id, key) = scene.server.key(scene.ada.organization, "read delete").await;

    let answer = scene.introspect(&key).await;

    assert_eq!(
        answer.json,
        json!({
            "active": true,
            "scope": "read delete",
            "token_type": "api_key",
            "iat": scene.server.clock.now().timestamp(),
            "org": scene.ada.organization.to_string(),
            "key": id.to_string(),
        })
    );
}

#[tokio::test]
async fn the_hint_may_be_anything() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;

    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        for token in [&tokens.access, &tokens.refresh] {
            let form = [("token", token.as_str()), ("token_type_hint", hint)];
            let answer = scene.client.post(&scene.server, "/oauth/introspect", &form).await;

            assert_eq!(answer.json["active"], true, "{hint}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_key_with_admin_may_ask_in_either_header() {
    let scene = Scene::confidential().await;
    let token = scene.tokens().await.access;
    let (_, key) = scene.server.key(scene.ada.organization, "admin").await;

    for (header, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
        ("x-api-key", key),
    ] {
        let answer = scene.introspect_with(header, &value, &token).await;

        assert_eq!(answer.json["active"], true, "{header}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_key_without_admin_may_not_ask() {
    let scene = Scene::confidential().await;
    let token = scene.tokens().await.access;
    let (_, key) = scene.server.key(scene.ada.organization, "read write delete").await;

    for (header, value) in [("authorization", format!("Bearer {key}")), ("x-api-key", key)] {
        let answer = scene.introspect_with(header, &value, &token).await;

        assert_eq!(answer.status, 403, "{}", answer.text);
        assert_eq!(answer.json.get("active"), None);
    }
}

#[tokio::test]
async fn a_public_client_may_not_ask() {
    let scene = Scene::new().await;
    let token = scene.tokens().await.access;

    let answer = scene.introspect(&token).await;

    assert_refused(&answer, 401, "invalid_client");
}

#[tokio::test]
async fn a_stranger_may_not_ask() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let (id, revoked) = scene.server.key(scene.ada.organization, "admin").await;
    scene.server.revoke_key(scene.ada.organization, id).await;

    for (header, value) in [
        ("x-nothing", "1"),
        ("x-api-key", "sk_unknown"),
        ("x-api-key", &revoked),
        ("authorization", &format!("Bearer {revoked}")),
        ("authorization", &format!("Bearer {}", tokens.access)),
        ("authorization", "Basic Y2xpX3g6eA=="),
    ] {
        let answer = scene.introspect_with(header, value, &tokens.access).await;

        assert_eq!(answer.status, 401, "{header}: {value}: {}", answer.text);
        assert!(answer.header("www-authenticate").is_some(), "{header}: {value}");
        assert_eq!(answer.json.get("active"), None);
    }
}

#[tokio::test]
async fn of_other_organizations_tokens_nothing_is_told() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;
    let bob = scene.server.user("bob").await;
    let bobs_client = scene.server.confidential_client(bob.organization).await;
    let (_, bobs_key) = scene.server.key(bob.organization, "admin").await;

    for token in [&tokens.access, &tokens.refresh, &key] {
        let form = [("token", token.as_str())];
        let by_client = bobs_client.post(&scene.server, "/oauth/introspect", &form).await;
        let by_key = scene.introspect_with("x-api-key", &bobs_key, token).await;

        assert_inactive(&by_client);
        assert_inactive(&by_key);
    }
}

#[tokio::test]
async fn what_is_no_token_is_inactive() {
    let scene = Scene::confidential().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let tokens = scene.tokens().await;

    for token in [
        "unknown",
        "rt_",
        "rt_unknown",
        "a.b.c",
        "sk_0000000000000000000000000000000000000000000000",
        "\u{e9}",
        &code,
        &tokens.access[..tokens.access.len() - 4],
        &tokens.refresh[..tokens.refresh.len() - 4],
        &"A".repeat(20_000),
    ] {
        let answer = scene.introspect(token).await;

        assert_inactive(&answer);
    }
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn what_has_expired_is_inactive() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;

    scene.server.clock.advance(TimeDelta::minutes(10));
    assert_inactive(&scene.introspect(&tokens.access).await);
    assert_eq!(scene.introspect(&tokens.refresh).await.json["active"], true);
    scene.server.clock.advance(TimeDelta::days(30));

    assert_inactive(&scene.introspect(&tokens.refresh).await);
}

#[tokio::test]
async fn what_was_revoked_is_inactive_at_once() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let (id, key) = scene.server.key(scene.ada.organization, "read").await;

    scene.client.post(&scene.server, "/oauth/revoke", &[("token", &tokens.refresh)]).await;
    scene.server.revoke_key(scene.ada.organization, id).await;

    for token in [tokens.access, tokens.refresh, key] {
        assert_inactive(&scene.introspect(&token).await);
    }
}

#[tokio::test]
async fn an_access_token_revoked_alone_is_inactive_and_its_refresh_token_active() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;

    scene.client.post(&scene.server, "/oauth/revoke", &[("token", &tokens.access)]).await;

    assert_inactive(&scene.introspect(&tokens.access).await);
    assert_eq!(scene.introspect(&tokens.refresh).await.json["active"], true);
}

#[tokio::test]
async fn looking_at_a_refresh_token_does_not_consume_it() {
    let scene = Scene::confidential().await;
    let first = scene.tokens().await.refresh;
    let second = scene.refresh(&first).await.field("refresh_token");
    let third = scene.refresh(&second).await.field("refresh_token");

    for token in [&first, &second, &third, &third] {
        scene.introspect(token).await;
    }

    assert_inactive(&scene.introspect(&first).await);
    assert_eq!(scene.refresh(&second).await.field("refresh_token"), third);
    assert_eq!(scene.refresh(&third).await.status, 200);
}

#[tokio::test]
async fn a_database_that_is_away_is_an_outage_and_not_an_inactive_token() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let (_, key) = scene.server.key(scene.ada.organization, "admin").await;

    scene.server.lose_database().await;
    let by_client = scene.introspect(&tokens.access).await;
    let by_key = scene.introspect_with("x-api-key", &key, &tokens.refresh).await;
    scene.server.database.bring_back().await;

    for answer in [by_client, by_key] {
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(answer.json.get("active"), None);
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(scene.introspect(&tokens.access).await.json["active"], true);
}
