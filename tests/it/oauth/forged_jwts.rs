//! What a forger tries with every kind of JWT that comes to this server: those that clients sign, and its own that come
//! back (RFC 8725 §2).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::private_key_jwt::TYPE;
use crate::oauth::private_key_jwt::signs_with;
use crate::oauth::request_object::Signing;
use crate::support::Answer;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::Prover;
use crate::support::Receiver;
use crate::support::Signer;
use crate::support::encode;

const TOKEN: &str = "/oauth/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[derive(Debug, Clone, Copy)]
enum Kind {
    ClientAssertion,
    RequestObject,
    Proof,
    IdTokenHint,
    AccessToken,
}

const KINDS: [Kind; 5] =
    [Kind::ClientAssertion, Kind::RequestObject, Kind::Proof, Kind::IdTokenHint, Kind::AccessToken];

/// A server that takes every kind, and may fetch keys from this machine.
struct Reader {
    signing: Signing,
    /// Proves itself by the same key as the client of `signing`.
    service: OAuthClient,
    /// Proves itself by a secret, and its tokens by proofs.
    holder: OAuthClient,
    prover: Prover,
    /// What the server has signed.
    tokens: Answer,
}

impl Reader {
    async fn new() -> Self {
        let key = Signer::p256();
        let jwks = json!({ "keys": [key.jwk(&json!({ "kid": "a" }))] });
        let scene = Scene::with(
            |settings| settings.outgoing_to_private = true,
            |registration| registration.jwks = Some(jwks),
        );
        // Boxed, or every test would hold it in its own future.
        let scene = Box::pin(scene).await;
        let service = scene.server.client(scene.ada.organization, signs_with(&key)).await;
        let holder = scene.server.confidential_client(scene.ada.organization).await;
        let tokens = scene.tokens_with(&[("scope", "openid read")]).await;
        let signing = Signing { scene, key, pkce: Pkce::default() };
        Self { signing, service, holder, prover: Prover::new(), tokens }
    }

    /// Of the kinds that the server signs, one of its own.
    fn issued(&self, kind: Kind) -> String {
        let is_hint = matches!(kind, Kind::IdTokenHint);
        self.tokens.field(if is_hint { "id_token" } else { "access_token" })
    }

    /// Header and claims of a good one, never used before.
    fn good(&self, kind: Kind) -> (Value, String) {
        let none = json!({});
        let scene = &self.signing.scene;
        let header = json!({ "alg": "ES256", "kid": "a" });
        match kind {
            Kind::ClientAssertion => (header, scene.assertion_claims(&self.service, &none)),
            Kind::RequestObject => (header, self.signing.claims(&none)),
            Kind::Proof => {
                let url = format!("{}{TOKEN}", scene.server.issuer());
                let claims = Prover::claims(&scene.server, ("POST", &url), &none);
                (self.prover.header(&none), claims.to_string())
            }
            Kind::IdTokenHint | Kind::AccessToken => {
                let token = self.issued(kind);
                let parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
                let texts: Vec<String> = parts.take(2).map(|part| String::from_utf8(part).unwrap()).collect();
                (serde_json::from_str(&texts[0]).unwrap(), texts[1].clone())
            }
        }
    }

    /// By whom such a JWT has to be.
    fn signed(&self, kind: Kind, header: &Value, claims: &str) -> String {
        let header = header.to_string();
        match kind {
            Kind::ClientAssertion | Kind::RequestObject => self.signing.key.jws(&header, claims),
            Kind::Proof => self.prover.signer.jws(&header, claims),
            Kind::IdTokenHint | Kind::AccessToken => {
                let algorithm = jsonwebtoken::decode_header(self.issued(kind)).unwrap().alg;
                let server = &self.signing.scene.server;
                let keys = server.app.keys.current();
                let key = &keys.signer(algorithm, server.clock.now()).unwrap().private;
                let message = format!("{}.{}", encode(header), encode(claims));
                let signature = encode(key.sign(message.as_bytes()).unwrap());
                format!("{message}.{signature}")
            }
        }
    }

    /// The key that verifies it.
    async fn public_key(&self, kind: Kind) -> Value {
        match kind {
            Kind::ClientAssertion | Kind::RequestObject => self.signing.key.jwk.clone(),
            Kind::Proof => self.prover.signer.jwk.clone(),
            Kind::IdTokenHint | Kind::AccessToken => {
                let (header, _) = self.good(kind);
                let keys = self.signing.scene.server.get("/oauth/jwks").await.json;
                let mut keys = keys["keys"].as_array().unwrap().iter();
                keys.find(|key| key["kid"] == header["kid"]).unwrap().clone()
            }
        }
    }

