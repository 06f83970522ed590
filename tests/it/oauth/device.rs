//! Devices without a browser (RFC 8628): `POST /oauth/device_authorization`, and polling at `/oauth/token`. The page at
//! which their people decide is tested with the pages.

use std::collections::HashSet;

use chrono::TimeDelta;
use countersign::app::config::Settings;
use countersign::clients::registration::DEVICE_CODE;
use countersign::organizations::member;
use countersign::scopes::Scopes;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::support::Answer;
use crate::support::DeviceCodes;
use crate::support::OAuthClient;
use crate::support::Prover;
use crate::support::for_devices;

const ENDPOINT: &str = "/oauth/device_authorization";

impl Scene {
    async fn with_device() -> Self {
        Self::with_client(for_devices).await
    }

    async fn device_codes(&self) -> DeviceCodes {
        self.client.device_codes(&self.server, &[("scope", "read write")]).await
    }

    async fn ask_as_device(&self, form: &[(&str, &str)]) -> Answer {
        self.client.post(&self.server, ENDPOINT, form).await
    }

    async fn poll(&self, codes: &DeviceCodes) -> Answer {
        self.client.poll(&self.server, &codes.device).await
    }

    /// After so many seconds.
    async fn poll_after(&self, codes: &DeviceCodes, seconds: i64) -> Answer {
        self.server.clock.advance(TimeDelta::seconds(seconds));
        self.poll(codes).await
    }
}

