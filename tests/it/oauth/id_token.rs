//! ID tokens (OpenID Connect Core §2, §3.1.3, §12.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use countersign::base::secret::sha256;
use countersign::organizations::member::Role;
use countersign::signing::algorithm::SigningAlg;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::Tokens;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::oauth::jwks::verified_as;
use crate::oauth::key_rotation::rotate_of;
use crate::support::Pkce;

const OPENID: (&str, &str) = ("scope", "openid read");

impl Scene {
    async fn id_token(&self, changes: &[(&str, &str)]) -> String {
        let changes: Vec<_> = [OPENID].into_iter().chain(changes.iter().copied()).collect();
        self.tokens_with(&changes).await.field("id_token")
    }
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

#[tokio::test]
async fn an_id_token_says_who_signed_in_where_and_for_whom() {
    let scene = Scene::new().await;
    let signed_in = scene.server.clock.now().timestamp();
    scene.server.clock.advance(TimeDelta::seconds(7));

    let answer = scene.tokens_with(&[OPENID, ("nonce", "n-1")]).await;

    let id_token = answer.field("id_token");
    let claims = verified_as(&scene.server, "JWT", &id_token, &scene.client.id).await.unwrap();
    let hash = sha256(answer.field("access_token").as_bytes());
    let sid = claims["sid"].as_str().unwrap();
    assert!(sid.starts_with("bse_"), "{sid}");
    assert_eq!(
        claims,
        json!({
            "iss": scene.server.issuer(),
            "sub": scene.ada.id,
            "aud": scene.client.id,
            "azp": scene.client.id,
            "iat": signed_in + 7,
            "exp": signed_in + 7 + 600,
            "auth_time": signed_in,
            "nonce": "n-1",
            "acr": "urn:countersign:acr:password",
            "amr": ["pwd"],
            "at_hash": URL_SAFE_NO_PAD.encode(&hash[..16]),
            "sid": sid,
        })
    );
}

#[tokio::test]
async fn a_code_with_openid_buys_one() {
    let scene = Scene::new().await;

    let answer = scene.tokens_with(&[OPENID]).await;

    let mut fields: Vec<&String> = answer.json.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"],
        "{}",
        answer.text
    );
    assert_eq!(
        (answer.field("scope").as_str(), answer.field("token_type").as_str()),
        ("openid read", "Bearer")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_request_without_openid_gets_none() {
    let scene = Scene::new().await;

    let answer = scene.tokens_with(&[("scope", "profile email read"), ("nonce", "n-1")]).await;
    let refreshed = scene.refresh(&answer.field("refresh_token")).await;

    assert_eq!((answer.json.get("id_token"), refreshed.json.get("id_token")), (None, None));
    assert_eq!(refreshed.status, 200);
}

#[tokio::test]
async fn the_subject_is_the_same_for_life_and_no_other_persons() {
    let scene = Scene::new().await;
    let bob = scene.server.colleague("bob", scene.ada.organization, Role::Member).await;
    let bobs_browser = scene.server.browser_of(&bob).await;

    let first = claims(&scene.id_token(&[]).await);
    scene.server.clock.advance(TimeDelta::days(13));
    let later = claims(&scene.id_token(&[]).await);
    let bobs = claims(&scene.tokens_in(&bobs_browser, &[OPENID]).await.field("id_token"));

    assert_eq!(first["sub"], later["sub"]);
    assert_ne!(first["sub"], bobs["sub"]);
    assert!(first["sub"].as_str().unwrap().len() <= 255 && first["sub"].as_str().unwrap().is_ascii());
}

#[tokio::test]
async fn auth_time_is_when_the_person_signed_in() {
    let scene = Scene::new().await;
    let signed_in = scene.server.clock.now().timestamp();
    scene.server.clock.advance(TimeDelta::minutes(5));

    let before = claims(&scene.id_token(&[("max_age", "300")]).await);
    let asked = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[("max_age", "10")])).await;
    assert!(asked.location().starts_with("/login?"), "{}", asked.location());
    scene.prove_again(&scene.ada.email).await;
    let after =
        claims(&scene.id_token(&[("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#)]).await);

    assert_eq!(before["auth_time"], signed_in);
    assert_eq!(after["auth_time"], signed_in + 300);
}

#[tokio::test]
async fn the_nonce_comes_back_to_the_letter_and_only_when_it_was_sent() {
    let scene = Scene::new().await;

    for nonce in ["n-0S6_WzA2Mj", " a b+c%20&=\"<>", "ключ🔑", &"x".repeat(500)] {
        assert_eq!(claims(&scene.id_token(&[("nonce", nonce)]).await)["nonce"], nonce);
    }
    assert_eq!(claims(&scene.id_token(&[]).await).get("nonce"), None);
}

#[tokio::test]
async fn it_is_signed_as_the_client_registered_and_with_rs256_otherwise() {
    for (registered, expected, hash_length) in [
        (None, "RS256", 22),
        (Some(SigningAlg::Rs256), "RS256", 22),
        (Some(SigningAlg::Es256), "ES256", 22),
        (Some(SigningAlg::EdDsa), "EdDSA", 43),
    ] {
        let scene = Scene::with_client(|registration| {
            if let Some(registered) = registered {
                registration.id_token_signed_response_alg = registered;
            }
        })
        .await;

        let id_token = scene.id_token(&[]).await;

        assert_eq!(header(&id_token)["alg"], expected);
        let claims = verified_as(&scene.server, "JWT", &id_token, &scene.client.id).await.unwrap();
        assert_eq!(claims["at_hash"].as_str().unwrap().len(), hash_length);
        let metadata = scene.server.get("/.well-known/openid-configuration").await.json;
        let announced = metadata["id_token_signing_alg_values_supported"].as_array().unwrap().clone();
        assert!(announced.contains(&expected.into()), "{announced:?}");
    }
}

#[tokio::test]
async fn a_client_cannot_ask_for_an_unsigned_one() {
    let scene = Scene::new().await;
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
    let path = format!("/v1/clients/{}", scene.client.id);

    for algorithm in ["none", "HS256", "rs256", ""] {
        let change = json!({ "id_token_signed_response_alg": algorithm });
        let answer = scene.server.send_json_as(&admin, "PATCH", &path, &change).await;

        assert!([400, 422].contains(&answer.status), "{algorithm}: {}", answer.text);
    }
    assert_eq!(header(&scene.id_token(&[]).await)["alg"], "RS256");
}

#[tokio::test]
async fn its_header_names_the_key_and_nothing_else() {
    let scene = Scene::new().await;

    let header = header(&scene.id_token(&[]).await);

    let keys = scene.server.get("/oauth/jwks").await.json["keys"].clone();
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": keys[0]["kid"] }));
    assert_eq!(keys[0]["alg"], "RS256", "first, for clients that take the first key");
}

#[tokio::test]
async fn one_of_before_a_key_rotation_still_verifies() {
    let scene = Scene::new().await;
    let before = scene.id_token(&[]).await;

    rotate_of(&scene.server, SigningAlg::Rs256.into(), TimeDelta::zero()).await;
    let after = scene.id_token(&[]).await;

    assert_ne!(header(&before)["kid"], header(&after)["kid"]);
    for token in [before, after] {
        assert!(verified_as(&scene.server, "JWT", &token, &scene.client.id).await.is_some());
    }
}

#[tokio::test]
async fn a_refresh_gives_one_of_the_same_sign_in_without_nonce() {
    let scene = Scene::new().await;
    let first = scene.tokens_with(&[OPENID, ("nonce", "n-1")]).await;
    let mut expected = claims(&first.field("id_token"));
    scene.server.clock.advance(TimeDelta::minutes(9));

    let refreshed = scene.refresh(&first.field("refresh_token")).await;
    let retried = scene.refresh(&first.field("refresh_token")).await;

    let now = scene.server.clock.now().timestamp();
    for answer in [&refreshed, &retried] {
        let claims =
            verified_as(&scene.server, "JWT", &answer.field("id_token"), &scene.client.id).await.unwrap();
        let hash = sha256(answer.field("access_token").as_bytes());
        let fields = expected.as_object_mut().unwrap();
        fields.remove("nonce");
        fields.insert("iat".to_owned(), now.into());
        fields.insert("exp".to_owned(), (now + 600).into());
        fields.insert("at_hash".to_owned(), URL_SAFE_NO_PAD.encode(&hash[..16]).into());
        assert_eq!(claims, expected);
    }
}

#[tokio::test]
async fn a_refresh_that_leaves_openid_out_gives_none() {
    let scene = Scene::new().await;
    let first = scene.tokens_with(&[OPENID]).await;

    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &first.field("refresh_token")),
        ("scope", "read"),
    ];
    let refreshed = scene.post_token(&form).await;

    assert_eq!((refreshed.field("scope").as_str(), refreshed.json.get("id_token")), ("read", None));
}

#[tokio::test]
async fn it_is_no_access_token() {
    let scene = Scene::with_client(confidential).await;
    let id_token = scene.id_token(&[]).await;

    let userinfo = scene.server.get_as(&id_token, "/oauth/userinfo").await;
    let introspected = scene.client.post(&scene.server, "/oauth/introspect", &[("token", &id_token)]).await;

    assert!(!scene.is_accepted(&id_token).await);
    assert_eq!((userinfo.status, userinfo.error()), (401, "invalid_token"));
    assert_eq!(introspected.json, json!({ "active": false }));
}

#[tokio::test]
async fn it_names_the_session_that_a_logout_token_will_name() {
    let scene = Scene::new().await;
    let other = scene.other_client().await;
    let elsewhere = scene.server.browser_of(&scene.ada).await;

    let first = claims(&scene.id_token(&[]).await);
    // The same person, in the same browser, once more.
    scene.prove_again(&scene.ada.email).await;
    let again = claims(&scene.id_token(&[]).await);
    let pkce = Pkce::default();
    let answer = other.ask(&scene.browser, &pkce, &[OPENID]).await;
    let of_other = other.exchange(&scene.server, &answer.location_params()["code"], &pkce).await;
    let of_elsewhere = scene.tokens_in(&elsewhere, &[OPENID]).await;

    assert_eq!(first["sid"], again["sid"]);
    assert_eq!(first["sid"], claims(&of_other.field("id_token"))["sid"]);
    assert_ne!(first["sid"], claims(&of_elsewhere.field("id_token"))["sid"]);
    let refreshed = scene.refresh(&Tokens::of(&of_elsewhere).refresh).await;
    assert_eq!(claims(&of_elsewhere.field("id_token"))["sid"], claims(&refreshed.field("id_token"))["sid"]);
}
