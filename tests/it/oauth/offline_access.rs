//! `offline_access` (OpenID Connect Core §11).

use crate::oauth::Scene;
use crate::support::Pkce;
use crate::support::form_of;

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

#[tokio::test]
async fn the_consent_page_says_that_the_app_works_while_the_person_is_away() {
    let scene = Scene::new().await;

    let page = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[OFFLINE])).await;

    assert!(page.text.contains("Keep access while you are away"), "{}", page.text);
    assert!(page.text.contains("Access lasts until you take it back"), "{}", page.text);
}

#[tokio::test]
async fn with_or_without_prompt_consent_it_buys_a_refresh_token() {
    let scene = Scene::new().await;

    for prompt in ["consent", "", "none"] {
        let tokens = scene.tokens_with(&[OFFLINE, ("prompt", prompt)]).await;

        assert_eq!(tokens.json["scope"], "openid offline_access", "{prompt}");
        assert_eq!(scene.refresh(&tokens.field("refresh_token")).await.status, 200, "{prompt}");
    }
}

#[tokio::test]
async fn without_a_consent_that_names_it_the_person_is_asked() {
    let scene = Scene::new().await;
    scene.tokens_with(&[("scope", "openid")]).await;

    let asked = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[OFFLINE])).await;
    let silent = scene
        .browser
        .get(&scene.client.authorize_path(&Pkce::default(), &[OFFLINE, ("prompt", "none")]))
        .await;

    form_of(&asked, "/oauth/authorize");
    assert_eq!(silent.location_params()["error"], "consent_required");
}
