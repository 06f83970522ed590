//! `POST /oauth/token` with an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use countersign::base::secret::sha256;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::confidential;
use crate::oauth::tampered;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;

#[tokio::test]
async fn a_code_works_for_sixty_seconds() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();

    let code = scene.code(&pkce).await;
    scene.server.clock.advance(TimeDelta::seconds(59));
    let in_time = scene.exchange(&code, &pkce).await;
    let code = scene.code(&pkce).await;
    scene.server.clock.advance(TimeDelta::seconds(60));
    let too_late = scene.exchange(&code, &pkce).await;

    assert_eq!(in_time.status, 200, "{}", in_time.text);
    assert_refused(&too_late, 400, "invalid_grant");
}

#[tokio::test]
async fn a_code_of_another_client_is_refused_and_stays_good() {
    let scene = Scene::new().await;
    let thief = scene.other_client().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    let stolen = thief.exchange(&scene.server, &code, &pkce).await;

    assert_refused(&stolen, 400, "invalid_grant");
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn a_code_that_differs_in_one_character_is_unknown() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    for tampered in tampered(&code) {
        let answer = scene.exchange(&tampered, &pkce).await;

        assert_refused(&answer, 400, "invalid_grant");
    }
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn what_is_no_code_at_all_is_an_invalid_grant() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    for (what, text) in [
        ("cut", code[..code.len() - 1].to_owned()),
        ("longer", format!("{code}A")),
        ("padded", format!("{code}=")),
        ("its prefix", "ac_".to_owned()),
        ("a space before", format!(" {code}")),
        ("of another server", "SplxlOBeZQQYbYS6WxSbIA".to_owned()),
        ("not ASCII", "ac_\u{e9}\u{1f600}".to_owned()),
        ("long", "A".repeat(10_000)),
    ] {
        let answer = scene.exchange(&text, &pkce).await;

        assert_eq!((answer.status, answer.error()), (400, "invalid_grant"), "{what}: {}", answer.text);
    }
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_is_no_code_and_stays_good() {
    let scene = Scene::new().await;
    let tokens = scene.tokens().await;

    let as_code = scene.exchange(&tokens.refresh, &Pkce::default()).await;
    let renamed = tokens.refresh.replacen("rt_", "ac_", 1);
    let as_renamed = scene.exchange(&renamed, &Pkce::default()).await;

    assert_refused(&as_code, 400, "invalid_grant");
    assert_refused(&as_renamed, 400, "invalid_grant");
    assert!(scene.is_accepted(&tokens.access).await);
    assert_eq!(scene.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn a_wrong_verifier_is_refused_and_does_not_consume_the_code() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    for (what, verifier) in [
        ("missing", String::new()),
        ("another one", Pkce::default().verifier),
        ("the challenge, as with plain", pkce.challenge.clone()),
        ("in capitals", pkce.verifier.to_uppercase()),
        ("shorter", pkce.verifier[..42].to_owned()),
        ("longer", format!("{}A", pkce.verifier)),
        ("padded", format!("{}=", pkce.verifier)),
    ] {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &verifier),
        ];
        let answer = scene.post_token(&form).await;

        assert_eq!((answer.status, answer.error()), (400, "invalid_grant"), "{what}: {}", answer.text);
    }
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn a_verifier_has_43_to_128_unreserved_characters() {
    let scene = Scene::new().await;

    for (verifier, status) in [
        ("A".repeat(43), 200),
        ("-._~".repeat(32), 200),
        ("A".repeat(42), 400),
        ("A".repeat(129), 400),
        (format!("{}+", "A".repeat(43)), 400),
        (format!("{}\u{e9}", "A".repeat(43)), 400),
        (format!("{} ", "A".repeat(43)), 400),
    ] {
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        let pkce = Pkce { verifier, challenge };
        let code = scene.code(&pkce).await;
        let answer = scene.exchange(&code, &pkce).await;

        assert_eq!(answer.status, status, "{:?}: {}", pkce.verifier, answer.text);
    }
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.require_pkce = false;
    })
    .await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let code =
        scene.client.ask(&scene.browser, &Pkce::default(), &without).await.location_params()["code"].clone();

    let with_verifier = scene.exchange(&code, &Pkce::default()).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
    let without_verifier = scene.post_token(&form).await;

    assert_refused(&with_verifier, 400, "invalid_grant");
    assert_eq!(without_verifier.status, 200, "{}", without_verifier.text);
}

#[tokio::test]
async fn a_client_that_need_not_use_pkce_is_held_to_it_once_it_does() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.require_pkce = false;
    })
    .await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
    let without_verifier = scene.post_token(&form).await;

    assert_refused(&without_verifier, 400, "invalid_grant");
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn a_failed_client_authentication_does_not_consume_the_code() {
    let scene = Scene::confidential().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    let mut impostor = scene.client.clone();
    impostor.secret = Some("cs_wrong".to_owned());
    let with_wrong_secret = impostor.exchange(&scene.server, &code, &pkce).await;
    impostor.secret = None;
    let without_secret = impostor.exchange(&scene.server, &code, &pkce).await;

    assert_refused(&with_wrong_secret, 401, "invalid_client");
    assert_refused(&without_secret, 401, "invalid_client");
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200);
}

#[tokio::test]
async fn a_code_of_a_consent_taken_back_is_dead() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let (_, key) = scene.server.key(scene.ada.organization, "admin").await;
    let grants = scene.server.get_as(&key, "/v1/grants").await;
    let id = grants.json["data"][0]["id"].as_str().unwrap().to_owned();

    let path = format!("/v1/grants/{id}");
    let taken_back = Answer::of(scene.server.request("DELETE", &path).bearer_auth(&key)).await;
    let answer = scene.exchange(&code, &pkce).await;

    assert_eq!(taken_back.status, 204, "{}", taken_back.text);
    assert_refused(&answer, 400, "invalid_grant");
}

#[tokio::test]
async fn a_disabled_client_cannot_exchange_its_code() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    scene.server.disable_client(&scene.client.id).await;

    let answer = scene.exchange(&code, &pkce).await;

    assert_refused(&answer, 401, "invalid_client");
}
