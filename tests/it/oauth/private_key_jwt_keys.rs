//! A client that proves who it is by a signature: where its keys are, and what strangers learn.

use std::time::Duration;
use std::time::Instant;

use chrono::TimeDelta;
use countersign::base::ids::ClientId;
use countersign::clients::registration::AuthMethod;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::confidential;
use crate::oauth::private_key_jwt::signs_with;
use crate::support::OAuthClient;
use crate::support::Receiver;
use crate::support::Signer;

impl Scene {
    /// With a client that publishes its keys on this machine.
    async fn publishing() -> (Self, Signer, Receiver) {
        let (key, publisher) = (Signer::p256(), Receiver::start().await);
        publisher.publish(&keys(&[("a", &key)]), "max-age=600");
        let uri = publisher.url.clone();
        let scene = Self::with(|settings| settings.outgoing_to_private = true, publishes_at(uri)).await;
        (scene, key, publisher)
    }

    fn assertion_named(&self, id: &str, key: &Signer) -> String {
        let header = json!({ "alg": "ES256", "kid": id }).to_string();
        key.jws(&header, &self.assertion_claims(&self.client, &json!({})))
    }
}

fn publishes_at(uri: String) -> impl FnOnce(&mut countersign::clients::registration::Registration) {
    move |registration| {
        confidential(registration);
        registration.token_endpoint_auth_method = AuthMethod::PrivateKeyJwt;
        registration.jwks_uri = Some(uri);
    }
}

fn keys(keys: &[(&str, &Signer)]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|(id, key)| key.jwk(&json!({ "kid": id }))).collect();
    json!({ "keys": keys })
}

