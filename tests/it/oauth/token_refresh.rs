//! `POST /oauth/token` with a refresh token (RFC 6749 §6).

use chrono::TimeDelta;

use crate::oauth::Scene;
use crate::oauth::Tokens;
use crate::oauth::assert_refused;
use crate::oauth::claims;
use crate::oauth::tampered;
use crate::support::Answer;
use crate::support::Pkce;

impl Scene {
    async fn refresh_for(&self, refresh_token: &str, scope: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)];
        self.post_token(&form).await
    }
}

#[tokio::test]
async fn a_refresh_gives_a_new_access_token_and_a_new_refresh_token() {
    let scene = Scene::new().await;
    let first = scene.tokens().await;

    let second = Tokens::of(&scene.refresh(&first.refresh).await);

    assert_ne!(second.refresh, first.refresh);
    assert_ne!(claims(&second.access)["jti"], claims(&first.access)["jti"]);
    assert_eq!(claims(&second.access)["grant"], claims(&first.access)["grant"]);
    assert!(scene.is_accepted(&second.access).await);
}

#[tokio::test]
async fn an_access_token_lives_ten_minutes() {
    let scene = Scene::new().await;
    let access_token = scene.tokens().await.access;

    scene.server.clock.advance(TimeDelta::seconds(599));
    assert!(scene.is_accepted(&access_token).await);
    scene.server.clock.advance(TimeDelta::seconds(1));

    assert!(!scene.is_accepted(&access_token).await);
}

