//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0).

use chrono::TimeDelta;
use countersign::clients::registration::Registration;
use countersign::signing::algorithm::SigningAlg;
use countersign::signing::key;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_shown_as_page;
use crate::oauth::key_rotation::rotate_of;
use crate::oauth::register::app;
use crate::oauth::register::client;
use crate::oauth::tampered;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::form_of;

/// Where the app wants people who have left.
const LEFT: &str = "https://app.example/left?from=here";
const CONFIRM: &str = "/oauth/logout/confirm";

fn with_logout(registration: &mut Registration) {
    registration.post_logout_redirect_uris =
        vec![LEFT.to_owned(), "http://127.0.0.1/left".to_owned(), "com.example.app:/left".to_owned()];
}

/// An app that knows where people go afterwards, and the ID token by which Ada signed in to it.
async fn signed_in() -> (Scene, String) {
    let scene = Scene::with_client(with_logout).await;
    let hint = scene.tokens_with(&[("scope", "openid")]).await.field("id_token");
    (scene, hint)
}

fn path(params: &[(&str, &str)]) -> String {
    let given = params.iter().filter(|(_, value)| !value.is_empty());
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    format!("/oauth/logout?{query}")
}

async fn is_signed_in(browser: &Browser) -> bool {
    browser.get("/settings/account").await.status == 200
}

#[track_caller]
fn assert_sent_to(answer: &Answer, uri: &str) {
    assert_eq!((answer.status, answer.location()), (303, uri), "{}", answer.text);
}

#[track_caller]
fn assert_asked(answer: &Answer) {
    assert_eq!(answer.status, 200, "{:?}", answer.headers);
    assert!(answer.text.contains("Sign out?"), "{}", answer.text);
    form_of(answer, CONFIRM);
}

#[track_caller]
fn assert_told_signed_out(answer: &Answer) {
    assert_eq!((answer.status, answer.header("location")), (200, None));
    assert!(answer.text.contains("You are signed out"), "{}", answer.text);
}

