//! A client that proves who it is by a signature (RFC 7523, OpenID Connect Core §9): the assertion itself.

use aws_lc_rs::hmac;
use aws_lc_rs::signature;
use chrono::TimeDelta;
use countersign::clients::registration::AuthMethod;
use countersign::clients::registration::Registration;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::oauth::confidential;
use crate::support::Answer;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::Signer;
use crate::support::encode;

pub(super) const TYPE: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Makes a client one that signs with the key, as `a`.
pub(super) fn signs_with(key: &Signer) -> impl FnOnce(&mut Registration) {
    let jwks = json!({ "keys": [key.jwk(&json!({ "kid": "a" }))] });
    move |registration| {
        confidential(registration);
        registration.token_endpoint_auth_method = AuthMethod::PrivateKeyJwt;
        registration.jwks = Some(jwks);
    }
}

impl Scene {
    /// With a client that signs with an ES256 key.
    async fn signing() -> (Self, Signer) {
        let key = Signer::p256();
        (Self::with_client(signs_with(&key)).await, key)
    }

    /// What a good assertion of the client says, with `changes` made; `null` leaves a claim out.
    pub(super) fn assertion_claims(&self, client: &OAuthClient, changes: &Value) -> String {
        let now = self.server.clock.now().timestamp();
        let mut claims = json!({
            "iss": client.id,
            "sub": client.id,
            "aud": self.server.issuer(),
            "exp": now + 60,
            "iat": now,
            "jti": encode(rand::random::<[u8; 16]>()),
        });
        let claims = claims.as_object_mut().unwrap();
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        json!(claims).to_string()
    }

    pub(super) fn assertion(&self, key: &Signer, changes: &Value) -> String {
        key.jws(r#"{"alg": "ES256", "kid": "a"}"#, &self.assertion_claims(&self.client, changes))
    }

    pub(super) fn assertion_request(
        &self,
        path: &str,
        form: &[(&str, &str)],
        jwt: &str,
    ) -> reqwest::RequestBuilder {
        let form = [form, &[TYPE, ("client_assertion", jwt)]].concat();
        self.server.request("POST", path).form(&form)
    }

    pub(super) async fn prove(&self, jwt: &str) -> Answer {
        Answer::of(self.assertion_request("/oauth/token", &[GRANT], jwt)).await
    }

    async fn prove_beside(&self, more: (&str, &str), jwt: &str) -> Answer {
        Answer::of(self.assertion_request("/oauth/token", &[GRANT, more], jwt)).await
    }
}

/// A refusal that names what is wrong with the assertion.
#[track_caller]
fn assert_faulty(answer: &Answer, what: &str) {
    assert_refused(answer, 401, "invalid_client");
    assert_eq!(answer.json["error_description"], format!("client_assertion {what}"));
}

#[tokio::test]
async fn a_client_proves_itself_with_its_key() {
    let (scene, key) = Scene::signing().await;

    let answer = scene.prove(&scene.assertion(&key, &json!({}))).await;
    let access_token = answer.field("access_token");
    let form = [("token", access_token.as_str())];
    let introspected =
        Answer::of(scene.assertion_request("/oauth/introspect", &form, &scene.assertion(&key, &json!({}))))
            .await;
    let revoked =
        Answer::of(scene.assertion_request("/oauth/revoke", &form, &scene.assertion(&key, &json!({})))).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        (introspected.status, &introspected.json["active"]),
        (200, &json!(true)),
        "{}",
        introspected.text
    );
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert!(!scene.is_accepted(&access_token).await);
}

#[tokio::test]
async fn another_type_or_half_of_the_two_parameters_is_refused() {
    let (scene, key) = Scene::signing().await;
    let jwt = scene.assertion(&key, &json!({}));
    let assertion = ("client_assertion", jwt.as_str());
    let saml = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");

    for form in [
        vec![GRANT, TYPE],
        vec![GRANT, assertion],
        vec![GRANT, saml, assertion],
        vec![GRANT, TYPE, ("client_assertion", "")],
        vec![GRANT, ("client_assertion_type", "jwt-bearer"), assertion],
    ] {
        let answer = Answer::of(scene.server.request("POST", "/oauth/token").form(&form)).await;

        assert_refused(&answer, 401, "invalid_client");
    }
    for repeated in [TYPE, assertion] {
        let answer = scene.prove_beside(repeated, &jwt).await;

        assert_refused(&answer, 400, "invalid_request");
    }
    assert_eq!(scene.prove(&jwt).await.status, 200);
}

