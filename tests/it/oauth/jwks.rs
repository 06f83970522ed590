//! `GET /oauth/jwks` (RFC 7517), and that tokens verify against it as a resource server would do it
//! (RFC 9068 §4).

use chrono::TimeDelta;
use countersign::signing::algorithm::SigningAlg;
use countersign::signing::key;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::Validation;
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::oauth::key_rotation::rotate;
use crate::support::TestServer;

/// As a resource server that knows nothing but the issuer: by the published key, its algorithm, its type.
pub async fn verified(server: &TestServer, token: &str, audience: &str) -> Option<Value> {
    verified_as(server, "at+jwt", token, audience).await
}

/// Of whatever type.
pub async fn verified_as(server: &TestServer, typ: &str, token: &str, audience: &str) -> Option<Value> {
    let keys: JwkSet = serde_json::from_value(server.get("/oauth/jwks").await.json).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some(typ));
    let key = keys.find(header.kid.as_deref().unwrap())?;
    let algorithm: Algorithm = key.common.key_algorithm.unwrap().to_string().parse().unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[server.issuer()]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &validation).ok().map(|data| data.claims)
}

#[tokio::test]
async fn the_key_set_holds_the_public_half_only() {
    let server = TestServer::start().await;

    let answer = server.get("/oauth/jwks").await;

    let mut keys = answer.json["keys"].as_array().unwrap().clone();
    keys.sort_by_key(|key| key["alg"].to_string());
    let [es256, eddsa, rs256] = &keys[..] else { panic!("{}", answer.text) };
    let published = |key: &Value, algorithm: &str, material: Value| {
        let mut expected = json!({
            "kid": key["kid"],
            "alg": algorithm,
            "use": "sig",
        });
        expected.as_object_mut().unwrap().extend(material.as_object().unwrap().clone());
        assert_eq!(*key, expected);
    };
    published(es256, "ES256", json!({ "kty": "EC", "crv": "P-256", "x": es256["x"], "y": es256["y"] }));
    published(eddsa, "EdDSA", json!({ "kty": "OKP", "crv": "Ed25519", "x": eddsa["x"] }));
    published(rs256, "RS256", json!({ "kty": "RSA", "n": rs256["n"], "e": "AQAB" }));
    for (value, length) in [(&es256["x"], 43), (&es256["y"], 43), (&eddsa["x"], 43), (&rs256["n"], 342)] {
        assert_eq!(value.as_str().unwrap().len(), length);
    }
}

#[tokio::test]
async fn the_key_set_may_be_cached_for_less_than_a_new_key_is_announced() {
    let server = TestServer::start().await;

    let answer = server.get("/oauth/jwks").await;

    let seconds = answer.header("cache-control").and_then(|value| value.strip_prefix("public, max-age="));
    let seconds: i64 = seconds.unwrap().parse().unwrap();
    assert!((1..15 * 60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn tokens_verify_against_the_key_set_whatever_the_algorithm() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let settings = |settings: &mut countersign::app::config::Settings| {
            algorithm.clone_into(&mut settings.signing_algorithm);
        };
        let scene = Scene::with(settings, |_| {}).await;
        let access_token = scene.tokens().await.access;

        let verified = verified(&scene.server, &access_token, scene.server.issuer()).await;

        assert_eq!(verified.as_ref(), Some(&claims(&access_token)), "{algorithm}");
        let header = jsonwebtoken::decode_header(&access_token).unwrap();
        assert_eq!(format!("{:?}", header.alg), algorithm);
        assert!(scene.is_accepted(&access_token).await);
    }
}

#[tokio::test]
async fn a_client_may_have_its_access_tokens_signed_otherwise() {
    let scene = Scene::with_client(|client| client.access_token_signing_alg = Some(SigningAlg::EdDsa)).await;

    let access_token = scene.tokens().await.access;

    assert_eq!(jsonwebtoken::decode_header(&access_token).unwrap().alg, Algorithm::EdDSA);
    assert!(verified(&scene.server, &access_token, scene.server.issuer()).await.is_some());
}

#[tokio::test]
async fn an_access_token_carries_the_claims_of_rfc_9068() {
    let scene = Scene::new().await;
    let access_token = scene.tokens().await.access;

    let claims = verified(&scene.server, &access_token, scene.server.issuer()).await.unwrap();

    let now = scene.server.clock.now().timestamp();
    assert_eq!(
        claims,
        json!({
            "iss": scene.server.issuer(),
            "sub": scene.ada.id,
            "aud": scene.server.issuer(),
            "exp": now + 600,
            "iat": now,
            "jti": claims["jti"],
            "client_id": scene.client.id,
            "scope": "read write",
            "org": scene.ada.organization.to_string(),
            "grant": claims["grant"],
            "auth_time": now,
            "acr": "urn:countersign:acr:password",
            "amr": ["pwd"],
        })
    );
    let (_, key) = scene.server.key(scene.ada.organization, "admin").await;
    let grants = scene.server.get_as(&key, "/v1/grants").await;
    assert_eq!(claims["grant"], grants.json["data"][0]["id"]);
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() > 16));
}