#[tokio::test]
async fn a_person_who_leaves_an_app_is_signed_out_here_and_sent_back() {
    for method in ["GET", "POST"] {
        let (scene, hint) = signed_in().await;
        let params =
            [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", LEFT), ("state", "a&b=ü")];

        let answer = if method == "GET" {
            scene.browser.get(&path(&params)).await
        } else {
            let posted = scene.browser.post("/oauth/logout", &params).await;
            scene.browser.get(posted.location()).await
        };

        assert_sent_to(&answer, "https://app.example/left?from=here&state=a%26b%3D%C3%BC");
        assert!(!is_signed_in(&scene.browser).await, "{method}");
    }
}

#[tokio::test]
async fn without_an_address_the_person_is_told_here() {
    let (scene, hint) = signed_in().await;

    let answer = scene.browser.get(&path(&[("id_token_hint", &hint), ("state", "x")])).await;

    assert_told_signed_out(&answer);
    assert!(!is_signed_in(&scene.browser).await);
}

#[tokio::test]
async fn who_has_left_already_is_sent_back_all_the_same() {
    let (scene, hint) = signed_in().await;
    let path = path(&[("id_token_hint", &hint), ("post_logout_redirect_uri", LEFT)]);
    assert_sent_to(&scene.browser.get(&path).await, LEFT);

    let again = scene.browser.get(&path).await;
    let elsewhere = scene.server.browser().get(&path).await;

    assert_sent_to(&again, LEFT);
    assert_sent_to(&elsewhere, LEFT);
}

#[tokio::test]
async fn an_expired_hint_still_counts() {
    let (scene, hint) = signed_in().await;
    scene.server.clock.advance(TimeDelta::hours(2));
    // Also when the key that signed it is published no more.
    rotate_of(&scene.server, SigningAlg::Rs256.into(), TimeDelta::zero()).await;
    scene.server.clock.advance(key::VERIFY_AFTER_RETIREMENT + TimeDelta::hours(1));

    let answer =
        scene.browser.get(&path(&[("id_token_hint", &hint), ("post_logout_redirect_uri", LEFT)])).await;

    assert_sent_to(&answer, LEFT);
    assert!(!is_signed_in(&scene.browser).await);
}

#[tokio::test]
async fn without_a_hint_of_this_session_the_person_is_asked() {
    let (scene, hint) = signed_in().await;
    let bob = scene.server.user("bob").await;
    let (elsewhere, bobs) = (scene.server.browser_of(&scene.ada).await, scene.server.browser_of(&bob).await);

    for params in [&[][..], &[("client_id", scene.client.id.as_str())], &[("logout_hint", "ada@example.com")]]
    {
        assert_asked(&scene.browser.get(&path(params)).await);
    }
    for (browser, whose) in [(&elsewhere, "of another session"), (&bobs, "of another person")] {
        let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", LEFT)];
        let answer = browser.get(&path(&params)).await;

        assert_asked(&answer);
        assert!(answer.text.contains("Test app"), "{whose}: {}", answer.text);
        assert!(is_signed_in(browser).await, "{whose}");
    }
    assert!(is_signed_in(&scene.browser).await);
}

#[tokio::test]
async fn who_says_yes_is_signed_out_and_who_says_no_is_not() {
    let (scene, _) = signed_in().await;
    let params =
        [("client_id", scene.client.id.as_str()), ("post_logout_redirect_uri", LEFT), ("state", "s")];
    let page = scene.browser.get(&path(&params)).await;

    let stay = format!("{LEFT}&state=s").replace('&', "&#38;");
    assert!(page.text.contains(&format!("href=\"{stay}\"")), "{}", page.text);
    assert!(is_signed_in(&scene.browser).await);

    let answer = scene.browser.send(&form_of(&page, CONFIRM), &[]).await;
    let again = scene.browser.send(&form_of(&page, CONFIRM), &[]).await;

    assert_sent_to(&answer, &format!("{LEFT}&state=s"));
    assert!(!is_signed_in(&scene.browser).await);
    assert_told_signed_out(&again);
}

#[tokio::test]
async fn without_a_hint_the_person_goes_back_only_by_their_own_click() {
    let (scene, _) = signed_in().await;
    let stranger = scene.server.browser();
    let params = [("client_id", scene.client.id.as_str()), ("post_logout_redirect_uri", LEFT)];

    let answer = stranger.get(&path(&params)).await;

    assert_told_signed_out(&answer);
    let link = LEFT.replace('&', "&#38;");
    assert!(answer.text.contains(&format!("href=\"{link}\"")), "{}", answer.text);
    assert!(answer.text.contains("Back to Test app"), "{}", answer.text);
}

#[tokio::test]
async fn what_this_server_did_not_sign_is_no_hint() {
    let (scene, hint) = signed_in().await;
    let tokens = scene.tokens_with(&[("scope", "openid")]).await;
    let other_issuer = signed_in().await.1;
    let unsigned = format!("{}.", hint.rsplit_once('.').unwrap().0);
    let bits: Vec<String> = tampered(&hint).step_by(97).collect();
    let others = ["x".to_owned(), "x".repeat(7000), tokens.field("access_token"), other_issuer, unsigned];

    for bad in others.iter().chain(&bits) {
        let asked = scene.browser.get(&path(&[("id_token_hint", bad)])).await;
        let sent =
            scene.browser.get(&path(&[("id_token_hint", bad), ("post_logout_redirect_uri", LEFT)])).await;

        assert_asked(&asked);
        assert_shown_as_page(&sent, bad);
    }
    assert!(is_signed_in(&scene.browser).await);
}

#[tokio::test]
async fn a_hint_of_another_client_than_named_is_refused() {
    let (scene, hint) = signed_in().await;
    let other = scene.server.client(scene.ada.organization, with_logout).await;

    for id in [other.id.as_str(), "cli_x", "x", "https://app.example/client.json"] {
        let params =
            [("id_token_hint", hint.as_str()), ("client_id", id), ("post_logout_redirect_uri", LEFT)];

        assert_shown_as_page(&scene.browser.get(&path(&params)).await, id);
    }
    assert!(is_signed_in(&scene.browser).await);
    let params = [
        ("id_token_hint", hint.as_str()),
        ("client_id", &scene.client.id),
        ("post_logout_redirect_uri", LEFT),
    ];
    assert_sent_to(&scene.browser.get(&path(&params)).await, LEFT);
}

#[tokio::test]
async fn an_address_that_is_not_registered_is_never_redirected_to() {
    let (scene, hint) = signed_in().await;
    let stranger = scene.server.browser();

    for uri in [
        "https://evil.example/",
        "https://app.example/left",
        "https://app.example/left?from=here&x=1",
        "https://app.example/left?from=here#x",
        "https://app.example/left?from=Here",
        "https://app.example.evil.example/left?from=here",
        "https://app.example@evil.example/left?from=here",
        "//evil.example/",
        "/settings",
        "javascript:alert(1)",
        "http://127.0.0.1:80@evil.example/left",
        "http://localhost/left",
        crate::support::CALLBACK,
    ] {
        for (name, value) in [("id_token_hint", hint.as_str()), ("client_id", &scene.client.id), ("x", "x")] {
            let path = path(&[(name, value), ("post_logout_redirect_uri", uri), ("state", "s")]);

            assert_shown_as_page(&scene.browser.get(&path).await, uri);
            assert_shown_as_page(&stranger.get(&path).await, uri);
        }
    }
    assert!(is_signed_in(&scene.browser).await, "nobody is signed out by a request that is wrong");
    let params =
        [("client_id", scene.client.id.as_str()), ("post_logout_redirect_uri", "https://evil.example/")];
    let page = scene.browser.get(&path(&params)).await.text;
    assert!(
        page.contains("https://evil.example/") && page.contains("https://app.example/left?from=here"),
        "{page}"
    );
}

#[tokio::test]
async fn the_port_of_an_app_on_this_machine_is_free() {
    for uri in ["http://127.0.0.1:51004/left", "com.example.app:/left"] {
        let (scene, hint) = signed_in().await;

        let answer =
            scene.browser.get(&path(&[("id_token_hint", &hint), ("post_logout_redirect_uri", uri)])).await;

        assert_sent_to(&answer, uri);
    }
}

#[tokio::test]
async fn what_it_does_not_know_is_ignored() {
    let (scene, hint) = signed_in().await;
    let params = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", LEFT),
        ("ui_locales", "fr-CA fr xx"),
        ("logout_hint", "ada@example.com"),
        ("x-client-SKU", "ID_NET"),
    ];

    assert_sent_to(&scene.browser.get(&path(&params)).await, LEFT);
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_shown() {
    let (scene, hint) = signed_in().await;
    let good = path(&[
        ("id_token_hint", &hint),
        ("post_logout_redirect_uri", LEFT),
        ("state", "s"),
        ("client_id", &scene.client.id),
        ("logout_hint", "x"),
    ]);

    for name in ["id_token_hint", "post_logout_redirect_uri", "state", "client_id", "logout_hint"] {
        assert_shown_as_page(&scene.browser.get(&format!("{good}&{name}=again")).await, name);
    }
    for bad in ["state=%00", "state=%ff", "%00=x"] {
        assert_shown_as_page(&scene.browser.get(&format!("{good}&{bad}")).await, bad);
    }
    let json = scene.browser.request("POST", "/oauth/logout").json(&json!({ "id_token_hint": hint }));
    assert_shown_as_page(&Answer::of(json).await, "JSON");
    let large = scene.browser.post("/oauth/logout", &[("id_token_hint", &"x".repeat(9000))]).await;
    assert_eq!(large.status, 413);
    let huge = scene.browser.post("/oauth/logout", &[("id_token_hint", &"x".repeat(200_000))]).await;
    assert_eq!(huge.status, 413);
    for method in ["PUT", "DELETE"] {
        assert_eq!(Answer::of(scene.browser.request(method, &good)).await.status, 405, "{method}");
    }
    assert!(is_signed_in(&scene.browser).await);
}

#[tokio::test]
async fn a_client_that_is_gone_sends_nobody_back() {
    let (scene, hint) = signed_in().await;
    scene.server.disable_client(&scene.client.id).await;
    let id = ("client_id", scene.client.id.as_str());

    let hinted =
        scene.browser.get(&path(&[("id_token_hint", &hint), ("post_logout_redirect_uri", LEFT)])).await;
    let named = scene.browser.get(&path(&[id, ("post_logout_redirect_uri", LEFT)])).await;

    assert_shown_as_page(&hinted, "by hint");
    assert_shown_as_page(&named, "by name");
    assert_asked(&scene.browser.get(&path(&[("id_token_hint", &hint)])).await);
}

/// Anybody can register under any name.
#[tokio::test]
async fn an_app_that_nobody_vouches_for_is_named_by_its_host() {
    let scene = Scene::new().await;
    let uris = ["https://app.example/left", "http://localhost/left"];
    let metadata = json!({ "client_name": "My Bank", "post_logout_redirect_uris": uris });
    let app = client(&scene.server.register(&app(&metadata)).await);
    let asked = |uri| path(&[("client_id", app.id.as_str()), ("post_logout_redirect_uri", uri)]);

    let page = scene.browser.get(&asked(uris[0])).await.text;
    let on_own_machine = scene.browser.get(&asked(uris[1])).await.text;
    let signed_out = scene.server.browser().get(&asked(uris[0])).await.text;

    assert!(page.contains("<strong>app.example</strong> sent you here to sign out."), "{page}");
    assert!(!on_own_machine.contains("sent you here"), "{on_own_machine}");
    assert!(signed_out.contains(">Back to app.example</a>"), "{signed_out}");
    for text in [page, on_own_machine, signed_out] {
        assert!(!text.contains("My Bank"), "{text}");
    }
}

#[tokio::test]
async fn another_site_cannot_sign_a_person_out() {
    let (scene, _) = signed_in().await;
    let page = scene.browser.get(&path(&[("client_id", &scene.client.id)])).await;
    let form = form_of(&page, CONFIRM);
    let csrf = form.fields.iter().find(|(name, _)| name == "csrf").unwrap().1.as_str();
    let post = |fields: &[(&str, &str)]| scene.browser.request("POST", &form.action).form(fields);

    for request in [
        post(&[]),
        post(&[("csrf", "x")]),
        post(&[("csrf", csrf), ("csrf", csrf)]),
        post(&[("csrf", csrf)]).header("sec-fetch-site", "cross-site"),
        post(&[("csrf", csrf)]).header("origin", "https://evil.example"),
    ] {
        let answer = Answer::of(request).await;

        assert!([400, 403].contains(&answer.status), "{}", answer.status);
        assert!(is_signed_in(&scene.browser).await);
    }
    assert_told_signed_out(&Answer::of(post(&[("csrf", csrf)])).await);
}

#[tokio::test]
async fn the_page_forbids_framing_and_caching_and_lets_its_form_lead_to_the_app() {
    let (scene, _) = signed_in().await;
    let params = [("client_id", scene.client.id.as_str()), ("post_logout_redirect_uri", LEFT)];

    let page = scene.browser.get(&path(&params)).await;

    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https: https://app.example;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn an_address_to_go_back_to_is_as_safe_as_a_redirect_uri() {
    let scene = Scene::new().await;
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
    let path = format!("/v1/clients/{}", scene.client.id);

    for bad in [
        "http://app.example/left",
        "javascript:alert(1)",
        "https://*.example/",
        "https://a.example/#x",
        "/left",
        "",
    ] {
        let change = json!({ "post_logout_redirect_uris": [bad] });
        let answer = scene.server.send_json_as(&admin, "PATCH", &path, &change).await;

        assert_eq!(
            (answer.status, &answer.json["error"]["field"]),
            (422, &json!("post_logout_redirect_uris")),
            "{bad}"
        );
    }
    let change = json!({ "post_logout_redirect_uris": [LEFT] });
    let answer = scene.server.send_json_as(&admin, "PATCH", &path, &change).await;
    assert_eq!((answer.status, &answer.json["post_logout_redirect_uris"]), (200, &json!([LEFT])));
}