#[tokio::test]
async fn client_id_beside_it_is_fine_when_equal() {
    let (scene, key) = Scene::signing().await;
    let other = scene.other_client().await;

    let different = scene.prove_beside(("client_id", &other.id), &scene.assertion(&key, &json!({}))).await;
    let equal = scene.prove_beside(("client_id", &scene.client.id), &scene.assertion(&key, &json!({}))).await;

    assert_refused(&different, 401, "invalid_client");
    assert_eq!(equal.status, 200, "{}", equal.text);
}

#[tokio::test]
async fn a_client_authenticates_in_one_way_only() {
    let (scene, key) = Scene::signing().await;
    let jwt = scene.assertion(&key, &json!({}));

    let beside_secret = scene.prove_beside(("client_secret", "cs_x"), &jwt).await;
    let request = || scene.assertion_request("/oauth/token", &[GRANT], &jwt);
    let beside_basic = Answer::of(request().basic_auth(&scene.client.id, Some("cs_x"))).await;
    let beside_id = Answer::of(request().basic_auth(&scene.client.id, Some(""))).await;
    let beside_bearer = Answer::of(request().bearer_auth("x")).await;

    for answer in [beside_secret, beside_basic, beside_id, beside_bearer] {
        assert_refused(&answer, 400, "invalid_request");
    }
    assert_eq!(scene.prove(&jwt).await.status, 200, "it was not used up");
}

