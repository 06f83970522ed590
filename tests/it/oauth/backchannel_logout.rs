//! OpenID Connect Back-Channel Logout 1.0: apps hear that a person has signed out.

use std::collections::HashMap;

use chrono::TimeDelta;
use countersign::clients::registration::Registration;
use countersign::clients::registration::SubjectType;
use countersign::signing::algorithm::SigningAlg;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::oauth::jwks::verified_as;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::OAuthClient;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::Received;
use crate::support::Receiver;
use crate::support::form_of;

const OPENID: (&str, &str) = ("scope", "openid read");
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// An app that hears of logouts.
struct Told {
    scene: Scene,
    receiver: Receiver,
}

impl Told {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(adjust: impl FnOnce(&mut Registration)) -> Self {
        let receiver = Receiver::start().await;
        let url = format!("{}?tenant=1", receiver.url);
        let scene = Scene::with(
            |settings| settings.outgoing_to_private = true,
            |registration| {
                registration.backchannel_logout_uri = Some(url);
                adjust(registration);
            },
        )
        .await;
        Self { scene, receiver }
    }

    async fn sign_out(&self) {
        sign_out(&self.scene.browser).await;
    }

    /// What the app hears in all, told to it now.
    async fn heard(&self) -> Vec<Received> {
        self.scene.server.tell_of_logouts().await;
        self.receiver.received()
    }

    /// Of the only logout that the app heard of.
    async fn logout_token(&self) -> String {
        let heard = self.heard().await;
        let [one] = &heard[..] else { panic!("{heard:?}") };
        logout_token(one)
    }
}