    async fn is_taken(&self, kind: Kind, jwt: &str) -> bool {
        let scene = &self.signing.scene;
        let answer = match kind {
            Kind::ClientAssertion => {
                let form = [GRANT, TYPE, ("client_assertion", jwt)];
                Answer::of(scene.server.request("POST", TOKEN).form(&form)).await
            }
            Kind::RequestObject => scene.browser.get(&self.signing.path(jwt)).await,
            Kind::Proof => {
                let request = self.holder.request(&scene.server, TOKEN, &[GRANT]);
                Answer::of(request.header("dpop", jwt)).await
            }
            Kind::IdTokenHint => {
                let changes = [("scope", "openid read"), ("id_token_hint", jwt)];
                let path = scene.client.authorize_path(&Pkce::default(), &changes);
                let answer = scene.browser.get(&path).await;
                return answer.location_params().contains_key("code");
            }
            Kind::AccessToken => scene.server.get_as(jwt, "/v1/auth/test").await,
        };
        assert!(matches!(answer.status, 200 | 400 | 401), "{kind:?}: {} {}", answer.status, answer.text);
        answer.status == 200
    }

    async fn assert_good_ones_are_taken(&self) {
        for kind in KINDS {
            let (header, claims) = self.good(kind);
            assert!(self.is_taken(kind, &self.signed(kind, &header, &claims)).await, "{kind:?}");
        }
    }
}

fn with(header: &Value, changes: &Value) -> Value {
    let mut header = header.clone();
    header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    header
}

#[tokio::test]
async fn none_is_taken_without_a_signature() {
    let reader = Reader::new().await;

    for kind in KINDS {
        for alg in [json!("none"), json!("None"), json!("NONE"), json!(""), json!(null)] {
            let (header, claims) = reader.good(kind);
            let header = with(&header, &json!({ "alg": alg }));
            let signed = reader.signed(kind, &header, &claims);
            let (message, _) = signed.rsplit_once('.').unwrap();

            for jwt in [&format!("{message}."), message, &signed] {
                assert!(!reader.is_taken(kind, jwt).await, "{kind:?} {alg}: {jwt}");
            }
        }
    }
    reader.assert_good_ones_are_taken().await;
}

#[tokio::test]
async fn a_public_key_is_nowhere_a_shared_secret() {
    let reader = Reader::new().await;

    for kind in KINDS {
        let jwk = reader.public_key(kind).await;
        let material = jwk["x"].as_str().or_else(|| jwk["n"].as_str()).unwrap();
        let secrets = [jwk.to_string().into_bytes(), URL_SAFE_NO_PAD.decode(material).unwrap(), Vec::new()];
        for (alg, algorithm) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            for secret in &secrets {
                let (header, claims) = reader.good(kind);
                let header = with(&header, &json!({ "alg": alg })).to_string();
                let message = format!("{}.{}", encode(header), encode(claims));
                let mac = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());

                let jwt = format!("{message}.{}", encode(mac));

                assert!(!reader.is_taken(kind, &jwt).await, "{kind:?} {alg}: {jwt}");
            }
        }
    }
    reader.assert_good_ones_are_taken().await;
}

#[tokio::test]
async fn a_key_of_one_type_signs_for_no_other() {
    let reader = Reader::new().await;

    for kind in KINDS {
        let (header, _) = reader.good(kind);
        let own = header["alg"].as_str().unwrap();
        let algorithms =
            ["ES256", "ES384", "ES512", "ES256K", "Ed25519", "EdDSA", "PS256", "PS512", "RS256", "RS512"];
        for alg in algorithms.into_iter().filter(|alg| *alg != own) {
            let (header, claims) = reader.good(kind);
            let jwt = reader.signed(kind, &with(&header, &json!({ "alg": alg })), &claims);

            assert!(!reader.is_taken(kind, &jwt).await, "{kind:?} of {own} as {alg}");
        }
    }
    reader.assert_good_ones_are_taken().await;
}

/// RFC 8725 §3.10: nobody is asked for keys at an address that a header names.
#[tokio::test]
async fn a_key_that_the_header_points_to_counts_for_nothing() {
    let reader = Reader::new().await;
    let (stranger, host) = (Signer::p256(), Receiver::start().await);
    host.publish(
        &json!({ "keys": [stranger.jwk(&json!({ "kid": "evil", "alg": "ES256" }))] }),
        "max-age=600",
    );
    let pointing = [
        json!({ "jku": host.url }),
        json!({ "x5u": host.url }),
        json!({ "jku": host.url, "x5u": host.url, "x5c": [encode("certificate")], "x5t": "AA" }),
    ];

    for kind in KINDS {
        for changes in &pointing {
            let (header, claims) = reader.good(kind);
            let header = with(&header, changes);
            let forged = with(&header, &json!({ "alg": "ES256" }));
            let renamed = with(&forged, &json!({ "kid": "evil" }));
            for header in [&forged, &renamed] {
                let jwt = stranger.jws(&header.to_string(), &claims);

                assert!(!reader.is_taken(kind, &jwt).await, "{kind:?}: {header}");
            }
            let honest = reader.signed(kind, &header, &claims);
            assert!(reader.is_taken(kind, &honest).await, "{kind:?}: it is no error: {header}");
        }
        if !matches!(kind, Kind::Proof) {
            let (header, claims) = reader.good(kind);
            let brought = with(&header, &json!({ "alg": "ES256", "jwk": stranger.jwk }));
            let jwt = stranger.jws(&brought.to_string(), &claims);

            assert!(!reader.is_taken(kind, &jwt).await, "{kind:?}: {brought}");
        }
    }
    assert_eq!(host.received().len(), 0);
}