#[tokio::test]
async fn who_has_a_key_cannot_use_a_secret_and_who_has_a_secret_cannot_use_a_key() {
    let (scene, key) = Scene::signing().await;
    let jwks = json!({ "keys": [key.jwk(&json!({ "kid": "a" }))] });
    let with_secret = scene.server.client(scene.ada.organization, |registration| {
        confidential(registration);
        registration.jwks = Some(jwks);
    });
    let with_secret = with_secret.await;
    let secret = with_secret.secret.as_deref().unwrap();

    let request = || scene.server.request("POST", "/oauth/token");
    let by_secret = Answer::of(request().form(&[GRANT]).basic_auth(&scene.client.id, Some(secret))).await;
    let by_name = Answer::of(request().form(&[GRANT, ("client_id", &scene.client.id)])).await;
    let by_key = key.jws(r#"{"alg": "ES256"}"#, &scene.assertion_claims(&with_secret, &json!({})));
    let by_key = scene.prove(&by_key).await;

    for answer in [by_secret, by_name, by_key] {
        assert_refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn issuer_and_subject_are_the_client() {
    let (scene, key) = Scene::signing().await;
    let other = scene.other_client().await.id;

    for changes in [
        json!({ "iss": null }),
        json!({ "sub": null }),
        json!({ "iss": other }),
        json!({ "sub": other }),
        json!({ "iss": other, "sub": other }),
        json!({ "iss": "", "sub": "" }),
        json!({ "iss": 1, "sub": 1 }),
        json!({ "iss": [scene.client.id], "sub": [scene.client.id] }),
        json!({ "iss": "https://app.example/client", "sub": "https://app.example/client" }),
    ] {
        let answer = scene.prove(&scene.assertion(&key, &changes)).await;

        assert_refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn the_audience_is_this_server() {
    let (scene, key) = Scene::signing().await;
    let issuer = scene.server.issuer().to_owned();
    let at = |path: &str| format!("{issuer}{path}");
    let revoke = async |audience: Value| {
        let jwt = scene.assertion(&key, &json!({ "aud": audience }));
        Answer::of(scene.assertion_request("/oauth/revoke", &[("token", "x")], &jwt)).await
    };

    for good in [
        json!(issuer),
        json!([issuer]),
        json!(at("/oauth/token")),
        json!([at("/oauth/token")]),
        json!([issuer, at("/oauth/token")]),
    ] {
        let answer = scene.prove(&scene.assertion(&key, &json!({ "aud": good }))).await;

        assert_eq!(answer.status, 200, "{good}: {}", answer.text);
    }
    assert_eq!(revoke(json!(at("/oauth/token"))).await.status, 200);
    assert_eq!(revoke(json!(at("/oauth/revoke"))).await.status, 200);
    assert_faulty(
        &revoke(json!(at("/oauth/introspect"))).await,
        &format!("must have {issuer} as its only aud"),
    );
    for bad in [
        json!("https://evil.example"),
        json!(at("/")),
        json!(at("/oauth/revoke")),
        json!(at("/oauth/token/")),
        json!(issuer.to_uppercase()),
        json!(""),
        json!([]),
        // One of these may be somebody who sends it on.
        json!([issuer, "https://evil.example"]),
        json!([issuer, at("/oauth/revoke")]),
    ] {
        let answer = scene.prove(&scene.assertion(&key, &json!({ "aud": bad }))).await;

        assert_faulty(&answer, &format!("must have {issuer} as its only aud"));
    }
    for malformed in [json!(null), json!(1), json!({ "0": issuer }), json!([issuer, 1])] {
        let answer = scene.prove(&scene.assertion(&key, &json!({ "aud": malformed }))).await;

        assert_refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn an_app_that_is_the_same_client_everywhere_names_the_issuer() {
    let (scene, key) = Scene::signing().await;
    let issuer = scene.server.issuer().to_owned();
    let prove = async |audience: Value| {
        let url = "https://app.example/client.json";
        scene.prove(&scene.assertion(&key, &json!({ "iss": url, "sub": url, "aud": audience }))).await
    };

    let endpoint = prove(json!(format!("{issuer}/oauth/token"))).await;
    let both = prove(json!([issuer, format!("{issuer}/oauth/token")])).await;
    let right = prove(json!(issuer)).await;

    for answer in [&endpoint, &both] {
        assert_faulty(answer, &format!("must have {issuer} as its only aud"));
    }
    assert_refused(&right, 401, "invalid_client");
    assert_ne!(right.json, endpoint.json, "nobody knows the app, but its audience is right");
}

#[tokio::test]
async fn an_assertion_ends() {
    let (scene, key) = Scene::signing().await;
    let now = scene.server.clock.now().timestamp();
    let fraction = format!("{}.5", now + 60).parse::<Value>().unwrap();
    let prove = async |exp: Value| scene.prove(&scene.assertion(&key, &json!({ "exp": exp }))).await;

    for good in [json!(now + 1), json!(now - 29), json!(now + 3600), fraction] {
        let answer = prove(good.clone()).await;

        assert_eq!(answer.status, 200, "{good}: {}", answer.text);
    }
    for past in [now - 30, now - 3600, 0, -1, i64::MIN] {
        assert_faulty(&prove(json!(past)).await, "has expired");
    }
    for far in [now + 3631, now * 1000, i64::MAX] {
        assert_faulty(&prove(json!(far)).await, "must expire within 60 minutes");
    }
    assert_faulty(&prove(json!(null)).await, "has claims with a fault: missing field `exp`");
    assert_faulty(&prove(json!("tomorrow")).await, "has claims with a fault: exp");
}

#[tokio::test]
async fn an_assertion_does_not_begin_before_its_time() {
    let (scene, key) = Scene::signing().await;
    let now = scene.server.clock.now().timestamp();

    for claim in ["nbf", "iat"] {
        for good in [json!(null), json!(now + 30), json!(now - 86400), json!(0)] {
            let answer = scene.prove(&scene.assertion(&key, &json!({ claim: good }))).await;

            assert_eq!(answer.status, 200, "{claim} {good}: {}", answer.text);
        }
        for ahead in [json!(now + 31), json!(i64::MAX)] {
            let answer = scene.prove(&scene.assertion(&key, &json!({ claim: ahead }))).await;

            assert_faulty(&answer, "is not valid yet: its nbf or iat is in the future");
        }
        let answer = scene.prove(&scene.assertion(&key, &json!({ claim: "now" }))).await;

        assert_faulty(&answer, &format!("has claims with a fault: {claim}"));
    }
}

#[tokio::test]
async fn an_assertion_works_once() {
    let (scene, key) = Scene::signing().await;
    let node = scene.server.second_node().await;
    let jwt = scene.assertion(&key, &json!({}));
    assert_eq!(scene.prove(&jwt).await.status, 200);

    let again = scene.prove(&jwt).await;
    let form = [GRANT, TYPE, ("client_assertion", &jwt)];
    let elsewhere = Answer::of(node.request("POST", "/oauth/token").form(&form)).await;
    let form = [("token", "x")];
    let for_something_else = Answer::of(scene.assertion_request("/oauth/revoke", &form, &jwt)).await;

    for answer in [again, elsewhere, for_something_else] {
        assert_faulty(&answer, "was used before: each has a jti of its own");
    }
}

#[tokio::test]
async fn of_many_at_once_one_assertion_works() {
    let (scene, key) = Scene::signing().await;
    let jwt = scene.assertion(&key, &json!({}));

    let answers = at_once((0..20).map(|_| scene.assertion_request("/oauth/token", &[GRANT], &jwt))).await;

    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(401)), (1, 19));
}

#[tokio::test]
async fn what_proves_nothing_uses_nothing_up() {
    let (scene, key) = Scene::signing().await;
    let other = scene.server.client(scene.ada.organization, signs_with(&key)).await;
    let same = json!({ "jti": "1" });
    let by_stranger =
        Signer::p256().jws(r#"{"alg": "ES256"}"#, &scene.assertion_claims(&scene.client, &same));
    let by_other = key.jws(r#"{"alg": "ES256"}"#, &scene.assertion_claims(&other, &same));
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", crate::support::CALLBACK),
        ("code_verifier", pkce.verifier.as_str()),
    ];

    let failed = Answer::of(scene.assertion_request("/oauth/token", &form, &by_stranger)).await;
    let of_other = scene.prove(&by_other).await;
    let done =
        Answer::of(scene.assertion_request("/oauth/token", &form, &scene.assertion(&key, &same))).await;

    assert_refused(&failed, 401, "invalid_client");
    assert_eq!(of_other.status, 200, "{}", of_other.text);
    assert_eq!(done.status, 200, "neither the code nor the jti was used up: {}", done.text);
}

#[tokio::test]
async fn ids_are_kept_for_as_long_as_the_assertion_could_be_sent_again() {
    let (scene, key) = Scene::signing().await;
    let jwt = scene.assertion(&key, &json!({}));
    assert_eq!(scene.prove(&jwt).await.status, 200);
    let kept = async || {
        scene.server.clean_up().await;
        sqlx::query_scalar("select count(*) from used_jwt_ids").fetch_one(&scene.server.app.db).await.unwrap()
    };

    scene.server.clock.advance(TimeDelta::seconds(89));
    let (before, while_kept): (i64, _) = (kept().await, scene.prove(&jwt).await);
    scene.server.clock.advance(TimeDelta::seconds(1));
    let at_the_end = scene.prove(&jwt).await;
    scene.server.clock.advance(TimeDelta::seconds(1));
    let after: i64 = kept().await;

    assert_eq!((before, after), (1, 0));
    assert_faulty(&while_kept, "was used before: each has a jti of its own");
    assert_faulty(&at_the_end, "has expired");
}

#[tokio::test]
async fn without_an_id_an_assertion_is_refused() {
    let (scene, key) = Scene::signing().await;
    let prove = async |jti: Value| scene.prove(&scene.assertion(&key, &json!({ "jti": jti }))).await;

    assert_faulty(&prove(json!(null)).await, "has claims with a fault: missing field `jti`");
    assert_faulty(&prove(json!(1)).await, "has claims with a fault: jti");
    assert_faulty(&prove(json!("")).await, "has an empty jti");
    for odd in ["\0", "\u{1f511}", &"x".repeat(10_000)] {
        assert_eq!(prove(json!(odd)).await.status, 200);
    }
}

#[tokio::test]
async fn a_signature_by_another_key_is_refused() {
    let (scene, key) = Scene::signing().await;
    let claims = || scene.assertion_claims(&scene.client, &json!({}));
    let (other, ed25519) = (Signer::p256(), Signer::ed25519());
    let brought = json!({ "alg": "ES256", "jwk": other.jwk, "jku": "https://evil.example", "x5c": ["AA"] });
    let unknown = scene.prove(&key.jws(r#"{"alg": "ES256", "kid": "b"}"#, &claims())).await;

    for jwt in [
        other.jws(r#"{"alg": "ES256"}"#, &claims()),
        other.jws(r#"{"alg": "ES256", "kid": "a"}"#, &claims()),
        other.jws(&brought.to_string(), &claims()),
        ed25519.jws(r#"{"alg": "EdDSA"}"#, &claims()),
        ed25519.jws(r#"{"alg": "ES256"}"#, &claims()),
        key.jws(r#"{"alg": "RS256"}"#, &claims()),
        key.jws(r#"{"alg": "EdDSA", "kid": "a"}"#, &claims()),
        format!("{}AA", scene.assertion(&key, &json!({}))),
    ] {
        let answer = scene.prove(&jwt).await;

        assert_refused(&answer, 401, "invalid_client");
        assert_eq!(answer.json, unknown.json, "{jwt}");
    }
}

#[tokio::test]
async fn what_is_no_jwt_is_refused_and_never_a_failure() {
    let (scene, key) = Scene::signing().await;
    let claims = encode(scene.assertion_claims(&scene.client, &json!({})));
    let unsigned = |header: &str| format!("{}.{claims}.", encode(header));
    let shared = {
        // With the public key as the secret.
        let signed = format!("{}.{claims}", encode(r#"{"alg": "HS256"}"#));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.jwk.to_string().as_bytes());
        format!("{signed}.{}", encode(hmac::sign(&secret, signed.as_bytes())))
    };
    let good = scene.assertion(&key, &json!({}));
    let twice = scene.assertion_claims(&scene.client, &json!({})).replacen('{', r#"{"sub": "x", "#, 1);

    for jwt in [
        "x".to_owned(),
        "..".to_owned(),
        "\u{e9}.\u{e9}.\u{e9}".to_owned(),
        good.replace('.', ""),
        format!("{good}.AA.AA"),
        format!("{good}="),
        unsigned(r#"{"alg": "none"}"#),
        unsigned(r#"{"alg": "ES256"}"#),
        unsigned(r#"{"alg": "ES256", "kid": "a"}"#),
        unsigned("{}"),
        shared,
        key.jws(r#"{"alg": "ES256", "alg": "ES256"}"#, &scene.assertion_claims(&scene.client, &json!({}))),
        key.jws(
            r#"{"alg": "ES256", "crit": ["x"], "x": 1}"#,
            &scene.assertion_claims(&scene.client, &json!({})),
        ),
        key.jws(r#"{"alg": "ES256"}"#, &twice),
        key.jws(r#"{"alg": "ES256"}"#, "[]"),
        key.jws(r#"{"alg": "ES256"}"#, "not JSON"),
        scene.assertion(&key, &json!({ "x": "x".repeat(20_000) })),
        key.jws(r#"{"alg": "ES256"}"#, &"[".repeat(10_000)),
    ] {
        let answer = scene.prove(&jwt).await;

        assert_refused(&answer, 401, "invalid_client");
    }
    assert_eq!(scene.prove(&good).await.status, 200);
}

#[tokio::test]
async fn another_kind_of_jwt_is_no_assertion() {
    let (scene, key) = Scene::signing().await;
    let prove = async |typ: &str| {
        let header = json!({ "alg": "ES256", "typ": typ }).to_string();
        scene.prove(&key.jws(&header, &scene.assertion_claims(&scene.client, &json!({})))).await
    };

    for typ in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
        assert_eq!(prove(typ).await.status, 200, "{typ}");
    }
    for typ in ["oauth-authz-req+jwt", "dpop+jwt", "at+jwt", ""] {
        let answer = prove(typ).await;

        assert_faulty(&answer, "has a typ that is neither JWT nor client-authentication+jwt");
    }
}

#[tokio::test]
async fn every_announced_algorithm_signs_an_assertion() {
    let signers = [
        ("ES256", Signer::p256()),
        ("ES384", Signer::ec("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("Ed25519", Signer::ed25519()),
        ("EdDSA", Signer::ed25519()),
        ("PS256", Signer::rsa(&signature::RSA_PSS_SHA256)),
        ("PS384", Signer::rsa(&signature::RSA_PSS_SHA384)),
        ("PS512", Signer::rsa(&signature::RSA_PSS_SHA512)),
        ("RS256", Signer::rsa(&signature::RSA_PKCS1_SHA256)),
        ("RS384", Signer::rsa(&signature::RSA_PKCS1_SHA384)),
        ("RS512", Signer::rsa(&signature::RSA_PKCS1_SHA512)),
    ];
    let keys: Vec<Value> =
        signers.iter().map(|(name, key)| key.jwk(&json!({ "kid": name, "use": "sig" }))).collect();
    let scene = Scene::with_client(|registration| {
        signs_with(&signers[0].1)(registration);
        registration.jwks = Some(json!({ "keys": keys }));
    })
    .await;

    for (name, key) in &signers {
        let header = json!({ "alg": name, "kid": name }).to_string();
        let answer = scene.prove(&key.jws(&header, &scene.assertion_claims(&scene.client, &json!({})))).await;

        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
    }
    let metadata = scene.server.get("/.well-known/oauth-authorization-server").await.json;
    let announced = signers.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(metadata["token_endpoint_auth_signing_alg_values_supported"], json!(announced));
}

#[tokio::test]
async fn a_client_signs_with_what_it_registered() {
    let key = Signer::rsa(&signature::RSA_PKCS1_SHA256);
    let scene = Scene::with_client(|registration| {
        signs_with(&key)(registration);
        registration.jwks = Some(json!({ "keys": [key.jwk(&json!({ "alg": "PS256" }))] }));
    })
    .await;

    let jwt = key.jws(r#"{"alg": "RS256"}"#, &scene.assertion_claims(&scene.client, &json!({})));
    let answer = scene.prove(&jwt).await;

    assert_refused(&answer, 401, "invalid_client");
}