#[tokio::test]
async fn keys_that_are_published_are_fetched_and_remembered() {
    let (scene, key, publisher) = Scene::publishing().await;

    for _ in 0..3 {
        let answer = scene.prove(&scene.assertion(&key, &json!({}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    assert_eq!(publisher.received().len(), 1);
    assert_eq!(publisher.last().header("accept"), "application/json");
    assert!(publisher.last().header("user-agent").starts_with("Countersign/"));
}

#[tokio::test]
async fn a_client_rotates_its_keys_without_a_word() {
    let (scene, old, publisher) = Scene::publishing().await;
    assert_eq!(scene.prove(&scene.assertion_named("a", &old)).await.status, 200);
    let new = Signer::p256();
    publisher.publish(&keys(&[("a", &old), ("b", &new)]), "max-age=600");

    let too_soon = scene.prove(&scene.assertion_named("b", &new)).await;
    scene.server.clock.advance(TimeDelta::minutes(1));
    let then = scene.prove(&scene.assertion_named("b", &new)).await;
    publisher.publish(&keys(&[("b", &new)]), "max-age=600");
    scene.server.clock.advance(TimeDelta::minutes(10));
    let with_old = scene.prove(&scene.assertion_named("a", &old)).await;

    assert_refused(&too_soon, 401, "invalid_client");
    assert_eq!(then.status, 200, "{}", then.text);
    assert_refused(&with_old, 401, "invalid_client");
}

#[tokio::test]
async fn made_up_keys_do_not_make_the_server_knock() {
    let (scene, key, publisher) = Scene::publishing().await;

    for at in 0..10 {
        let answer = scene.prove(&scene.assertion_named(&format!("made up {at}"), &key)).await;
        assert_refused(&answer, 401, "invalid_client");
    }

    assert_eq!(publisher.received().len(), 1);
}

#[tokio::test]
async fn a_client_whose_keys_cannot_be_had_is_refused_and_the_failure_remembered() {
    let (scene, key, publisher) = Scene::publishing().await;
    let inside = Receiver::start().await;
    let private = json!({ "keys": [key.jwk(&json!({ "d": "AA" }))] });
    let long = json!({ "keys": [key.jwk], "more": "x".repeat(70_000) });
    let prepared: [(&str, &dyn Fn()); 6] = [
        ("away", &|| publisher.answer(503, b"")),
        ("not JSON", &|| publisher.answer(200, b"<html>")),
        ("no key set", &|| publisher.answer(200, b"[]")),
        ("private", &|| publisher.publish(&private, "max-age=600")),
        ("too long", &|| publisher.publish(&long, "max-age=600")),
        ("elsewhere", &|| publisher.redirect_to(&inside.url)),
    ];

    for (case, prepare) in prepared {
        let before = publisher.received().len();
        prepare();
        for _ in 0..3 {
            let answer = scene.prove(&scene.assertion(&key, &json!({}))).await;
            assert_refused(&answer, 401, "invalid_client");
        }
        assert_eq!(publisher.received().len() - before, 1, "{case}");
        scene.server.clock.advance(TimeDelta::minutes(1));
    }
    publisher.publish(&keys(&[("a", &key)]), "max-age=600");
    assert_eq!(scene.prove(&scene.assertion(&key, &json!({}))).await.status, 200);
    assert_eq!(inside.received().len(), 0);
}

#[tokio::test]
async fn keys_that_are_slow_to_come_hold_a_request_up_for_five_seconds_and_no_other() {
    let (scene, key, publisher) = Scene::publishing().await;
    let other = scene.server.client(scene.ada.organization, signs_with(&key)).await;
    publisher.be_silent(true);
    let started = Instant::now();
    let jwt = scene.assertion(&key, &json!({}));
    let of_other = key.jws(r#"{"alg": "ES256"}"#, &scene.assertion_claims(&other, &json!({})));

    let slow = async {
        let answer = scene.prove(&jwt).await;
        (answer, started.elapsed())
    };
    let quick = async {
        publisher.wait_for(1).await;
        let answer = scene.prove(&of_other).await;
        (answer, started.elapsed())
    };
    let ((slow, slow_for), (quick, quick_for)) = tokio::join!(slow, quick);

    assert_refused(&slow, 401, "invalid_client");
    assert_eq!(quick.status, 200, "{}", quick.text);
    assert!(quick_for < slow_for && slow_for < Duration::from_secs(12), "{quick_for:?} {slow_for:?}");
}

#[tokio::test]
async fn keys_are_not_fetched_from_an_address_that_is_not_public() {
    let (key, publisher) = (Signer::p256(), Receiver::start().await);
    publisher.publish(&keys(&[("a", &key)]), "max-age=600");
    let port = publisher.url.split([':', '/']).nth(4).unwrap();

    for uri in
        [publisher.url.clone(), format!("https://127.0.0.1:{port}/"), format!("https://localhost:{port}/")]
    {
        let scene = Scene::with_client(publishes_at(uri)).await;

        let answer = scene.prove(&scene.assertion(&key, &json!({}))).await;

        assert_refused(&answer, 401, "invalid_client");
    }
    assert_eq!(publisher.received().len(), 0);
}

#[tokio::test]
async fn a_stranger_cannot_learn_which_clients_exist_or_how_they_authenticate() {
    let (scene, _, publisher) = Scene::publishing().await;
    let key = Signer::p256();
    let (server, ada) = (&scene.server, scene.ada.organization);
    let disabled = server.client(ada, signs_with(&key)).await;
    server.disable_client(&disabled.id).await;
    let dead = server.client(ada, publishes_at("http://127.0.0.1:1/".to_owned())).await;
    let unknown = ClientId::new(server.clock.now()).to_string();
    let named = |id: &str| OAuthClient { id: id.to_owned(), secret: None };
    let prove = async |client: &OAuthClient| {
        let claims = scene.assertion_claims(client, &json!({}));
        scene.prove(&key.jws(r#"{"alg": "ES256", "kid": "a"}"#, &claims)).await
    };
    let expected = prove(&named(&unknown)).await;
    publisher.publish(&json!({ "keys": [] }), "max-age=600");

    for client in [
        scene.client.clone(),
        server.client(ada, signs_with(&Signer::p256())).await,
        server.confidential_client(ada).await,
        server.public_client(ada).await,
        disabled,
        dead,
        named("cli_x"),
        named("x"),
        named("\0"),
    ] {
        let answer = prove(&client).await;

        assert_refused(&answer, 401, "invalid_client");
        assert_eq!(answer.json, expected.json, "{}", client.id);
    }
}
