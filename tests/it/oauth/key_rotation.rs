//! Keys come and go while the server runs, and nobody is logged out by it.

use chrono::TimeDelta;
use countersign::base::secret::Secret;
use countersign::base::server_secret::ServerSecret;
use countersign::signing::key;
use countersign::signing::key::SigningKey;
use countersign::signing::keyring;
use countersign::signing::keyring::Keyring;
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
    rotate_of(server, Algorithm::ES256, announce).await
}

pub async fn rotate_of(server: &TestServer, algorithm: Algorithm, announce: TimeDelta) -> String {
    let now = server.clock.now();
    let mut tx = server.app.db.begin().await.unwrap();
    keyring::lock(&mut tx).await.unwrap();
    let key = SigningKey::generate(algorithm, &server_secret(), now, now + announce).unwrap();
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

/// The keys of the algorithm that tokens are signed with here.
async fn published(server: &TestServer) -> Vec<String> {
    published_of(server, Algorithm::ES256).await
}

async fn published_of(server: &TestServer, algorithm: Algorithm) -> Vec<String> {
    let keys = server.get("/oauth/jwks").await.json;
    let keys = keys["keys"].as_array().unwrap().iter();
    let keys = keys.filter(|key| key["alg"] == key::algorithm_name(algorithm));
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
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
async fn a_rotation_retires_no_key_of_another_algorithm() {
    let server = TestServer::start().await;
    let (es256, eddsa) = (published(&server).await, published_of(&server, Algorithm::EdDSA).await);
    assert_eq!((es256.len(), eddsa.len()), (1, 1));

    let new = rotate_of(&server, Algorithm::EdDSA, TimeDelta::zero()).await;

    let signer = |algorithm| {
        let keys = server.app.keys.current();
        keys.signer(algorithm, server.clock.now()).unwrap().key.id.clone()
    };
    assert_eq!(signer(Algorithm::EdDSA), new);
    assert_eq!(signer(Algorithm::ES256), es256[0]);
    server.clock.advance(key::VERIFY_AFTER_RETIREMENT);
    assert_eq!(published_of(&server, Algorithm::EdDSA).await, [new]);
    assert_eq!(published(&server).await, es256);
}

#[tokio::test]
async fn a_start_makes_what_the_ring_lacks_and_leaves_the_rest() {
    let server = TestServer::start().await;
    let before = [published(&server).await, published_of(&server, Algorithm::RS256).await].concat();
    sqlx::query("delete from signing_keys where algorithm = 'EdDSA'").execute(&server.app.db).await.unwrap();

    let second = server.second_node().await;

    assert_eq!(published_of(&second, Algorithm::EdDSA).await.len(), 1);
    let after = [published(&second).await, published_of(&second, Algorithm::RS256).await].concat();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_start_with_another_secret_adds_nothing_to_the_ring() {
    let server = TestServer::start().await;
    sqlx::query("delete from signing_keys where algorithm = 'EdDSA'").execute(&server.app.db).await.unwrap();
    let stranger = ServerSecret::new(&Secret::new("another secret that is long enough, too"));
    let mut db = server.app.db.acquire().await.unwrap();

    let opened = Keyring::open(&mut db, stranger, Algorithm::ES256, server.clock.now()).await;

    assert!(opened.is_err());
    assert_eq!(key::list(&mut db).await.unwrap().len(), 2);
}

#[tokio::test]
async fn everything_that_a_revoked_key_signed_is_dead_at_once() {
    let scene = Scene::confidential().await;
    let tokens = scene.tokens().await;
    let old = kid(&tokens.access);
    rotate(&scene.server, TimeDelta::zero()).await;

    let mut db = scene.server.app.db.acquire().await.unwrap();
    assert_eq!(key::revoke(&mut db, &old, scene.server.clock.now()).await.unwrap(), Some(Algorithm::ES256));
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
