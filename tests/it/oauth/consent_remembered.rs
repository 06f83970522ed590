//! When a person is asked again, and when not.

use chrono::TimeDelta;
use countersign::clients::registration::Registration;
use countersign::grants::grant;
use countersign::grants::grant::Whose;

use crate::oauth::Scene;
use crate::oauth::confidential;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::Pkce;
use crate::support::form_of;

impl Scene {
    async fn visit(&self, browser: &Browser, scope: &str) -> Answer {
        browser.get(&self.client.authorize_path(&Pkce::default(), &[("scope", scope)])).await
    }

    /// Consents to `scope`, of `asked`.
    async fn consent_to(&self, asked: &str, scope: &str) {
        let form = form_of(&self.visit(&self.browser, asked).await, "/oauth/authorize");
        let mut changes: Vec<(&str, &str)> = scope.split(' ').map(|name| ("scope", name)).collect();
        changes.push(("decision", "approve"));
        assert_eq!(self.browser.send(&form, &changes).await.status, 303);
    }
}

#[track_caller]
fn assert_asked(answer: &Answer) {
    assert_eq!(answer.status, 200, "{:?}", answer.headers);
    form_of(answer, "/oauth/authorize");
}

#[track_caller]
fn assert_not_asked(answer: &Answer) {
    assert!(answer.location_params().contains_key("code"), "{}", answer.location());
}

#[tokio::test]
async fn who_has_consented_is_not_asked_again() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read write").await;

    assert_not_asked(&scene.visit(&scene.browser, "read write").await);
}

#[tokio::test]
async fn who_has_consented_is_not_asked_again_for_less_and_only_that_is_granted() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read write").await;
    let pkce = Pkce::default();

    let answer = scene.browser.get(&scene.client.authorize_path(&pkce, &[("scope", "write")])).await;

    assert_not_asked(&answer);
    let tokens = scene.exchange(&answer.location_params()["code"], &pkce).await;
    assert_eq!(tokens.json["scope"], "write");
}

#[tokio::test]
async fn who_has_consented_is_asked_again_for_more_and_told_so() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read write").await;

    let page = scene.visit(&scene.browser, "read write delete").await;

    assert_asked(&page);
    assert!(page.text.contains("asks for more"), "{}", page.text);
    let marked: Vec<&str> = page.text.split("<label").filter(|label| label.contains("tag new")).collect();
    assert_eq!(marked.len(), 1);
    assert!(marked[0].contains("Delete data"), "{}", marked[0]);
}

/// Any program can ask under the name of a public client, and listen for the answer (RFC 8252 §8.6).
#[tokio::test]
async fn a_program_that_may_be_another_one_is_asked_about_each_time() {
    let uris = ["http://127.0.0.1/cb", "com.example.app:/cb", "https://app.example/cb"];
    let register = |registration: &mut Registration| {
        registration.redirect_uris = uris.map(str::to_owned).to_vec();
    };
    let public = Scene::with_client(register).await;
    let with_secret = Scene::with_client(|registration| {
        confidential(registration);
        register(registration);
    })
    .await;

    for (scene, uri, is_asked) in [
        (&public, uris[0], true),
        (&public, uris[1], true),
        (&public, uris[2], false),
        (&with_secret, uris[0], false),
        (&with_secret, uris[1], false),
    ] {
        let pkce = Pkce::default();
        let consented = scene.client.ask(&scene.browser, &pkce, &[("redirect_uri", uri)]).await;
        assert!(consented.location_params().contains_key("code"), "{uri}: {}", consented.location());
        let path = scene.client.authorize_path(&pkce, &[("redirect_uri", uri)]);
        let again = scene.browser.get(&path).await;
        let silent = scene.browser.get(&format!("{path}&prompt=none")).await;

        assert_eq!(again.status == 200, is_asked, "{uri}");
        let error = silent.location_params().remove("error");
        assert_eq!(error.as_deref(), is_asked.then_some("consent_required"), "{uri}");
    }
}

#[tokio::test]
async fn what_was_unticked_is_asked_for_again() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read").await;

    assert_asked(&scene.visit(&scene.browser, "read write").await);
    assert_not_asked(&scene.visit(&scene.browser, "read").await);
}

#[tokio::test]
async fn a_refusal_is_not_remembered_as_consent() {
    let scene = Scene::new().await;
    let form = form_of(&scene.visit(&scene.browser, "read").await, "/oauth/authorize");
    scene.browser.send(&form, &[("decision", "deny")]).await;

    assert_asked(&scene.visit(&scene.browser, "read").await);
}

#[tokio::test]
async fn who_has_taken_a_consent_back_is_asked_again() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read write").await;
    let (ada, client) = (Whose::Person(scene.ada.id.parse().unwrap()), scene.client.id.parse().unwrap());
    let mut tx = scene.server.app.db.begin().await.unwrap();
    grant::revoke_all(&mut tx, ada, Some(client), "person", &scene.server.act()).await.unwrap();
    tx.commit().await.unwrap();

    let page = scene.visit(&scene.browser, "read write").await;

    assert_asked(&page);
    assert!(!page.text.contains("You gave this app access"), "{}", page.text);
}

#[tokio::test]
async fn a_consent_that_has_run_out_is_asked_for_again() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read write").await;
    scene.server.clock.advance(TimeDelta::days(366));
    let browser = scene.server.browser_of(&scene.ada).await;

    assert_asked(&scene.visit(&browser, "read write").await);
}

#[tokio::test]
async fn one_persons_consent_is_not_anothers() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read write").await;
    let bob = scene.server.user("bob").await;
    let bobs = scene.server.browser_of(&bob).await;

    assert_asked(&scene.visit(&bobs, "read write").await);
}

#[tokio::test]
async fn a_consent_to_one_client_is_none_to_another() {
    let scene = Scene::new().await;
    scene.consent_to("read write", "read write").await;
    let other = scene.other_client().await;

    assert_asked(&scene.browser.get(&other.authorize_path(&Pkce::default(), &[])).await);
}

#[tokio::test]
async fn each_silent_code_is_a_grant_of_its_own() {
    let scene = Scene::new().await;
    let first = scene.tokens().await;
    let second = scene.tokens().await;

    let form = [("token", first.refresh.as_str())];
    scene.client.post(&scene.server, "/oauth/revoke", &form).await;

    assert!(!scene.is_accepted(&first.access).await);
    assert!(scene.is_accepted(&second.access).await);
}
