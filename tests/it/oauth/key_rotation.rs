//! Keys come and go while the server runs, and nobody is logged out by it.

use chrono::TimeDelta;
use countersign::base::secret::Secret;
use countersign::base::server_secret::ServerSecret;
use countersign::signing::key;
use countersign::signing::key::SigningKey;
use countersign::signing::keyring;
use countersign::signing::token_key;
use jsonwebtoken::Algorithm;

use crate::oauth::Scene;
use crate::oauth::Tokens;
use crate::oauth::assert_refused;
use crate::oauth::jwks::verified;
use crate::support::Pkce;
use crate::support::SERVER_SECRET;
use crate::support::TestServer;

/// As `countersign keys rotate` does it; `announce` is how long the key is published before it signs.
pub async fn rotate(server: &TestServer, announce: TimeDelta) -> String {
    let now = server.clock.now();
    let mut tx = server.app.db.begin().await.unwrap();
    keyring::lock(&mut tx).await.unwrap();
    let key = SigningKey::generate(Algorithm::ES256, &server_secret(), now, now + announce).unwrap();
    key::rotate(&mut tx, &key).await.unwrap();
    tx.commit().await.unwrap();
    reload(server).await;
    key.id
}

/// As `countersign keys rotate --token` does it.
async fn rotate_token_key(server: &TestServer) {
    let now = server.clock.now();
    let mut tx = server.app.db.begin().await.unwrap();
    keyring::lock(&mut tx).await.unwrap();
    token_key::rotate(&mut tx, &server_secret(), now).await.unwrap();
    tx.commit().await.unwrap();
    reload(server).await;
}

fn server_secret() -> ServerSecret {
    ServerSecret::new(&Secret::new(SERVER_SECRET))
}

async fn reload(server: &TestServer) {
    let mut db = server.app.db.acquire().await.unwrap();
    server.app.keys.reload(&mut db).await.unwrap();
}

async fn revoke_token_key(server: &TestServer, id: i16) {
    let mut db = server.app.db.acquire().await.unwrap();
    assert!(token_key::revoke(&mut db, id).await.unwrap());
    drop(db);
    reload(server).await;
}

async fn published(server: &TestServer) -> Vec<String> {
    let keys = server.get("/oauth/jwks").await.json;
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs() {
    let scene = Scene::new().await;
    let old = published(&scene.server).await.remove(0);

    let new = rotate(&scene.server, key::ANNOUNCE).await;
    let mut tokens = scene.tokens().await;

    assert_eq!(published(&scene.server).await, [old.clone(), new.clone()]);
    assert_eq!(kid(&tokens.access), old);
    scene.server.clock.advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    tokens = Tokens::of(&scene.refresh(&tokens.refresh).await);
    assert_eq!(kid(&tokens.access), old);
    scene.server.clock.advance(TimeDelta::seconds(1));
    tokens = Tokens::of(&scene.refresh(&tokens.refresh).await);
    assert_eq!(kid(&tokens.access), new);
    assert!(scene.is_accepted(&tokens.access).await);
}

#[tokio::test]
async fn a_token_of_the_key_before_still_verifies() {
    let scene = Scene::new().await;
    let access_token = scene.tokens().await.access;

    rotate(&scene.server, TimeDelta::zero()).await;

    assert!(scene.is_accepted(&access_token).await);
    assert!(verified(&scene.server, &access_token, scene.server.issuer()).await.is_some());
}

#[tokio::test]
async fn a_retired_key_leaves_when_none_of_its_tokens_can_live_any_more() {
    let longest = TimeDelta::hours(24);
    let scene = Scene::with_client(|registration| registration.lifetimes.access_token = longest).await;
    let old = published(&scene.server).await.remove(0);
    let new = rotate(&scene.server, key::ANNOUNCE).await;
    scene.server.clock.advance(key::ANNOUNCE - TimeDelta::seconds(1));
    let last_of_the_old = scene.tokens().await.access;
    assert_eq!(kid(&last_of_the_old), old);

    scene.server.clock.advance(longest - TimeDelta::seconds(1));
    assert!(scene.is_accepted(&last_of_the_old).await);
    assert_eq!(published(&scene.server).await, [old, new.clone()]);
    scene.server.clock.advance(TimeDelta::hours(2));

    assert_eq!(published(&scene.server).await, [new]);
}

#[tokio::test]
async fn everything_that_a_revoked_key_signed_is_dead_at_once() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let old = kid(&tokens.access);
    rotate(&scene.server, TimeDelta::zero()).await;

    let mut db = scene.server.app.db.acquire().await.unwrap();
    assert!(key::revoke(&mut db, &old, scene.server.clock.now()).await.unwrap());
    reload(&scene.server).await;

    assert!(!published(&scene.server).await.contains(&old));
    assert!(!scene.is_accepted(&tokens.access).await);
    let introspected =
        scene.client.post(&scene.server, "/oauth/introspect", &[("token", &tokens.access)]).await;
    assert_eq!(introspected.json["active"], false);
    let refreshed = scene.refresh(&tokens.refresh).await;
    assert!(scene.is_accepted(&refreshed.field("access_token")).await);
}

#[tokio::test]
async fn codes_and_refresh_tokens_of_an_older_token_key_stay_good() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let refresh_token = scene.tokens().await.refresh;

    rotate_token_key(&scene.server).await;
    let exchanged = scene.exchange(&code, &pkce).await;
    let refreshed = scene.refresh(&refresh_token).await;

    assert_eq!(exchanged.status, 200, "{}", exchanged.text);
    assert_eq!(scene.refresh(&refreshed.field("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn a_retry_across_a_rotation_gets_the_same_successor() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;
    let lost = scene.refresh(&first).await;

    rotate_token_key(&scene.server).await;
    let retried = scene.refresh(&first).await;

    assert_eq!(retried.field("refresh_token"), lost.field("refresh_token"));
}

#[tokio::test]
async fn a_revoked_token_key_kills_what_it_derived() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let old = scene.tokens().await.refresh;
    rotate_token_key(&scene.server).await;
    let new = scene.tokens().await.refresh;

    revoke_token_key(&scene.server, 1).await;

    assert_refused(&scene.exchange(&code, &pkce).await, 400, "invalid_grant");
    assert_refused(&scene.refresh(&old).await, 400, "invalid_grant");
    assert_eq!(scene.refresh(&new).await.status, 200);
}