async fn sign_out(browser: &Browser) {
    let answer = browser.submit("/logout", "/logout", &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
}

fn logout_token(received: &Received) -> String {
    assert_eq!(received.header("content-type"), "application/x-www-form-urlencoded");
    let mut form: HashMap<String, String> =
        url::form_urlencoded::parse(received.body.as_bytes()).into_owned().collect();
    let token = form.remove("logout_token").unwrap();
    assert!(form.is_empty(), "{form:?}");
    token
}

#[tokio::test]
async fn a_logout_token_says_who_left_and_which_session() {
    let told = Told::new().await;
    let id_token = claims(&told.scene.tokens_with(&[OPENID, ("nonce", "n")]).await.field("id_token"));
    told.scene.server.clock.advance(TimeDelta::minutes(30));
    let now = told.scene.server.clock.now().timestamp();

    told.sign_out().await;

    let token = told.logout_token().await;
    let claims = verified_as(&told.scene.server, "logout+jwt", &token, &told.scene.client.id).await.unwrap();
    let jti = claims["jti"].as_str().unwrap();
    assert!(jti.starts_with("tok_"), "{jti}");
    assert_eq!(
        claims,
        json!({
            "iss": told.scene.server.issuer(),
            "sub": told.scene.ada.id,
            "aud": told.scene.client.id,
            "iat": now,
            "exp": now + 120,
            "jti": jti,
            "events": { EVENT: {} },
            "sid": id_token["sid"],
        })
    );
}

#[tokio::test]
async fn every_app_of_the_session_is_told() {
    let told = Told::new().await;
    let scene = &told.scene;
    let (other, foreign) = (Receiver::start().await, Receiver::start().await);
    let register = async |receiver: &Receiver| {
        let url = receiver.url.clone();
        scene
            .server
            .client(scene.ada.organization, |registration| registration.backchannel_logout_uri = Some(url))
            .await
    };
    let (second, never_used) = (register(&other).await, register(&foreign).await);
    let elsewhere = scene.server.browser_of(&scene.ada).await;
    scene.tokens_with(&[OPENID]).await;
    scene.tokens_with(&[OPENID]).await;
    sign_in_to(scene, &second, &scene.browser, OPENID).await;
    sign_in_to(scene, &never_used, &elsewhere, OPENID).await;

    let page = scene.browser.get("/logout").await;
    told.sign_out().await;

    assert!(
        page.text.contains("These apps are told that you have left")
            && page.text.matches("<li><strong>Test app</strong></li>").count() == 2,
        "{}",
        page.text
    );
    assert_eq!(scene.server.tell_of_logouts().await, 2);
    assert_eq!((told.receiver.received().len(), other.received().len(), foreign.received().len()), (1, 1, 0));
    assert_eq!(scene.server.tell_of_logouts().await, 0, "once");
}

/// The whole flow of another client.
async fn sign_in_to(scene: &Scene, client: &OAuthClient, browser: &Browser, scope: (&str, &str)) -> Answer {
    let pkce = Pkce::default();
    let answer = client.ask(browser, &pkce, &[scope]).await;
    client.exchange(&scene.server, &answer.location_params()["code"], &pkce).await
}

#[tokio::test]
async fn every_end_of_a_session_is_told() {
    for way in ["here", "by the app", "elsewhere", "all others", "password", "another person"] {
        let told = Told::new().await;
        let scene = &told.scene;
        let bob = scene.server.user("bob").await;
        let elsewhere = scene.server.browser_of(&scene.ada).await;
        let hint = scene.tokens_with(&[OPENID]).await.field("id_token");

        match way {
            "here" => told.sign_out().await,
            "by the app" => {
                scene.browser.get(&format!("/oauth/logout?id_token_hint={hint}")).await;
            }
            "elsewhere" => {
                let page = elsewhere.get("/settings/account").await;
                let action = page
                    .text
                    .split("action=\"")
                    .find(|rest| rest.split('"').next().unwrap().ends_with("/end"));
                let form = form_of(&page, action.unwrap().split('"').next().unwrap());
                elsewhere.send(&form, &[]).await;
            }
            "all others" => {
                elsewhere.submit("/settings/account", "/settings/account/sessions/end-others", &[]).await;
            }
            "password" => {
                let change = [("current_password", PASSWORD), ("new_password", "an even better horse")];
                elsewhere.submit("/settings/account", "/settings/account/password", &change).await;
            }
            _ => scene.prove_again(&bob.email).await,
        }

        let token = claims(&told.logout_token().await);
        assert_eq!((&token["sub"], &token["sid"]), (&json!(scene.ada.id), &claims(&hint)["sid"]), "{way}");
    }
}

#[tokio::test]
async fn signing_in_again_ends_nothing() {
    let told = Told::new().await;
    let scene = &told.scene;
    let tokens = scene.tokens_with(&[OPENID]).await;

    scene.prove_again(&scene.ada.email).await;

    assert!(told.heard().await.is_empty());
    assert_eq!(scene.refresh(&tokens.field("refresh_token")).await.status, 200);
    told.sign_out().await;
    assert_eq!(claims(&told.logout_token().await)["sid"], claims(&tokens.field("id_token"))["sid"]);
}

#[tokio::test]
async fn who_has_only_access_and_no_sign_in_is_not_told() {
    let told = Told::new().await;
    let tokens = told.scene.tokens_with(&[("scope", "read")]).await;

    told.sign_out().await;

    assert!(told.heard().await.is_empty());
    assert_eq!(told.scene.refresh(&tokens.field("refresh_token")).await.status, 200);
}

#[tokio::test]
async fn a_pairwise_app_is_told_its_own_subject() {
    let told = Told::with(|registration| registration.subject_type = SubjectType::Pairwise).await;
    let id_token = claims(&told.scene.tokens_with(&[OPENID]).await.field("id_token"));

    told.sign_out().await;

    let token = claims(&told.logout_token().await);
    assert_eq!((&token["sub"], &token["sid"]), (&id_token["sub"], &id_token["sid"]));
    assert_ne!(token["sub"], told.scene.ada.id);
}

#[tokio::test]
async fn a_logout_token_is_signed_like_the_apps_id_tokens() {
    for algorithm in [SigningAlg::Rs256, SigningAlg::Es256, SigningAlg::EdDsa] {
        let told = Told::with(|registration| registration.id_token_signed_response_alg = algorithm).await;
        told.scene.tokens_with(&[OPENID]).await;

        told.sign_out().await;

        let token = told.logout_token().await;
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.alg, algorithm.into());
        assert!(verified_as(&told.scene.server, "logout+jwt", &token, &told.scene.client.id).await.is_some());
    }
}

