//! `prompt` and `max_age` at `/oauth/authorize` (OpenID Connect Core §3.1.2.1).

use chrono::TimeDelta;

use crate::oauth::Scene;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::form_of;

impl Scene {
    async fn ask_with(&self, browser: &Browser, changes: &[(&str, &str)]) -> Answer {
        browser.get(&self.client.authorize_path(&Pkce::default(), changes)).await
    }

    /// Through the sign-in page to which `answer` redirects; what comes after it, a second later.
    async fn sign_in_again(&self, browser: &Browser, answer: &Answer) -> Answer {
        assert!(answer.location().starts_with("/login?"), "{}", answer.location());
        let form = form_of(&browser.get(answer.location()).await, "/login");
        let signed_in = browser.send(&form, &[("email", &self.ada.email), ("password", PASSWORD)]).await;
        self.server.clock.advance(TimeDelta::seconds(1));
        browser.get(signed_in.location()).await
    }
}

#[track_caller]
fn assert_consent_page(answer: &Answer) {
    assert_eq!(answer.status, 200, "{:?}", answer.headers);
    assert!(form_of(answer, "/oauth/authorize").action.contains("client_id="));
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
async fn none_without_a_sign_in_is_login_required() {
    let scene = Scene::new().await;

    let answer = scene.ask_with(&scene.server.browser(), &[("prompt", "none")]).await;

    assert_error(&answer, "login_required");
}

#[tokio::test]
async fn none_without_a_consent_is_consent_required() {
    let scene = Scene::new().await;

    let answer = scene.ask_with(&scene.browser, &[("prompt", "none")]).await;

    assert_error(&answer, "consent_required");
}

#[tokio::test]
async fn none_with_a_consent_gives_a_code_silently() {
    let scene = Scene::new().await;
    scene.tokens().await;
    let pkce = Pkce::default();

    let answer = scene.browser.get(&scene.client.authorize_path(&pkce, &[("prompt", "none")])).await;

    assert_granted(&answer);
    let exchanged = scene.exchange(&answer.location_params()["code"], &pkce).await;
    assert_eq!(exchanged.json["scope"], "read write");
}

#[tokio::test]
async fn none_for_more_than_was_consented_to_is_consent_required() {
    let scene = Scene::new().await;
    scene.tokens().await;

    let answer = scene.ask_with(&scene.browser, &[("prompt", "none"), ("scope", "read delete")]).await;

    assert_error(&answer, "consent_required");
}

#[tokio::test]
async fn none_excludes_every_other_prompt() {
    let scene = Scene::new().await;
    scene.tokens().await;

    for prompt in ["none login", "login none", "none consent"] {
        let answer = scene.ask_with(&scene.browser, &[("prompt", prompt)]).await;

        assert_error(&answer, "invalid_request");
    }
}

#[tokio::test]
async fn login_asks_somebody_who_is_signed_in_to_do_it_again_once() {
    let scene = Scene::new().await;

    let asked = scene.ask_with(&scene.browser, &[("prompt", "login")]).await;
    let after = scene.sign_in_again(&scene.browser, &asked).await;

    assert_consent_page(&after);
    let form = form_of(&after, "/oauth/authorize");
    assert_granted(&scene.browser.send(&form, &[("decision", "approve")]).await);
}

#[tokio::test]
async fn login_with_a_consent_gives_a_code_after_the_sign_in() {
    let scene = Scene::new().await;
    scene.tokens().await;

    let asked = scene.ask_with(&scene.browser, &[("prompt", "login")]).await;
    let after = scene.sign_in_again(&scene.browser, &asked).await;

    assert_granted(&after);
}

#[tokio::test]
async fn consent_asks_again_in_spite_of_an_earlier_consent() {
    let scene = Scene::new().await;
    scene.tokens().await;

    let answer = scene.ask_with(&scene.browser, &[("prompt", "consent")]).await;

    assert_consent_page(&answer);
    let form = form_of(&answer, "/oauth/authorize");
    assert_granted(&scene.browser.send(&form, &[("decision", "approve")]).await);
}

#[tokio::test]
async fn login_and_consent_ask_for_both() {
    let scene = Scene::new().await;
    scene.tokens().await;

    let asked = scene.ask_with(&scene.browser, &[("prompt", "login consent")]).await;
    let after = scene.sign_in_again(&scene.browser, &asked).await;

    assert_consent_page(&after);
}

#[tokio::test]
async fn consent_survives_the_sign_in_of_a_stranger() {
    let scene = Scene::new().await;
    scene.tokens().await;
    let stranger = scene.server.browser();

    let asked = scene.ask_with(&stranger, &[("prompt", "consent")]).await;
    let after = scene.sign_in_again(&stranger, &asked).await;

    assert_consent_page(&after);
}

#[tokio::test]
async fn a_sign_in_older_than_max_age_must_be_done_again() {
    let scene = Scene::new().await;
    scene.tokens().await;
    scene.server.clock.advance(TimeDelta::seconds(600));

    let young_enough = scene.ask_with(&scene.browser, &[("max_age", "600")]).await;
    let too_old = scene.ask_with(&scene.browser, &[("max_age", "599")]).await;
    let after = scene.sign_in_again(&scene.browser, &too_old).await;

    assert_granted(&young_enough);
    assert_granted(&after);
}

#[tokio::test]
async fn max_age_zero_asks_for_a_sign_in_once() {
    let scene = Scene::new().await;
    scene.tokens().await;
    scene.server.clock.advance(TimeDelta::seconds(1));

    let asked = scene.ask_with(&scene.browser, &[("max_age", "0")]).await;
    let after = scene.sign_in_again(&scene.browser, &asked).await;

    assert_granted(&after);
}

#[tokio::test]
async fn none_with_a_sign_in_older_than_max_age_is_login_required() {
    let scene = Scene::new().await;
    scene.tokens().await;
    scene.server.clock.advance(TimeDelta::minutes(10));

    let answer = scene.ask_with(&scene.browser, &[("prompt", "none"), ("max_age", "60")]).await;

    assert_error(&answer, "login_required");
}

#[tokio::test]
async fn select_account_lets_the_person_sign_in_as_somebody_else() {
    let scene = Scene::new().await;
    scene.tokens().await;
    let bob = scene.server.user("bob").await;
    scene.client.tokens(&scene.server, &scene.server.browser_of(&bob).await).await;

    let page = scene.ask_with(&scene.browser, &[("prompt", "select_account")]).await;
    let link = page.text.split("<a href=\"/login?").nth(1).unwrap().split('"').next().unwrap();
    let sign_in = scene.browser.get(&format!("/login?{}", link.replace("&#38;", "&"))).await;
    let form = form_of(&sign_in, "/login");
    let signed_in = scene.browser.send(&form, &[("email", &bob.email), ("password", PASSWORD)]).await;
    let after = scene.browser.get(signed_in.location()).await;

    assert!(page.text.contains("ada@example.com"), "{}", page.text);
    assert!(after.text.contains("bob@example.com"), "{}", after.text);
}

#[tokio::test]
async fn select_account_is_fulfilled_by_a_sign_in() {
    let scene = Scene::new().await;
    scene.tokens().await;
    let stranger = scene.server.browser();

    let asked = scene.ask_with(&stranger, &[("prompt", "select_account")]).await;
    let after = scene.sign_in_again(&stranger, &asked).await;

    assert_granted(&after);
}

#[tokio::test]
async fn select_account_in_a_pushed_request_is_fulfilled_by_a_sign_in_too() {
    let scene = Scene::new().await;
    scene.tokens().await;
    let path = scene.pushed_path(&Pkce::default(), &[("prompt", "select_account")]).await;
    let stranger = scene.server.browser();

    let signed_in = scene.browser.get(&path).await;
    let asked = stranger.get(&path).await;
    let after = scene.go_through_sign_in(&stranger, &asked).await;

    assert_consent_page(&signed_in);
    assert_granted(&after);
}

#[tokio::test]
async fn a_value_that_the_server_does_not_know_is_an_invalid_request() {
    let scene = Scene::new().await;

    for prompt in ["create", "Login", "none,login", "login create", "none select_account", "\u{e9}"] {
        let answer = scene.ask_with(&scene.browser, &[("prompt", prompt)]).await;

        assert_error(&answer, "invalid_request");
    }
}
