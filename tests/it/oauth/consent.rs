//! The consent page and the decision (part of `/oauth/authorize`).

use countersign::organizations::member::Role;
use countersign::scopes::Scopes;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::PageForm;
use crate::support::Pkce;
use crate::support::form_of;

impl Scene {
    async fn consent_form(&self, pkce: &Pkce, changes: &[(&str, &str)]) -> PageForm {
        let page = self.browser.get(&self.client.authorize_path(pkce, changes)).await;
        form_of(&page, "/oauth/authorize")
    }

    /// The decision sent as `form` with `changes`, and then the token response.
    async fn tokens_after(&self, pkce: &Pkce, form: &PageForm, changes: &[(&str, &str)]) -> Answer {
        let granted = self.browser.send(form, changes).await;
        self.exchange(&granted.location_params()["code"], pkce).await
    }
}

#[tokio::test]
async fn the_page_says_who_asks_for_what_and_for_whom() {
    let scene = Scene::new().await;

    let page = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;

    assert_eq!(page.status, 200);
    let said =
        ["Test app", "ada Inc", "ada@example.com", "See your organization", "Create new data", "app.example"];
    for text in said {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(!page.text.contains("Delete data"), "{}", page.text);
}

#[tokio::test]
async fn the_page_says_for_how_long() {
    let with_refreshing = Scene::new().await;
    let without =
        Scene::with_client(|registration| registration.grant_types = vec!["authorization_code".to_owned()])
            .await;

    for (scene, says) in [
        (with_refreshing, "Access lasts until you take it back. It ends by itself after 30 days without use"),
        (without, "Access ends by itself after 10 minutes."),
    ] {
        let page = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;

        assert!(page.text.contains(says), "{}", page.text);
    }
}

#[tokio::test]
async fn a_name_is_shown_as_text_whatever_it_holds() {
    let scene =
        Scene::with_client(|registration| registration.name = "<script>alert(1)</script>".to_owned()).await;

    let page = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;

    assert_eq!(page.status, 200);
    assert!(!page.text.contains("<script>"), "{}", page.text);
}

#[tokio::test]
async fn a_person_may_grant_less_than_was_asked() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let form = scene.consent_form(&pkce, &[("scope", "read write delete")]).await;

    let tokens = scene.tokens_after(&pkce, &form, &[("scope", "read"), ("decision", "approve")]).await;

    assert_eq!(tokens.json["scope"], "read");
    assert_eq!(claims(&tokens.field("access_token"))["scope"], "read");
    let refreshed = scene.refresh(&tokens.field("refresh_token")).await;
    assert_eq!(refreshed.json["scope"], "read");
}

#[tokio::test]
async fn what_the_client_cannot_do_without_is_granted_even_if_the_form_leaves_it_out() {
    let scene = Scene::with_client(|registration| {
        registration.required_scopes = Scopes::parse("write").unwrap();
    })
    .await;
    let pkce = Pkce::default();
    let form = scene.consent_form(&pkce, &[]).await;

    let tokens = scene.tokens_after(&pkce, &form, &[("scope", "read"), ("decision", "approve")]).await;

    assert_eq!(tokens.json["scope"], "read write");
}

#[tokio::test]
async fn what_the_client_did_not_ask_for_is_not_granted_whatever_the_form_holds() {
    let scene = Scene::with_client(|registration| {
        registration.required_scopes = Scopes::parse("delete").unwrap();
    })
    .await;
    let pkce = Pkce::default();
    let form = scene.consent_form(&pkce, &[("scope", "read")]).await;

    let changes =
        [("scope", "read"), ("scope", "write"), ("scope", "admin"), ("scope", "x"), ("decision", "approve")];
    let tokens = scene.tokens_after(&pkce, &form, &changes).await;

    assert_eq!(tokens.json["scope"], "read");
}

