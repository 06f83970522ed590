//! Nonces in proofs of possession at `/oauth/token` (RFC 9449 §8), where the operator wants them.

use chrono::TimeDelta;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::confidential;
use crate::support::Answer;
use crate::support::Pkce;
use crate::support::Prover;
use crate::support::encode;

impl Scene {
    async fn with_nonces() -> Self {
        Self::with(|settings| "token_endpoint".clone_into(&mut settings.dpop_nonces), confidential).await
    }

    async fn ask_with_nonce(&self, prover: &Prover, nonce: Option<&str>) -> Answer {
        self.ask_with_claims(prover, &json!({ "nonce": nonce })).await
    }

    async fn ask_with_claims(&self, prover: &Prover, claims: &serde_json::Value) -> Answer {
        let form = [("grant_type", "client_credentials"), ("scope", "read")];
        self.post_proven(&form, &prover.proof_with(&self.server, claims)).await
    }

    /// The nonce that is given now.
    async fn nonce(&self) -> String {
        nonce(&self.ask_with_nonce(&Prover::new(), None).await)
    }
}

#[track_caller]
fn nonce(answer: &Answer) -> String {
    assert_eq!(answer.headers.get_all("dpop-nonce").iter().count(), 1, "{:?}", answer.headers);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.header("dpop-nonce").unwrap().to_owned()
}

#[tokio::test]
async fn where_a_nonce_is_wanted_a_proof_without_one_gets_it() {
    let scene = Scene::with_nonces().await;
    let (prover, pkce) = (Prover::new(), Pkce::default());
    let code = scene.code(&pkce).await;

    let without = scene.exchange_proven(&code, &pkce, &prover.proof(&scene.server)).await;
    let given = nonce(&without);
    let proof = prover.proof_with(&scene.server, &json!({ "nonce": given }));
    let with = scene.exchange_proven(&code, &pkce, &proof).await;
    let without_again =
        scene.refresh_proven(&with.field("refresh_token"), &prover.proof(&scene.server)).await;

    assert_refused(&without, 400, "use_dpop_nonce");
    assert_eq!(with.json["token_type"], "DPoP", "the code was not used up: {}", with.text);
    assert_refused(&without_again, 400, "use_dpop_nonce");
    assert_eq!([nonce(&with), nonce(&without_again)], [given.clone(), given]);
}

#[tokio::test]
async fn a_pushed_request_wants_it_too() {
    let scene = Scene::with_nonces().await;
    let (prover, pkce) = (Prover::new(), Pkce::default());
    let proof = |claims| prover.proof_at(&scene.server, "/oauth/par", &claims);

    let without = scene.push_proven(&pkce, &[], Some(&proof(json!({})))).await;
    let with = scene.push_proven(&pkce, &[], Some(&proof(json!({ "nonce": nonce(&without) })))).await;

    assert_refused(&without, 400, "use_dpop_nonce");
    assert_eq!((with.status, nonce(&with)), (201, nonce(&without)), "{}", with.text);
}

#[tokio::test]
async fn who_sends_no_proof_is_given_no_nonce() {
    let scene = Scene::with_nonces().await;

    let answer = scene.client.tokens(&scene.server, &scene.browser).await;

    assert_eq!((answer.status, &answer.json["token_type"]), (200, &"Bearer".into()));
    assert_eq!(answer.header("dpop-nonce"), None);
}

#[tokio::test]
async fn a_nonce_cannot_be_guessed_and_ends() {
    let scene = Scene::with_nonces().await;
    let prover = Prover::new();
    let given = scene.nonce().await;
    let is_of_a_scope = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);

    scene.server.clock.advance(TimeDelta::seconds(120));
    let next = scene.nonce().await;
    let late = scene.ask_with_nonce(&prover, Some(&given)).await;
    scene.server.clock.advance(TimeDelta::seconds(120));
    let too_late = scene.ask_with_nonce(&prover, Some(&given)).await;

    assert!(given.len() >= 22 && given.bytes().all(is_of_a_scope), "{given}");
    assert_ne!(next, given);
    assert_eq!((late.status, nonce(&late)), (200, next), "told what comes next");
    assert_refused(&too_late, 400, "use_dpop_nonce");
    let swapped: String = given.chars().rev().collect();
    for made_up in ["", "x", &encode([0; 32]), &swapped, &given[..given.len() - 1], &format!("{given}A")] {
        let answer = scene.ask_with_nonce(&prover, Some(made_up)).await;
        assert_refused(&answer, 400, "use_dpop_nonce");
    }
}

#[tokio::test]
async fn every_node_takes_the_nonce_of_another() {
    let scene = Scene::with_nonces().await;
    let other_node = scene.server.second_node().await;
    let proof = Prover::new().proof_with(&scene.server, &json!({ "nonce": scene.nonce().await }));

    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let answer =
        Answer::of(scene.client.request(&other_node, "/oauth/token", &form).header("dpop", proof)).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// With a nonce it is known when the proof was made, whatever the clock of whoever made it says.
#[tokio::test]
async fn with_a_nonce_a_clock_may_be_wrong() {
    let scene = Scene::with_nonces().await;
    let prover = Prover::new();
    let now = scene.server.clock.now().timestamp();
    let given = scene.nonce().await;

    for iat in [now - 86_400, now + 86_400, 0] {
        let answer = scene.ask_with_claims(&prover, &json!({ "nonce": given, "iat": iat })).await;
        assert_eq!(answer.status, 200, "{iat}: {}", answer.text);
    }
    let without = scene.ask_with_claims(&prover, &json!({ "nonce": given, "iat": null })).await;
    assert_refused(&without, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn with_a_nonce_too_a_proof_counts_once() {
    let scene = Scene::with_nonces().await;
    let proof = Prover::new().proof_with(&scene.server, &json!({ "nonce": scene.nonce().await }));
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    assert_eq!(scene.post_proven(&form, &proof).await.status, 200);

    scene.server.clock.advance(TimeDelta::seconds(100));
    scene.server.clean_up().await;
    let again = scene.post_proven(&form, &proof).await;

    assert_refused(&again, 400, "invalid_dpop_proof");
    assert_eq!(again.json["error_description"], "the DPoP proof was used before");
}