#[tokio::test]
async fn a_device_gets_a_code_for_itself_and_one_for_its_person() {
    let scene = Scene::with_device().await;

    let answer = scene.ask_as_device(&[("scope", "read"), ("device_name", "ignored"), ("max_age", "")]).await;

    let page = format!("{}/device", scene.server.issuer());
    let user_code = answer.field("user_code");
    assert_eq!(
        answer.json,
        json!({
            "device_code": answer.field("device_code"),
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={user_code}"),
            "expires_in": 600,
            "interval": 5,
        })
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn user_codes_are_easy_to_type_and_hard_to_guess() {
    let scene = Scene::with_device().await;

    let mut seen = HashSet::new();
    for _ in 0..20 {
        let code = scene.device_codes().await.user;

        let (first, second) = code.split_once('-').unwrap();
        assert_eq!((first.len(), second.len()), (4, 4), "{code}");
        assert!(code.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ-".contains(c)), "{code}");
        assert!(seen.insert(code));
    }
}

#[tokio::test]
async fn a_device_code_cannot_be_guessed() {
    let scene = Scene::with_device().await;

    let (one, other) = (scene.device_codes().await.device, scene.device_codes().await.device);

    let random = one.strip_prefix("dc_").unwrap();
    assert!(random.len() >= 43 && random.chars().all(|c| c.is_ascii_alphanumeric()), "{one}");
    assert_ne!(one, other);
}

#[tokio::test]
async fn a_client_proves_itself_as_at_the_token_endpoint() {
    let scene = Scene::with_client(confidential).await;
    let codes = scene.device_codes().await;
    scene.browser.allow_device(&codes.user).await;
    let nobody = OAuthClient { id: "cli_00000000000000000000000000000000".to_owned(), secret: None };

    for client in [
        OAuthClient { secret: None, ..scene.client.clone() },
        OAuthClient { secret: Some("cs_wrong".to_owned()), ..scene.client.clone() },
        nobody,
    ] {
        let asked = client.post(&scene.server, ENDPOINT, &[]).await;
        let polled = client.poll(&scene.server, &codes.device).await;

        assert_refused(&asked, 401, "invalid_client");
        assert_refused(&polled, 401, "invalid_client");
    }
    assert_eq!(scene.poll(&codes).await.status, 200, "nothing was used up");
}

#[tokio::test]
async fn a_client_without_the_grant_is_unauthorized() {
    let scene = Scene::new().await;

    let asked = scene.ask_as_device(&[("scope", "read")]).await;
    let polled = scene.client.poll(&scene.server, "dc_x").await;

    assert_refused(&asked, 400, "unauthorized_client");
    assert_refused(&polled, 400, "unauthorized_client");
}

#[tokio::test]
async fn hostile_parameters_get_a_clear_error() {
    let scene = Scene::with_device().await;
    let many = "read ".repeat(3000);

    for (form, error) in [
        (vec![("scope", "read"), ("scope", "read")], "invalid_request"),
        (vec![("scope", "read\0")], "invalid_request"),
        (vec![("scope", "nonsense")], "invalid_scope"),
        (vec![("scope", "admin")], "invalid_scope"),
        (vec![("scope", "re\"ad")], "invalid_scope"),
        (vec![("scope", "読む")], "invalid_scope"),
        (vec![("scope", &many)], "invalid_scope"),
        (vec![("resource", "https://unknown.example/")], "invalid_target"),
        (vec![("resource", "not a uri")], "invalid_target"),
    ] {
        let answer = scene.ask_as_device(&form).await;

        assert_refused(&answer, 400, error);
    }
    for form in [vec![], vec![("device_code", "")], vec![("device_code", "a"), ("device_code", "b")]] {
        let form = [vec![("grant_type", DEVICE_CODE)], form].concat();
        assert_refused(&scene.post_token(&form).await, 400, "invalid_request");
    }
    for unknown in ["dc_x", "dc_", "読む", "rt_x", &"a".repeat(60_000)] {
        assert_refused(&scene.client.poll(&scene.server, unknown).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_device_waits_until_its_person_has_decided() {
    let scene = Scene::with_device().await;
    let codes = scene.device_codes().await;

    for _ in 0..3 {
        assert_refused(&scene.poll_after(&codes, 5).await, 400, "authorization_pending");
    }
    scene.browser.get(&format!("/device?user_code={}", codes.user)).await;
    scene.browser.type_code(&codes.user).await;

    assert_refused(&scene.poll_after(&codes, 5).await, 400, "authorization_pending");
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn a_device_that_was_allowed_gets_its_tokens() {
    let scene = Scene::with_device().await;
    let codes = scene.device_codes().await;
    assert_refused(&scene.poll(&codes).await, 400, "authorization_pending");
    scene.browser.allow_device(&codes.user).await;

    // However soon after the last time.
    let answer = scene.poll(&codes).await;

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
    let who = scene.server.get_as(&answer.field("access_token"), "/v1/auth/test").await;
    assert_eq!(who.json["user"]["email"], "ada@example.com");
    let claims = claims(&answer.field("access_token"));
    assert_eq!((&claims["sub"], &claims["org"]), (&json!(scene.ada.id), &json!(scene.ada.organization)));
    assert_eq!((&claims["amr"], &claims["act"]), (&json!(["pwd"]), &Value::Null));
    assert_eq!(claims["auth_time"], scene.server.clock.now().timestamp());
    let refreshed = scene.refresh(&answer.field("refresh_token")).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
}

#[tokio::test]
async fn a_client_without_refreshing_gets_no_refresh_token() {
    let scene =
        Scene::with_client(|registration| registration.grant_types = vec![DEVICE_CODE.to_owned()]).await;
    let codes = scene.device_codes().await;
    scene.browser.allow_device(&codes.user).await;

    let answer = scene.poll(&codes).await;

    assert_eq!((answer.status, answer.json.get("refresh_token")), (200, None));
}

#[tokio::test]
async fn a_device_that_asks_for_nothing_asks_for_the_default() {
    let scene = Scene::with_client(|registration| {
        for_devices(registration);
        registration.default_scopes = Scopes::parse("read").unwrap();
    })
    .await;

    for form in [vec![], vec![("scope", "")]] {
        let codes = scene.client.device_codes(&scene.server, &form).await;
        scene.browser.allow_device(&codes.user).await;

        assert_eq!(scene.poll(&codes).await.json["scope"], "read");
    }
}

#[tokio::test]
async fn a_device_may_ask_for_a_resource_and_narrow_it_when_it_polls() {
    const FILES: &str = "https://files.example/api";
    const MAIL: &str = "https://mail.example";
    let two = |settings: &mut Settings| {
        settings.resources = vec![FILES.to_owned(), MAIL.to_owned()];
    };
    let scene = Scene::with(two, for_devices).await;
    let codes = scene.client.device_codes(&scene.server, &[("resource", FILES), ("resource", MAIL)]).await;
    scene.browser.allow_device(&codes.user).await;
    let poll = async |resource| {
        let form = [("grant_type", DEVICE_CODE), ("device_code", &codes.device), ("resource", resource)];
        scene.post_token(&form).await
    };

    let foreign = poll(scene.server.issuer()).await;
    let narrowed = poll(FILES).await;

    assert_refused(&foreign, 400, "invalid_target");
    assert_eq!(claims(&narrowed.field("access_token"))["aud"], FILES);
}

#[tokio::test]
async fn a_device_code_of_another_client_is_refused_and_stays_good() {
    let scene = Scene::with_device().await;
    let other = scene.server.client(scene.ada.organization, for_devices).await;
    let codes = scene.device_codes().await;
    assert_refused(&other.poll(&scene.server, &codes.device).await, 400, "invalid_grant");
    assert_refused(&scene.poll(&codes).await, 400, "authorization_pending");
    scene.browser.allow_device(&codes.user).await;

    let stolen = other.poll(&scene.server, &codes.device).await;

    assert_refused(&stolen, 400, "invalid_grant");
    assert_eq!(scene.poll(&codes).await.status, 200);
}

#[tokio::test]
async fn a_device_that_asks_too_often_is_told_to_slow_down_and_recovers() {
    let scene = Scene::with_device().await;
    let codes = scene.device_codes().await;
    assert_refused(&scene.poll(&codes).await, 400, "authorization_pending");

    assert_refused(&scene.poll_after(&codes, 4).await, 400, "authorization_pending");
    assert_refused(&scene.poll_after(&codes, 3).await, 400, "slow_down");
    assert_refused(&scene.poll_after(&codes, 5).await, 400, "slow_down");
    assert_refused(&scene.poll_after(&codes, 15).await, 400, "authorization_pending");
    // Whoever never learns meets an end of it, too.
    for _ in 0..10 {
        assert_refused(&scene.poll_after(&codes, 1).await, 400, "slow_down");
    }
    assert_refused(&scene.poll_after(&codes, 30).await, 400, "authorization_pending");
    assert_refused(&scene.poll_after(&codes, 1).await, 400, "slow_down");
    scene.browser.allow_device(&codes.user).await;
    assert_eq!(scene.poll(&codes).await.status, 200);
}

#[tokio::test]
async fn a_refusal_is_told_to_the_device() {
    let scene = Scene::with_device().await;

    for decision in [vec![("decision", "deny")], vec![("decision", "approve"), ("scope", "")]] {
        let codes = scene.device_codes().await;
        let page = scene.browser.decide_on_device(&codes.user, &decision).await;

        assert!(page.status == 200 && page.text.contains("has no access"), "{}", page.text);
        for _ in 0..2 {
            assert_refused(&scene.poll(&codes).await, 400, "access_denied");
        }
    }
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn both_codes_end() {
    let scene = Scene::with_device().await;
    let codes = scene.device_codes().await;
    scene.server.clock.advance(TimeDelta::seconds(599));
    assert_refused(&scene.poll(&codes).await, 400, "authorization_pending");

    scene.server.clock.advance(TimeDelta::seconds(1));

    assert_refused(&scene.poll(&codes).await, 400, "expired_token");
    assert_eq!(scene.browser.type_code(&codes.user).await.status, 422);
    scene.server.clean_up().await;
    assert_refused(&scene.poll(&codes).await, 400, "expired_token");
    scene.server.clock.advance(TimeDelta::days(2));
    scene.server.clean_up().await;
    assert_refused(&scene.poll(&codes).await, 400, "invalid_grant");
}

#[tokio::test]
async fn whoever_is_allowed_at_the_last_moment_still_gets_tokens() {
    let scene = Scene::with_device().await;
    let (codes, late) = (scene.device_codes().await, scene.device_codes().await);
    scene.server.clock.advance(TimeDelta::seconds(599));
    scene.browser.allow_device(&codes.user).await;
    scene.browser.allow_device(&late.user).await;

    let in_time = scene.poll_after(&codes, 30).await;
    let too_late = scene.poll_after(&late, 30).await;

    assert_eq!(in_time.status, 200, "{}", in_time.text);
    assert_refused(&too_late, 400, "expired_token");
}

#[tokio::test]
async fn a_device_code_works_once_even_in_a_race() {
    let scene = Scene::with_device().await;
    let codes = scene.device_codes().await;
    scene.browser.allow_device(&codes.user).await;

    let polls = (0..8).map(|_| scene.client.polling(&scene.server, &codes.device));
    let answers = at_once(polls).await;

    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(good.len(), 1);
    for answer in refused {
        assert_refused(answer, 400, "invalid_grant");
    }
    assert_refused(&scene.poll(&codes).await, 400, "invalid_grant");
    assert!(scene.is_accepted(&good[0].field("access_token")).await, "an impatient device is no thief");
    assert_eq!(scene.refresh(&good[0].field("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn what_ends_before_the_device_asks_again_gives_no_tokens() {
    let scene = Scene::with_device().await;
    let (revoked, left) = (scene.device_codes().await, scene.device_codes().await);
    scene.browser.allow_device(&revoked.user).await;
    let path = format!("/settings/apps/{}/remove", scene.client.id);
    scene.browser.submit(&path, &path, &[]).await;

    assert_refused(&scene.poll(&revoked).await, 400, "invalid_grant");
    let bob = scene.server.colleague("bob", scene.ada.organization, member::Role::Member).await;
    scene.server.browser_of(&bob).await.allow_device(&left.user).await;
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
    let path = format!("/v1/organization/members/{}", bob.id);
    Answer::of(scene.server.request("DELETE", &path).bearer_auth(&admin)).await;
    assert_refused(&scene.poll(&left).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_client_that_is_disabled_meanwhile_gets_nothing() {
    let scene = Scene::with_device().await;
    let codes = scene.device_codes().await;
    scene.server.disable_client(&scene.client.id).await;

    assert_refused(&scene.poll(&codes).await, 401, "invalid_client");
    assert_refused(&scene.ask_as_device(&[]).await, 401, "invalid_client");
    assert_eq!(scene.browser.type_code(&codes.user).await.status, 422);
}

#[tokio::test]
async fn one_address_cannot_ask_for_codes_without_end() {
    let settings = |settings: &mut Settings| {
        settings.session_requests_per_minute = 3;
    };
    let scene = Scene::with(settings, for_devices).await;
    for _ in 0..3 {
        scene.device_codes().await;
    }

    let refused = scene.ask_as_device(&[]).await;

    assert_refused(&refused, 429, "rate_limit_exceeded");
    assert_eq!(refused.header("retry-after"), Some("60"));
    scene.server.clock.advance(TimeDelta::seconds(60));
    scene.device_codes().await;
}

#[tokio::test]
async fn what_a_device_gets_is_bound_to_the_key_that_it_proves() {
    let scene = Scene::with_device().await;
    let (prover, codes) = (Prover::new(), scene.device_codes().await);
    scene.browser.allow_device(&codes.user).await;
    let form = [("grant_type", DEVICE_CODE), ("device_code", &codes.device)];

    let tokens = scene.post_proven(&form, &prover.proof(&scene.server)).await;

    assert_eq!((tokens.status, &tokens.json["token_type"]), (200, &json!("DPoP")), "{}", tokens.text);
    assert_eq!(claims(&tokens.field("access_token"))["cnf"], json!({ "jkt": prover.thumbprint() }));
    let refresh_token = tokens.field("refresh_token");
    assert_refused(&scene.refresh(&refresh_token).await, 400, "invalid_grant");
    let answer = scene.refresh_proven(&refresh_token, &prover.proof(&scene.server)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_poll_whose_proof_needs_a_nonce_does_not_count() {
    let settings = |settings: &mut Settings| "token_endpoint".clone_into(&mut settings.dpop_nonces);
    let scene = Scene::with(settings, for_devices).await;
    let (prover, codes) = (Prover::new(), scene.device_codes().await);
    let form = [("grant_type", DEVICE_CODE), ("device_code", &codes.device)];

    let without = scene.post_proven(&form, &prover.proof(&scene.server)).await;
    let nonce = without.header("dpop-nonce").unwrap();
    let proof = prover.proof_with(&scene.server, &json!({ "nonce": nonce }));
    let with = scene.post_proven(&form, &proof).await;

    assert_refused(&without, 400, "use_dpop_nonce");
    assert_refused(&with, 400, "authorization_pending");
}

#[tokio::test]
async fn a_device_is_told_who_its_person_is() {
    let scene = Scene::with_device().await;
    let codes = scene.client.device_codes(&scene.server, &[("scope", "openid email read")]).await;
    scene.browser.allow_device(&codes.user).await;

    let tokens = scene.poll(&codes).await;

    assert_eq!(tokens.json["scope"], "openid email read", "{}", tokens.text);
    let id_token = claims(&tokens.field("id_token"));
    assert_eq!((&id_token["sub"], &id_token["aud"]), (&json!(scene.ada.id), &json!(scene.client.id)));
    // No browser was sent to the device: it is in no session, and sent no nonce.
    assert_eq!((&id_token["sid"], &id_token["nonce"]), (&Value::Null, &Value::Null));
    let who = scene.server.get_as(&tokens.field("access_token"), "/oauth/userinfo").await;
    assert_eq!(who.json["email"], "ada@example.com");
}