#[tokio::test]
async fn a_refusal_is_told_to_the_client() {
    let scene = Scene::new().await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;

    let answer = scene.browser.send(&form, &[("decision", "deny")]).await;

    let params = answer.location_params();
    assert_eq!((params["error"].as_str(), params["state"].as_str()), ("access_denied", "state-1"));
    assert_eq!(params["iss"], scene.server.issuer());
    assert_eq!(params["error_uri"], format!("{}/errors/access_denied", scene.server.issuer()));
    assert_eq!(params.get("code"), None);
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn allowing_nothing_is_a_refusal() {
    let scene = Scene::new().await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;

    let answer = scene.browser.send(&form, &[("scope", ""), ("decision", "approve")]).await;

    assert_eq!(answer.location_params()["error"], "access_denied");
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn a_decision_without_this_browsers_token_grants_nothing() {
    let scene = Scene::new().await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;
    let of_another_browser = {
        let page = scene.server.browser_of(&scene.ada).await;
        let page = page.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;
        let fields = form_of(&page, "/oauth/authorize").fields;
        fields.into_iter().find(|(name, _)| name == "csrf").unwrap().1
    };

    for csrf in ["", "wrong", "\u{e9}", &of_another_browser] {
        let answer = scene.browser.send(&form, &[("csrf", csrf), ("decision", "approve")]).await;

        assert_eq!((answer.status, answer.header("location")), (403, None), "{csrf}");
    }
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn a_decision_sent_by_another_site_grants_nothing() {
    let scene = Scene::new().await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;
    let mut fields: Vec<(&str, &str)> = form.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    fields.push(("decision", "approve"));

    for headers in [
        [("origin", "https://evil.example"), ("x", "y")],
        [("origin", "null"), ("sec-fetch-site", "cross-site")],
    ] {
        let answer = scene.browser.post_with(&form.action, &headers, &fields).await;

        assert_eq!((answer.status, answer.header("location")), (403, None), "{headers:?}");
    }
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn a_decision_of_nobody_grants_nothing() {
    let scene = Scene::new().await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;

    let answer = scene.server.browser().send(&form, &[("decision", "approve")]).await;

    assert!(answer.status == 403 || answer.location().starts_with("/login?"), "{}", answer.status);
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn a_decision_in_the_url_is_none() {
    let scene = Scene::new().await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;
    let csrf = &form.fields.iter().find(|(name, _)| name == "csrf").unwrap().1;

    let answer = scene.browser.get(&format!("{}&decision=approve&csrf={csrf}", form.action)).await;

    assert_eq!(answer.status, 200, "the page again");
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn a_decision_that_is_neither_yes_nor_no_grants_nothing() {
    let scene = Scene::new().await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;

    for decision in [&[("decision", "maybe")][..], &[("decision", "approve"), ("decision", "deny")]] {
        let answer = scene.browser.send(&form, decision).await;

        assert_eq!((answer.status, answer.header("location")), (400, None), "{decision:?}");
    }
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn a_member_of_several_organizations_chooses_one() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    scene.server.join(&scene.ada, bob.organization, Role::Member).await;
    let pkce = Pkce::default();
    let form = scene.consent_form(&pkce, &[]).await;

    let organization = bob.organization.to_string();
    let changes = [("organization", organization.as_str()), ("decision", "approve")];
    let tokens = scene.tokens_after(&pkce, &form, &changes).await;

    assert_eq!(claims(&tokens.field("access_token"))["org"], organization);
    assert_eq!(scene.live_grants().await, 0, "none in the other");
}

#[tokio::test]
async fn an_organization_that_the_person_is_not_in_cannot_be_chosen() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    let form = scene.consent_form(&Pkce::default(), &[]).await;

    for organization in [bob.organization.to_string(), "nonsense".to_owned()] {
        let changes = [("organization", organization.as_str()), ("decision", "approve")];
        let answer = scene.browser.send(&form, &changes).await;

        assert_eq!((answer.status, answer.header("location")), (400, None), "{organization}");
    }
    assert_eq!(scene.live_grants().await, 0);
}

impl Browser {
    /// With headers that this browser would not send of itself.
    async fn post_with(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let request = headers
            .iter()
            .fold(self.request("POST", path), |request, (name, value)| request.header(*name, *value));
        Answer::of(request.form(fields)).await
    }
}
