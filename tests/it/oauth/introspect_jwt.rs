//! `POST /oauth/introspect` answered with a JWT (RFC 9701).

use countersign::clients::registration::AuthMethod;
use countersign::signing::algorithm::SigningAlg;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::Validation;
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::support::Answer;
use crate::support::Prover;

const PATH: &str = "/oauth/introspect";
const JWT: &str = "application/token-introspection+jwt";

impl Scene {
    /// By its own client.
    async fn introspect_as(&self, accept: &str, token: &str) -> Answer {
        let request = self.client.request(&self.server, PATH, &[("token", token)]);
        Answer::of(request.header("accept", accept)).await
    }

    /// As whoever asked verifies it: the claims, and the algorithm.
    async fn verified(&self, answer: &Answer, audience: &str) -> (Value, Algorithm) {
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(JWT)), "{}", answer.text);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let keys: JwkSet = serde_json::from_value(self.server.get("/oauth/jwks").await.json).unwrap();
        let header = jsonwebtoken::decode_header(&answer.text).unwrap();
        assert_eq!(header.typ.as_deref(), Some("token-introspection+jwt"));
        let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[self.server.issuer()]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud"]);
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(key).unwrap();
        let data = jsonwebtoken::decode::<Value>(&answer.text, &key, &validation).unwrap();
        (data.claims, header.alg)
    }
}

#[tokio::test]
async fn who_wants_a_jwt_gets_one_and_everybody_else_json() {
    let scene = Scene::confidential().await;
    let token = scene.tokens().await.access;

    for accept in [JWT, "application/json;q=0.9, application/token-introspection+jwt"] {
        let answer = scene.introspect_as(accept, &token).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(JWT)), "{accept}");
        assert_eq!(answer.header("vary"), Some("Accept"));
    }
    for accept in ["*/*", "application/json", "application/*", "application/jwt", "", &format!("{JWT};q=0")] {
        let answer = scene.introspect_as(accept, &token).await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
        assert_eq!(
            (&answer.json["active"], answer.header("vary")),
            (&json!(true), Some("Accept")),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn only_who_proves_itself_gets_one() {
    let scene = Scene::confidential().await;
    let token = scene.tokens().await.access;
    let public = scene.other_client().await;
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;
    let ask = |request: reqwest::RequestBuilder| Answer::of(request.header("accept", JWT));
    let form = [("token", token.as_str())];

    let nobody = ask(scene.server.request("POST", PATH).form(&form)).await;
    let unproven = ask(public.request(&scene.server, PATH, &form)).await;
    let bearer = ask(scene.server.request("POST", PATH).bearer_auth(&token).form(&form)).await;
    let weak = ask(scene.server.request("POST", PATH).bearer_auth(&key).form(&form)).await;

    for answer in [&nobody, &unproven] {
        assert_refused(answer, 401, "invalid_client");
    }
    assert_eq!((bearer.status, weak.status), (401, 403));
    for answer in [nobody, unproven, bearer, weak] {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text);
        assert_eq!(answer.json.get("active"), None);
    }
}

#[tokio::test]
async fn it_says_who_tells_whom_what_and_when() {
    let scene = Scene::confidential().await;
    let token = scene.tokens().await.access;

    let answer = scene.introspect_as(JWT, &token).await;

    let (told, _) = scene.verified(&answer, &scene.client.id).await;
    assert_eq!(told["iss"], scene.server.issuer());
    assert_eq!(told["aud"], scene.client.id);
    assert_eq!(told["iat"], scene.server.clock.now().timestamp());
    let names: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(names, ["aud", "iat", "iss", "token_introspection"]);
}

#[tokio::test]
async fn it_holds_what_the_plain_answer_says() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let bound = scene.bound_tokens(&Prover::new()).await.field("access_token");
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;

    for token in [&tokens.access, &tokens.refresh, &bound, &key] {
        let plain = scene.introspect_as("application/json", token).await;
        let signed = scene.introspect_as(JWT, token).await;

        assert_eq!(plain.json["active"], true, "{}", plain.text);
        assert_eq!(scene.verified(&signed, &scene.client.id).await.0["token_introspection"], plain.json);
    }
}

#[tokio::test]
async fn of_a_dead_or_foreign_token_it_says_nothing_but_inactive() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let bob = scene.server.user("bob").await;
    let foreign = scene.server.key(bob.organization, "read").await.1;
    scene.client.post(&scene.server, "/oauth/revoke", &[("token", &tokens.refresh)]).await;

    for token in [tokens.access.as_str(), &tokens.refresh, &foreign, "junk"] {
        let answer = scene.introspect_as(JWT, token).await;

        let (told, _) = scene.verified(&answer, &scene.client.id).await;
        assert_eq!(told["token_introspection"], json!({ "active": false }));
    }
}

#[tokio::test]
async fn it_is_no_token_itself() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.introspection_signed_response_alg = SigningAlg::Es256;
    })
    .await;
    let token = scene.tokens().await.access;
    let answer = scene.introspect_as(JWT, &token).await;
    let (told, algorithm) = scene.verified(&answer, &scene.client.id).await;
    assert_eq!(algorithm, Algorithm::ES256, "as access tokens are signed");

    for name in ["sub", "exp", "client_id", "scope", "jti", "grant"] {
        assert_eq!(told.get(name), None, "{name}");
    }
    assert!(!scene.is_accepted(&answer.text).await);
    let about_it = scene.introspect_as("application/json", &answer.text).await;
    assert_eq!(about_it.json, json!({ "active": false }));
}

#[tokio::test]
async fn it_is_signed_as_the_client_registered_and_with_rs256_otherwise() {
    let by_default = Scene::confidential().await;
    let token = by_default.tokens().await.access;
    let answer = by_default.introspect_as(JWT, &token).await;
    assert_eq!(by_default.verified(&answer, &by_default.client.id).await.1, Algorithm::RS256);

    for (registered, expected) in [
        (SigningAlg::Es256, Algorithm::ES256),
        (SigningAlg::EdDsa, Algorithm::EdDSA),
        (SigningAlg::Rs256, Algorithm::RS256),
    ] {
        let asker = by_default
            .server
            .client(by_default.ada.organization, |registration| {
                registration.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
                registration.introspection_signed_response_alg = registered;
            })
            .await;

        let request = asker.request(&by_default.server, PATH, &[("token", &token)]);
        let answer = Answer::of(request.header("accept", JWT)).await;

        assert_eq!(by_default.verified(&answer, &asker.id).await.1, expected);
    }
}

/// Whose APIs have its keys.
#[tokio::test]
async fn to_a_key_it_is_told_as_to_its_organization() {
    let scene = Scene::confidential().await;
    let token = scene.tokens().await.access;
    let (_, key) = scene.server.key(scene.ada.organization, "admin").await;

    let request = scene.server.request("POST", PATH).bearer_auth(&key).header("accept", JWT);
    let answer = Answer::of(request.form(&[("token", &token)])).await;

    let (told, algorithm) = scene.verified(&answer, &scene.ada.organization.to_string()).await;
    assert_eq!(algorithm, Algorithm::RS256);
    assert_eq!(told["token_introspection"]["jti"], claims(&token)["jti"]);
}
