//! The `claims` parameter and `acr_values` (OpenID Connect Core §5.5, RFC 9470 §5).

use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::support::Answer;
use crate::support::Pkce;
use crate::support::form_of;

const OPENID: (&str, &str) = ("scope", "openid");

impl Scene {
    async fn ask_for_claims(&self, wanted: &str) -> Answer {
        self.browser.get(&self.client.authorize_path(&Pkce::default(), &[OPENID, ("claims", wanted)])).await
    }

    async fn set_name(&self, name: &str) {
        self.browser.submit("/settings/account", "/settings/account/name", &[("name", name)]).await;
    }
}

#[track_caller]
fn assert_error(answer: &Answer, error: &str, context: &str) {
    let params = answer.location_params();
    assert_eq!(params.get("error").map(String::as_str), Some(error), "{context}: {}", answer.location());
    assert_eq!(params["state"], "state-1");
}

/// What is told of the person, of an ID token or of userinfo.
fn person(claims: &Value) -> Value {
    let told = ["name", "updated_at", "email", "email_verified"];
    let told = told.into_iter().filter_map(|name| Some((name.to_owned(), claims.get(name)?.clone())));
    Value::Object(told.collect())
}

#[tokio::test]
async fn claims_asked_for_by_name_are_given_in_the_id_token_and_at_userinfo() {
    let scene = Scene::new().await;
    scene.set_name("Ada Lovelace").await;
    let email = json!({ "email": "ada@example.com", "email_verified": false });
    let made = scene.server.clock.now().timestamp();
    let profile = json!({ "name": "Ada Lovelace", "updated_at": made });

    for (wanted, scope, told) in [
        (r#"{"id_token":{"email":null}}"#, "openid email", email.clone()),
        (r#"{"id_token":{"email":{"essential":true},"email_verified":null}}"#, "openid email", email.clone()),
        (r#"{"userinfo":{"email":null}}"#, "openid email", email),
        (r#"{"userinfo":{"name":{"essential":true}}}"#, "openid profile", profile.clone()),
        (r#"{"id_token":{"name":{"value":"Eve"}},"userinfo":null}"#, "openid profile", profile),
        ("{}", "openid", json!({})),
    ] {
        let tokens = scene.tokens_with(&[OPENID, ("claims", wanted)]).await;
        let refreshed = scene.refresh(&tokens.field("refresh_token")).await;

        assert_eq!(tokens.json["scope"], scope, "{wanted}: nothing that the person was not shown");
        for answer in [&tokens, &refreshed] {
            assert_eq!(person(&claims(&answer.field("id_token"))), told, "{wanted}");
            let userinfo = scene.server.get_as(&answer.field("access_token"), "/oauth/userinfo").await;
            assert_eq!(person(&userinfo.json), told, "{wanted}");
        }
    }
}

#[tokio::test]
async fn a_claim_that_the_person_does_not_give_is_left_out() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let changes = [OPENID, ("claims", r#"{"id_token":{"email":{"essential":true},"updated_at":null}}"#)];
    let page = scene.browser.get(&scene.client.authorize_path(&pkce, &changes)).await;

    let form = form_of(&page, "/oauth/authorize");
    let decision = [("decision", "approve"), ("scope", "openid"), ("scope", "profile")];
    let code = scene.browser.send(&form, &decision).await.location_params()["code"].clone();
    let tokens = scene.exchange(&code, &pkce).await;

    assert!(page.text.contains("See your e-mail address"), "{}", page.text);
    let told = person(&claims(&tokens.field("id_token")));
    assert_eq!(told, json!({ "updated_at": scene.server.clock.now().timestamp() }));
}

#[tokio::test]
async fn what_it_does_not_understand_is_ignored() {
    let scene = Scene::new().await;
    let nested = format!(r#"{{"id_token":{{"x":{{"value":{}1{}}}}}}}"#, "[".repeat(100), "]".repeat(100));

    for wanted in [
        r#"{"verified_claims":[1],"id_token":{"locale":null,"urn:x":{"value":1},"phone_number":{"essential":true}}}"#,
        r#"{"id_token":{"\u0000":{"value":"\u0000"},"":null}}"#,
        r#"{"id_token":{"email\u0000":null}}"#,
        r#"{"userinfo":{"given_name":{"essential":"yes","purpose":"x"}}}"#,
        nested.as_str(),
        "{}",
        " {} ",
    ] {
        let tokens = scene.tokens_with(&[OPENID, ("claims", wanted)]).await;

        assert_eq!(
            (&tokens.json["scope"], person(&claims(&tokens.field("id_token")))),
            (&json!("openid"), json!({}))
        );
    }
}

#[tokio::test]
async fn a_claim_that_is_not_there_is_no_error() {
    let scene = Scene::new().await;

    let wanted = r#"{"id_token":{"name":{"essential":true}},"userinfo":{"name":{"essential":true}}}"#;
    let tokens = scene.tokens_with(&[OPENID, ("claims", wanted)]).await;

    let updated_at = scene.server.clock.now().timestamp();
    assert_eq!(person(&claims(&tokens.field("id_token"))), json!({ "updated_at": updated_at }));
}

#[tokio::test]
async fn what_is_no_request_for_claims_is_an_invalid_request() {
    let scene = Scene::new().await;
    let long = format!(r#"{{"id_token":{{"{}":null}}}}"#, "x".repeat(4096));
    let deep = format!(r#"{{"id_token":{}1{}}}"#, r#"{"a":"#.repeat(200), "}".repeat(200));

    for wanted in [
        "x",
        "1",
        "null",
        "[]",
        "\"email\"",
        "{",
        "{}{}",
        r#"{"id_token":1}"#,
        r#"{"id_token":[]}"#,
        r#"{"userinfo":"email"}"#,
        r#"{"id_token":{"email":true}}"#,
        r#"{"userinfo":{"email":["a"]}}"#,
        &long,
        &deep,
    ] {
        assert_error(&scene.ask_for_claims(wanted).await, "invalid_request", wanted);
    }
}

#[tokio::test]
async fn without_openid_nothing_is_asked_for_by_it() {
    let scene = Scene::new().await;

    for wanted in ["nonsense", r#"{"id_token":{"email":null,"sub":{"value":"x"}}}"#] {
        let tokens = scene.tokens_with(&[("scope", "read"), ("claims", wanted)]).await;

        assert_eq!(tokens.json["scope"], "read");
    }
}

#[tokio::test]
async fn a_pushed_request_asks_for_them_as_any_other() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();

    let path = scene.pushed_path(&pkce, &[OPENID, ("claims", r#"{"id_token":{"email":null}}"#)]).await;
    let form = form_of(&scene.browser.get(&path).await, "/oauth/authorize");
    let code = scene.browser.send(&form, &[("decision", "approve")]).await.location_params()["code"].clone();
    let tokens = scene.exchange(&code, &pkce).await;
    let bad = scene.push(&pkce, &[OPENID, ("claims", "[]")]).await;
    let unmet = scene.push(&pkce, &[("scope", "read"), ("acr_values", "phr")]).await;

    let told = json!({ "email": "ada@example.com", "email_verified": false });
    assert_eq!(person(&claims(&tokens.field("id_token"))), told);
    assert_eq!((bad.status, bad.error()), (400, "invalid_request"));
    assert_eq!((unmet.status, unmet.error()), (400, "unmet_authentication_requirements"));
}

#[tokio::test]
async fn a_subject_asked_for_must_be_the_one_signed_in() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    let sub = |place: &str, request: Value| json!({ place: { "sub": request } }).to_string();

    for place in ["id_token", "userinfo"] {
        let right =
            scene.tokens_with(&[OPENID, ("claims", &sub(place, json!({ "value": scene.ada.id })))]).await;
        assert_eq!(claims(&right.field("id_token"))["sub"], scene.ada.id);
        for wrong in [json!({ "value": bob.id }), json!({ "value": 1 }), json!({ "values": [bob.id] })] {
            let wanted = sub(place, wrong);
            let changes = [OPENID, ("claims", wanted.as_str()), ("prompt", "none")];
            let silent = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &changes)).await;
            let asked = scene.ask_for_claims(&wanted).await;

            assert_error(&silent, "login_required", &wanted);
            assert!(asked.location().starts_with("/login?"), "{}", asked.location());
        }
    }
}

#[tokio::test]
async fn an_essential_acr_that_cannot_be_met_is_refused() {
    let scene = Scene::new().await;
    let acr = |request: Value| json!({ "id_token": { "acr": request } }).to_string();
    let known = "urn:countersign:acr:password";

    for unmet in [
        json!({ "essential": true, "values": ["urn:mace:incommon:iap:silver", "phr"] }),
        json!({ "essential": true, "value": "phr" }),
    ] {
        assert_error(
            &scene.ask_for_claims(&acr(unmet)).await,
            "unmet_authentication_requirements",
            "essential",
        );
    }
    for met in [
        json!({ "essential": true, "values": ["phr", known] }),
        json!({ "essential": true, "value": known }),
        json!({ "essential": true }),
        json!({ "values": ["phr"] }),
        json!({ "essential": false, "value": "phr" }),
        Value::Null,
    ] {
        let tokens = scene.tokens_with(&[OPENID, ("claims", &acr(met))]).await;
        assert_eq!(claims(&tokens.field("id_token"))["acr"], known);
    }
}

#[tokio::test]
async fn acr_values_are_a_wish_beside_openid_and_a_demand_without_it() {
    let scene = Scene::new().await;
    let known = "urn:countersign:acr:password";

    let wished = scene.tokens_with(&[OPENID, ("acr_values", "phr silver")]).await;
    let met = scene.tokens_with(&[("scope", "read"), ("acr_values", &format!("phr {known}"))]).await;
    let changes = [("scope", "read"), ("acr_values", "phr silver")];
    let unmet = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &changes)).await;

    assert_eq!(claims(&wished.field("id_token"))["acr"], known);
    assert_eq!(claims(&met.field("access_token"))["acr"], known);
    assert_error(&unmet, "unmet_authentication_requirements", "RFC 9470 §5");
}
