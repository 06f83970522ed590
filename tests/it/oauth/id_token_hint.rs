//! `id_token_hint` at `/oauth/authorize` (OpenID Connect Core §3.1.2.1, §3.1.2.2).

use chrono::TimeDelta;
use countersign::signing::algorithm::SigningAlg;
use countersign::signing::key;

use crate::oauth::Scene;
use crate::oauth::key_rotation::rotate_of;
use crate::oauth::tampered;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::TestUser;
use crate::support::form_of;

const OPENID: (&str, &str) = ("scope", "openid");

impl Scene {
    async fn hint(&self) -> String {
        self.tokens_with(&[OPENID]).await.field("id_token")
    }

    async fn ask_hinting(&self, browser: &Browser, hint: &str, changes: &[(&str, &str)]) -> Answer {
        let changes: Vec<_> =
            [OPENID, ("id_token_hint", hint)].into_iter().chain(changes.iter().copied()).collect();
        browser.get(&self.client.authorize_path(&Pkce::default(), &changes)).await
    }
}

async fn sign_in(browser: &Browser, asked: &Answer, user: &TestUser) -> Answer {
    let form = form_of(&browser.get(asked.location()).await, "/login");
    let signed_in = browser.send(&form, &[("email", &user.email), ("password", PASSWORD)]).await;
    browser.get(signed_in.location()).await
}

#[track_caller]
fn assert_error(answer: &Answer, error: &str) {
    let params = answer.location_params();
    assert_eq!(params.get("error").map(String::as_str), Some(error), "{}", answer.location());
    assert_eq!(params["state"], "state-1");
}

#[track_caller]
fn assert_granted(answer: &Answer) {
    assert!(answer.location_params().contains_key("code"), "{}", answer.location());
}

#[tokio::test]
async fn the_person_whom_it_names_goes_on_without_a_page() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;

    assert_granted(&scene.ask_hinting(&scene.browser, &hint, &[("prompt", "none")]).await);
    assert_granted(&scene.ask_hinting(&scene.browser, &hint, &[]).await);
}

#[tokio::test]
async fn another_person_than_the_hint_names_is_login_required() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;
    let bob = scene.server.user("bob").await;
    let browser = scene.server.browser_of(&bob).await;

    let silent = scene.ask_hinting(&browser, &hint, &[("prompt", "none")]).await;
    let asked = scene.ask_hinting(&browser, &hint, &[]).await;

    assert_error(&silent, "login_required");
    assert!(asked.location().starts_with("/login?"), "{}", asked.location());
}

#[tokio::test]
async fn who_signs_in_as_the_person_whom_it_names_goes_on() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;
    let bob = scene.server.user("bob").await;

    for browser in [scene.server.browser(), scene.server.browser_of(&bob).await] {
        let asked = scene.ask_hinting(&browser, &hint, &[("prompt", "login")]).await;
        let after = sign_in(&browser, &asked, &scene.ada).await;

        assert_granted(&after);
    }
}

#[tokio::test]
async fn who_signs_in_as_somebody_else_than_the_hint_names_gets_no_code() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;
    let bob = scene.server.user("bob").await;

    for browser in [scene.server.browser(), scene.server.browser_of(&scene.ada).await] {
        let asked = scene.ask_hinting(&browser, &hint, &[("prompt", "login")]).await;
        let after = sign_in(&browser, &asked, &bob).await;

        assert_error(&after, "login_required");
    }
}

#[tokio::test]
async fn in_a_pushed_request_it_means_the_same() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;
    let bob = scene.server.user("bob").await;
    let changes = [OPENID, ("id_token_hint", hint.as_str())];

    for (user, is_meant) in [(&scene.ada, true), (&bob, false)] {
        let browser = scene.server.browser_of(&bob).await;
        let path = scene.pushed_path(&Pkce::default(), &changes).await;
        let asked = browser.get(&path).await;
        scene.server.clock.advance(TimeDelta::seconds(1));
        let after = sign_in(&browser, &asked, user).await;

        if is_meant {
            assert_granted(&after);
        } else {
            assert_error(&after, "login_required");
        }
    }
    let bad = scene.push(&Pkce::default(), &[OPENID, ("id_token_hint", "x")]).await;
    assert_eq!((bad.status, bad.error()), (400, "invalid_request"));
}

#[tokio::test]
async fn nobody_decides_for_the_person_whom_it_names() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;
    let bob = scene.server.user("bob").await;
    let page = scene.ask_hinting(&scene.browser, &hint, &[("prompt", "consent")]).await;
    let form = form_of(&page, "/oauth/authorize");

    let bobs = scene.server.browser_of(&bob).await;
    let csrf = bobs.csrf("/settings/account").await;
    let answer = bobs.send(&form, &[("decision", "approve"), ("csrf", &csrf)]).await;

    assert!(answer.location().starts_with("/login?"), "{}", answer.location());
}

#[tokio::test]
async fn an_expired_one_still_counts() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;
    scene.server.clock.advance(TimeDelta::hours(2));
    assert_granted(&scene.ask_hinting(&scene.browser, &hint, &[("prompt", "none")]).await);

    // Also when the key that signed it is published no more.
    rotate_of(&scene.server, SigningAlg::Rs256.into(), TimeDelta::zero()).await;
    scene.server.clock.advance(key::VERIFY_AFTER_RETIREMENT + TimeDelta::hours(1));

    assert_granted(&scene.ask_hinting(&scene.browser, &hint, &[("prompt", "none")]).await);
}

#[tokio::test]
async fn what_this_server_did_not_sign_is_no_hint() {
    let scene = Scene::new().await;
    let tokens = scene.tokens_with(&[OPENID]).await;
    let hint = tokens.field("id_token");
    // With the same keys, as every server of the tests has them.
    let other_issuer = Scene::new().await.hint().await;
    let unsigned = format!("{}.", hint.rsplit_once('.').unwrap().0);
    let bits: Vec<String> = tampered(&hint).step_by(97).collect();
    let others = ["x".to_owned(), tokens.field("access_token"), other_issuer, unsigned];

    for bad in others.iter().chain(&bits) {
        for changes in [&[][..], &[("prompt", "none")]] {
            assert_error(&scene.ask_hinting(&scene.browser, bad, changes).await, "invalid_request");
        }
    }
}

#[tokio::test]
async fn one_of_a_key_that_leaked_is_no_hint() {
    let scene = Scene::new().await;
    let hint = scene.hint().await;
    let keys = scene.server.get("/oauth/jwks").await.json["keys"].clone();

    let mut db = scene.server.app.db.acquire().await.unwrap();
    key::revoke(&mut db, keys[0]["kid"].as_str().unwrap(), scene.server.clock.now()).await.unwrap();
    scene.server.app.keys.reload(&mut db).await.unwrap();

    assert_error(&scene.ask_hinting(&scene.browser, &hint, &[]).await, "invalid_request");
}