#[tokio::test]
async fn a_refresh_token_ends_after_thirty_days_without_use() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;

    scene.server.clock.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    let second = scene.refresh(&first).await;
    scene.server.clock.advance(TimeDelta::days(30));
    let too_late = scene.refresh(&second.field("refresh_token")).await;

    assert_eq!(second.status, 200);
    assert_refused(&too_late, 400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_ends_after_a_year_however_often_it_was_used() {
    let scene = Scene::new().await;
    let mut refresh_token = scene.tokens().await.refresh;
    for _ in 0..14 {
        scene.server.clock.advance(TimeDelta::days(26));
        refresh_token = scene.refresh(&refresh_token).await.field("refresh_token");
    }

    scene.server.clock.advance(TimeDelta::hours(23));
    let on_the_last_day = scene.refresh(&refresh_token).await;
    scene.server.clock.advance(TimeDelta::hours(1));
    let after_a_year = scene.refresh(&on_the_last_day.field("refresh_token")).await;

    assert_eq!(on_the_last_day.status, 200);
    assert_refused(&after_a_year, 400, "invalid_grant");
}

#[tokio::test]
async fn a_clients_own_lifetimes_count() {
    let scene = Scene::with_client(|registration| {
        registration.lifetimes.access_token = TimeDelta::seconds(30);
        registration.lifetimes.refresh_token_idle = TimeDelta::minutes(2);
        registration.lifetimes.refresh_token_max = TimeDelta::minutes(3);
    })
    .await;
    let answer = scene.client.tokens(&scene.server, &scene.browser).await;
    let first = Tokens::of(&answer);

    scene.server.clock.advance(TimeDelta::seconds(119));
    let second = scene.refresh(&first.refresh).await;
    scene.server.clock.advance(TimeDelta::seconds(61));
    let after_all = scene.refresh(&second.field("refresh_token")).await;

    assert_eq!(answer.json["expires_in"], 30);
    assert!(!scene.is_accepted(&first.access).await);
    assert_eq!(second.status, 200);
    assert_refused(&after_all, 400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_may_ask_for_fewer_scopes_and_the_next_one_has_all_again() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;

    let narrow = scene.refresh_for(&first, "read").await;
    let next = scene.refresh(&narrow.field("refresh_token")).await;

    assert_eq!(narrow.json["scope"], "read");
    assert_eq!(claims(&narrow.field("access_token"))["scope"], "read");
    assert_eq!(next.json["scope"], "read write");
    assert_eq!(claims(&next.field("access_token"))["scope"], "read write");
}

/// Many apps send with each refresh what they asked for at first.
#[tokio::test]
async fn a_refresh_may_name_all_scopes_that_it_has() {
    let scene = Scene::new().await;
    let asked = "openid offline_access read write";
    let mut refresh_token = scene.tokens_with(&[("scope", asked)]).await.field("refresh_token");

    for (scope, granted) in
        [(asked, asked), ("write read offline_access openid", asked), ("read", "read"), (asked, asked)]
    {
        let answer = scene.refresh_for(&refresh_token, scope).await;

        assert_eq!((answer.status, answer.json["scope"].as_str()), (200, Some(granted)), "{}", answer.text);
        refresh_token = answer.field("refresh_token");
    }
}

#[tokio::test]
async fn a_refresh_never_widens_scopes_and_trying_consumes_nothing() {
    let scene = Scene::new().await;
    let first = scene.tokens().await;

    for scope in ["read write delete", "delete", "admin", "unknown", "re\"ad", "read\u{e9}"] {
        let answer = scene.refresh_for(&first.refresh, scope).await;

        assert_refused(&answer, 400, "invalid_scope");
    }
    assert!(scene.is_accepted(&first.access).await);
    let next = scene.refresh(&first.refresh).await;
    let after = scene.refresh(&next.field("refresh_token")).await;
    assert_eq!((next.status, after.status), (200, 200));
}

#[tokio::test]
async fn a_refresh_token_of_another_client_is_refused_and_stays_good() {
    for (owner, thief_is_public) in [(Scene::new().await, true), (Scene::confidential().await, false)] {
        let organization = owner.ada.organization;
        let thief = if thief_is_public {
            owner.server.public_client(organization).await
        } else {
            owner.server.confidential_client(organization).await
        };
        let tokens = owner.tokens().await;

        let stolen = thief.refresh(&owner.server, &tokens.refresh).await;

        assert_refused(&stolen, 400, "invalid_grant");
        assert!(owner.is_accepted(&tokens.access).await);
        assert_eq!(owner.refresh(&tokens.refresh).await.status, 200);
    }
}

#[tokio::test]
async fn an_old_refresh_token_in_the_hands_of_another_client_revokes_nothing() {
    let scene = Scene::new().await;
    let thief = scene.other_client().await;
    let first = scene.tokens().await.refresh;
    let second = scene.refresh(&first).await.field("refresh_token");
    let third = Tokens::of(&scene.refresh(&second).await);

    let stolen = thief.refresh(&scene.server, &first).await;

    assert_refused(&stolen, 400, "invalid_grant");
    assert!(scene.is_accepted(&third.access).await);
    assert_eq!(scene.refresh(&third.refresh).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_that_differs_in_one_character_is_unknown() {
    let scene = Scene::new().await;
    let tokens = scene.tokens().await;

    for tampered in tampered(&tokens.refresh) {
        let answer = scene.refresh(&tampered).await;

        assert_refused(&answer, 400, "invalid_grant");
    }
    assert!(scene.is_accepted(&tokens.access).await);
    assert_eq!(scene.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn a_code_is_no_refresh_token_and_stays_good() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    let as_refresh_token = scene.refresh(&code).await;
    let as_renamed = scene.refresh(&code.replacen("ac_", "rt_", 1)).await;

    assert_refused(&as_refresh_token, 400, "invalid_grant");
    assert_refused(&as_renamed, 400, "invalid_grant");
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token() {
    let scene = Scene::new().await;
    let tokens = scene.tokens().await;

    let answer = scene.refresh(&tokens.access).await;

    assert_refused(&answer, 400, "invalid_grant");
}

#[tokio::test]
async fn a_failed_client_authentication_does_not_consume_the_refresh_token() {
    let scene = Scene::confidential().await;
    let first = scene.tokens().await.refresh;
    let mut impostor = scene.client.clone();

    impostor.secret = Some("cs_wrong".to_owned());
    let with_wrong_secret = impostor.refresh(&scene.server, &first).await;
    impostor.secret = None;
    let without_secret = impostor.refresh(&scene.server, &first).await;
    let second = scene.refresh(&first).await;
    let third = scene.refresh(&second.field("refresh_token")).await;

    assert_refused(&with_wrong_secret, 401, "invalid_client");
    assert_refused(&without_secret, 401, "invalid_client");
    assert_eq!((second.status, third.status), (200, 200));
}

#[tokio::test]
async fn a_tampered_access_token_is_not_accepted() {
    let scene = Scene::new().await;
    let access_token = scene.tokens().await.access;
    let unsigned = access_token[..=access_token.rfind('.').unwrap()].to_owned();

    // Header, claims and signature. The very last character carries bits that mean nothing.
    let last = access_token.len() - 1;
    let places = tampered(&access_token[..last]).step_by(7);
    for tampered in places.map(|text| format!("{text}{}", &access_token[last..])).chain([unsigned]) {
        let answer = scene.server.get_as(&tampered, "/v1/auth/test").await;

        assert_eq!(answer.status, 401, "{tampered}: {}", answer.text);
    }
    assert!(scene.is_accepted(&access_token).await);
}