#[tokio::test]
async fn a_token_that_another_server_signed_is_not_accepted() {
    let scene = Scene::new().await;
    let issuer = scene.server.issuer().to_owned();
    let other = Scene::with(|settings| settings.issuer = issuer, |_| {}).await;
    rotate(&other.server, TimeDelta::zero()).await;
    let access_token = other.tokens().await.access;

    assert_eq!(verified(&scene.server, &access_token, scene.server.issuer()).await, None);
    assert!(!scene.is_accepted(&access_token).await);
}

#[tokio::test]
async fn a_token_without_a_signature_is_not_accepted() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let scene = Scene::new().await;
    let access_token = scene.tokens().await.access;
    let (kid, payload) =
        (jsonwebtoken::decode_header(&access_token).unwrap().kid, access_token.split('.').nth(1));

    for algorithm in ["none", "None", "HS256"] {
        let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid }).to_string();
        let forged = format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), payload.unwrap());
        let answer = scene.server.get_as(&forged, "/v1/auth/test").await;

        assert_eq!(answer.status, 401, "{algorithm}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_key_verifies_with_its_own_algorithm_whatever_a_token_names() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let scene = Scene::new().await;
    let access_token = scene.tokens().await.access;
    let (keys, now) = (scene.server.app.keys.current(), scene.server.clock.now());
    let payload = access_token.split('.').nth(1).unwrap();

    for signing in key::ALGORITHMS {
        let signer = keys.signer(signing, now).unwrap();
        for (named, of_key) in key::ALGORITHMS.into_iter().flat_map(|a| key::ALGORITHMS.map(|b| (a, b))) {
            let kid = &keys.signer(of_key, now).unwrap().key.id;
            let header =
                json!({ "alg": key::algorithm_name(named), "typ": "at+jwt", "kid": kid }).to_string();
            let message = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
            let signature = signer.private.sign(message.as_bytes()).unwrap();
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));

            let is_accepted = scene.is_accepted(&token).await;

            let is_right = signing == named && named == of_key;
            assert_eq!(is_accepted, is_right, "signed {signing:?}, alg {named:?}, kid of {of_key:?}");
        }
    }
}

#[tokio::test]
async fn a_session_token_is_no_access_token_for_others() {
    let scene = Scene::new().await;
    let body = json!({ "email": scene.ada.email, "password": crate::support::PASSWORD });

    let answer = scene.server.send_json_as("", "POST", "/api/auth/login", &body).await;

    let session_token = answer.json["session"]["access_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(session_token).unwrap();
    assert_ne!(header.typ.as_deref(), Some("at+jwt"), "RFC 8725 §3.11");
}
