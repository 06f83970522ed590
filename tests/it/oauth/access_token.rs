//! What the built-in API takes for an access token (RFC 9068 §4), and how it refuses the rest (RFC 6750 §3.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use countersign::signing::jwt;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::oauth::jwks::verified;
use crate::oauth::key_rotation::rotate;

impl Scene {
    /// Signed by this very server, whatever it says.
    fn signed(&self, typ: &str, claims: &Value) -> String {
        let app = &self.server.app;
        let keys = app.keys.current();
        let signed = jwt::sign(&keys, keys.default_algorithm(), typ, claims, self.server.clock.now());
        signed.unwrap().expose().to_owned()
    }

    async fn assert_no_token(&self, token: &str, what: &str) {
        let answer = self.server.get_as(token, "/v1/auth/test").await;
        assert_eq!((answer.status, answer.error()), (401, "unauthorized"), "{what}: {}", answer.text);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\", "), "{what}: {challenge}");
    }
}

#[tokio::test]
async fn a_token_counts_only_as_this_server_meant_it() {
    let scene = Scene::new().await;
    let good = claims(&scene.tokens().await.access);
    let now = scene.server.clock.now().timestamp();
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    assert!(scene.is_accepted(&scene.signed("at+jwt", &good)).await);

    for typ in ["JWT", "id_token+jwt", "logout+jwt", "at", ""] {
        scene.assert_no_token(&scene.signed(typ, &good), typ).await;
    }
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", scene.server.issuer()))),
        ("aud", json!("https://files.example")),
        ("aud", json!(["https://files.example", "https://mail.example"])),
        ("aud", json!(scene.client.id)),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", Value::Null),
    ] {
        let token = scene.signed("at+jwt", &with(name, value.clone()));
        scene.assert_no_token(&token, &format!("{name}: {value}")).await;
    }
}

#[tokio::test]
async fn a_token_counts_only_with_the_signature_of_this_server() {
    let (scene, other) = (Scene::new().await, Scene::new().await);
    // Servers of tests begin with the same keys.
    rotate(&other.server, TimeDelta::zero()).await;
    let token = scene.tokens().await.access;
    let payload = token.split('.').nth(1).unwrap();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid;
    let forged = |algorithm: &str, signature: &str| {
        let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid }).to_string();
        format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header))
    };
    let signature = token.rsplit('.').next().unwrap();

    for (algorithm, signature) in
        [("none", ""), ("none", signature), ("HS256", signature), ("RS256", signature)]
    {
        scene.assert_no_token(&forged(algorithm, signature), algorithm).await;
    }
    scene.assert_no_token(&other.signed("at+jwt", &claims(&token)), "another server's key").await;
}

#[tokio::test]
async fn who_it_stands_for_is_never_the_clients_to_say() {
    let scene = Scene::confidential().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("sub", scene.ada.id.as_str()),
        ("user_id", scene.ada.id.as_str()),
        ("org", "org_x"),
    ];

    let answer = scene.post_token(&form).await;

    let claims = verified(&scene.server, &answer.field("access_token"), scene.server.issuer()).await.unwrap();
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(scene.client.id), &json!(scene.client.id)));
    assert!(scene.client.id.starts_with("cli_") && !scene.ada.id.starts_with("cli_"), "two namespaces");
}