#[tokio::test]
async fn a_logout_token_is_nothing_else() {
    let told = Told::new().await;
    told.scene.tokens_with(&[OPENID]).await;
    told.sign_out().await;
    let token = told.logout_token().await;
    let scene = &told.scene;
    scene.browser.sign_in(&scene.ada.email, PASSWORD).await;

    let hint = scene.client.authorize_path(&Pkce::default(), &[OPENID, ("id_token_hint", &token)]);

    assert!(!scene.is_accepted(&token).await);
    assert_eq!(scene.server.get_as(&token, "/oauth/userinfo").await.status, 401);
    assert_eq!(scene.browser.get(&hint).await.location_params()["error"], "invalid_request");
    let logout = scene.browser.get(&format!("/oauth/logout?id_token_hint={token}")).await;
    assert!(logout.text.contains("Sign out?"), "{}", logout.text);
}

#[tokio::test]
async fn an_app_that_does_not_answer_is_told_again_later() {
    let told = Told::new().await;
    told.scene.tokens_with(&[OPENID]).await;
    told.receiver.answer(503, b"");
    told.sign_out().await;

    assert_eq!(told.heard().await.len(), 1);
    assert_eq!(told.heard().await.len(), 1, "not at once");
    told.scene.server.clock.advance(TimeDelta::seconds(5));
    assert_eq!(told.heard().await.len(), 2);
    told.scene.server.clock.advance(TimeDelta::minutes(10));
    told.receiver.answer(204, b"");
    let heard = told.heard().await;

    let [first, .., last] = &heard[..] else { panic!("{heard:?}") };
    let (first, last) = (claims(&logout_token(first)), claims(&logout_token(last)));
    assert_ne!(first["jti"], last["jti"], "a token of now, which the app may take");
    assert_eq!(last["exp"], told.scene.server.clock.now().timestamp() + 120);
    assert_eq!((&first["sid"], &first["sub"]), (&last["sid"], &last["sub"]));
    told.scene.server.clock.advance(TimeDelta::days(1));
    assert_eq!(told.heard().await.len(), 3, "it has heard");
}

#[tokio::test]
async fn an_app_that_never_answers_is_given_up_after_a_day() {
    let told = Told::new().await;
    told.scene.tokens_with(&[OPENID]).await;
    told.receiver.answer(500, b"");
    told.sign_out().await;

    for _ in 0..48 {
        told.heard().await;
        told.scene.server.clock.advance(TimeDelta::hours(1));
    }
    let attempts = told.heard().await.len();
    told.scene.server.clock.advance(TimeDelta::days(30));

    assert!((8..=14).contains(&attempts), "{attempts}");
    assert_eq!(told.heard().await.len(), attempts);
}

#[tokio::test]
async fn an_app_that_says_no_is_not_asked_twice() {
    for status in [200, 204, 202, 302, 400, 404, 501] {
        let told = Told::new().await;
        told.scene.tokens_with(&[OPENID]).await;
        told.receiver.answer(status, b"{\"error\":\"invalid_request\"}");
        told.sign_out().await;

        told.heard().await;
        told.scene.server.clock.advance(TimeDelta::days(1));

        assert_eq!(told.heard().await.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let told = Told::new().await;
    let trap = Receiver::start().await;
    told.scene.tokens_with(&[OPENID]).await;
    told.receiver.redirect_to(&trap.url);
    told.sign_out().await;

    told.heard().await;

    assert!(trap.received().is_empty());
}

#[tokio::test]
async fn nobody_has_the_server_ask_what_only_it_can_reach() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let scene = Scene::with_client(|registration| registration.backchannel_logout_uri = Some(url)).await;
    scene.tokens_with(&[OPENID]).await;
    sign_out(&scene.browser).await;

    assert_eq!(scene.server.tell_of_logouts().await, 1);

    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn an_app_that_no_longer_wants_to_hear_is_not_told() {
    let told = Told::new().await;
    let (_, admin) = told.scene.server.key(told.scene.ada.organization, "admin").await;
    told.scene.tokens_with(&[OPENID]).await;
    told.sign_out().await;

    let change = json!({ "backchannel_logout_uri": "" });
    let path = format!("/v1/clients/{}", told.scene.client.id);
    assert_eq!(told.scene.server.send_json_as(&admin, "PATCH", &path, &change).await.status, 200);

    assert!(told.heard().await.is_empty());
    assert_eq!(told.scene.server.tell_of_logouts().await, 0);
}

#[tokio::test]
async fn what_an_app_holds_without_offline_access_ends_with_the_session() {
    let told = Told::new().await;
    let tokens = told.scene.tokens_with(&[OPENID]).await;

    told.sign_out().await;

    let refreshed = told.scene.refresh(&tokens.field("refresh_token")).await;
    assert_eq!((refreshed.status, refreshed.error()), (400, "invalid_grant"));
    assert!(!told.scene.is_accepted(&tokens.field("access_token")).await);
    let userinfo = told.scene.server.get_as(&tokens.field("access_token"), "/oauth/userinfo").await;
    assert_eq!(userinfo.status, 401);
    assert_eq!(told.heard().await.len(), 1);
}

#[tokio::test]
async fn the_consent_page_says_when_access_ends() {
    let told = Told::new().await;
    let page = async |scope| {
        told.scene
            .browser
            .get(&told.scene.client.authorize_path(&Pkce::default(), &[("scope", scope)]))
            .await
            .text
    };

    assert!(page("openid read").await.contains("Access lasts until you sign out here."));
    for scope in ["openid offline_access read", "read"] {
        assert!(page(scope).await.contains("Access lasts until you take it back."), "{scope}");
    }
}

#[tokio::test]
async fn what_an_app_holds_with_offline_access_goes_on() {
    let told = Told::new().await;
    let tokens = told.scene.tokens_with(&[("scope", "openid offline_access read")]).await;

    told.sign_out().await;

    assert_eq!(told.heard().await.len(), 1);
    assert_eq!(told.scene.refresh(&tokens.field("refresh_token")).await.status, 200);
    assert!(told.scene.is_accepted(&tokens.field("access_token")).await);
}

#[tokio::test]
async fn the_consent_outlives_the_session() {
    let told = Told::new().await;
    told.scene.tokens_with(&[OPENID]).await;
    told.sign_out().await;
    told.scene.server.clock.advance(TimeDelta::days(3));
    told.scene.server.clean_up().await;
    told.scene.browser.sign_in(&told.scene.ada.email, PASSWORD).await;

    let path = told.scene.client.authorize_path(&Pkce::default(), &[OPENID, ("prompt", "none")]);

    assert!(told.scene.browser.get(&path).await.location_params().contains_key("code"));
}

#[tokio::test]
async fn a_code_that_is_under_way_signs_nobody_in_who_has_left() {
    let told = Told::new().await;
    let scene = &told.scene;
    for scope in ["openid read", "openid offline_access"] {
        let pkce = Pkce::default();
        let code =
            scene.client.ask(&scene.browser, &pkce, &[("scope", scope)]).await.location_params()["code"]
                .clone();

        told.sign_out().await;
        let answer = scene.exchange(&code, &pkce).await;

        assert_eq!((answer.status, answer.error()), (400, "invalid_grant"), "{scope}");
        assert!(told.heard().await.is_empty(), "{scope}: it had nobody to sign out");
        scene.browser.sign_in(&scene.ada.email, PASSWORD).await;
    }
}

#[tokio::test]
async fn an_old_sign_in_is_told_of_though_there_are_newer_ones_elsewhere() {
    let told =
        Told::with(|registration| registration.grant_types = vec!["authorization_code".to_owned()]).await;
    let scene = &told.scene;
    let old = claims(&scene.tokens_with(&[OPENID]).await.field("id_token"));
    for _ in 0..5 {
        scene.server.clock.advance(TimeDelta::days(3));
        let elsewhere = scene.server.browser_of(&scene.ada).await;
        scene.tokens_in(&elsewhere, &[OPENID]).await;
        // The old session is in use.
        scene.browser.get("/settings/account").await;
        scene.server.clean_up().await;
    }

    told.sign_out().await;

    assert_eq!(claims(&told.logout_token().await)["sid"], old["sid"]);
}

#[tokio::test]
async fn an_address_to_be_told_at_is_a_web_address() {
    let scene = Scene::new().await;
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
    let path = format!("/v1/clients/{}", scene.client.id);
    let change = async |uri: &str| {
        let change = json!({ "backchannel_logout_uri": uri });
        scene.server.send_json_as(&admin, "PATCH", &path, &change).await
    };

    for bad in [
        "/left",
        "left",
        "ftp://app.example/",
        "https://",
        "https://app.example/#x",
        "https://app.example/ x",
        "com.example.app:/x",
    ] {
        let answer = change(bad).await;
        let field: &Value = &answer.json["error"]["field"];
        assert_eq!((answer.status, field), (422, &json!("backchannel_logout_uri")), "{bad}");
    }
    assert_eq!(change("https://app.example/left?tenant=1").await.status, 200);
}
