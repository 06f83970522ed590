//! `/oauth/authorize` (RFC 6749 §4.1.1): the way from a request to a code.

use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_shown_as_page;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::RawConnection;
use crate::support::form_of;

#[tokio::test]
async fn a_person_who_is_not_signed_in_signs_in_first_and_comes_back() {
    let scene = Scene::new().await;
    let stranger = scene.server.browser();

    let asked = stranger.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;
    let login = stranger.get(asked.location()).await;
    let form = form_of(&login, "/login");
    let signed_in = stranger.send(&form, &[("email", &scene.ada.email), ("password", PASSWORD)]).await;
    let consent = stranger.get(signed_in.location()).await;
    let form = form_of(&consent, "/oauth/authorize");
    let granted = stranger.send(&form, &[("decision", "approve")]).await;

    assert_eq!((asked.status, signed_in.status, granted.status), (303, 303, 303));
    assert!(asked.location().starts_with("/login?"), "{}", asked.location());
    assert!(granted.location().starts_with(&format!("{CALLBACK}?code=")), "{}", granted.location());
}

#[tokio::test]
async fn the_answer_carries_code_state_and_issuer_and_nothing_else() {
    let scene = Scene::new().await;
    let state = "a b&c=d%20+\u{e9}\"<>'/?#";

    let answer = scene.client.ask(&scene.browser, &Pkce::default(), &[("state", state)]).await;

    let mut params = answer.location_params();
    assert!(params.remove("code").is_some_and(|code| code.len() > 40));
    assert_eq!(json!(params), json!({ "state": state, "iss": scene.server.issuer() }));
    assert_eq!(answer.status, 303, "so that a browser does not post the form on");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_request_without_state_is_answered_without_state() {
    let scene = Scene::new().await;

    let answer = scene.client.ask(&scene.browser, &Pkce::default(), &[("state", "")]).await;

    assert_eq!(answer.location_params().get("state"), None);
    assert!(answer.location_params().contains_key("code"));
}

#[tokio::test]
async fn a_request_without_scope_gets_the_clients_default() {
    let scene = Scene::with_client(|registration| {
        registration.default_scopes = countersign::scopes::Scopes::parse("write").unwrap();
    })
    .await;
    let pkce = Pkce::default();

    let answer = scene.client.ask(&scene.browser, &pkce, &[("scope", "")]).await;
    let tokens = scene.exchange(&answer.location_params()["code"], &pkce).await;

    assert_eq!(tokens.json["scope"], "write");
}

#[tokio::test]
async fn parameters_that_the_endpoint_does_not_know_are_ignored() {
    let scene = Scene::new().await;
    let changes = [
        ("nonce", "n-0S6_WzA2Mj"),
        ("login_hint", "ada@example.com"),
        ("response_mode", "query"),
        ("access_type", "offline"),
        ("foo", "1"),
        ("foo", "2"),
    ];

    let answer = scene.client.ask(&scene.browser, &Pkce::default(), &changes).await;

    assert!(answer.location_params().contains_key("code"), "{}", answer.location());
}

#[tokio::test]
async fn what_only_helps_the_person_is_no_error() {
    let scene = Scene::new().await;
    let changes = [
        ("scope", "openid read"),
        ("display", "popup"),
        ("ui_locales", "fr-CA fr xx-nonsense"),
        ("claims_locales", "de"),
        ("acr_values", "1 2"),
    ];

    let answer = scene.client.ask(&scene.browser, &Pkce::default(), &changes).await;

    assert!(answer.location_params().contains_key("code"), "{}", answer.location());
}

#[tokio::test]
async fn parameters_without_a_value_are_as_good_as_absent() {
    let scene = Scene::new().await;
    let path = scene.client.authorize_path(&Pkce::default(), &[]);

    let query = "response_mode=&prompt=&max_age=&resource=&login_hint=&nonce=&foo=";
    let page = scene.browser.get(&format!("{path}&{query}")).await;

    assert_eq!(page.status, 200, "{:?}", page.headers);
}

#[tokio::test]
async fn the_login_hint_is_filled_in() {
    let scene = Scene::new().await;
    let stranger = scene.server.browser();
    let path = scene.client.authorize_path(&Pkce::default(), &[("login_hint", "ada@example.com")]);

    let login = stranger.get(stranger.get(&path).await.location()).await;

    let form = form_of(&login, "/login");
    assert!(form.fields.contains(&("email".to_owned(), "ada@example.com".to_owned())), "{form:?}");
}

#[tokio::test]
async fn a_request_sent_as_a_form_from_another_site_starts_over_without_a_session() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let query = scene.client.authorize_path(&pkce, &[]).split_once('?').unwrap().1.to_owned();

    for (origin, fetch_site) in
        [("https://evil.example", "cross-site"), ("null", "cross-site"), ("https://app.example", "same-site")]
    {
        let request = scene
            .server
            .request("POST", "/oauth/authorize")
            .header("origin", origin)
            .header("sec-fetch-site", fetch_site)
            .header("content-type", "application/x-www-form-urlencoded");
        let posted = Answer::of(request.body(query.clone())).await;

        assert_eq!(posted.status, 303, "{origin}: {}", posted.text);
        assert_eq!(scene.browser.get(posted.location()).await.status, 200, "the consent page");
        let login = scene.server.browser().get(posted.location()).await;
        assert!(login.location().starts_with("/login?"), "{}", login.location());
    }
}

#[tokio::test]
async fn a_request_sent_as_a_form_is_judged_like_any_other() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let form_of = |changes: &[(&str, &str)]| {
        let path = scene.client.authorize_path(&pkce, changes);
        let pairs = url::form_urlencoded::parse(path.split_once('?').unwrap().1.as_bytes());
        pairs.into_owned().collect::<Vec<_>>()
    };

    for (changes, is_for_the_client) in
        [([("redirect_uri", "https://evil.example/")], false), ([("response_type", "token")], true)]
    {
        let request = scene.server.request("POST", "/oauth/authorize").form(&form_of(&changes));
        let mut answer = Answer::of(request).await;
        if answer.status == 303 && answer.location().starts_with('/') {
            answer = scene.server.get(answer.location()).await;
        }

        if is_for_the_client {
            assert_eq!(answer.location_params()["error"], "unsupported_response_type");
        } else {
            assert_shown_as_page(&answer, "redirect_uri");
        }
    }
}

#[tokio::test]
async fn a_posted_request_that_is_no_form_or_too_large_is_shown_as_a_page() {
    let scene = Scene::new().await;
    let request = scene.server.request("POST", "/oauth/authorize").header("content-type", "application/json");

    let no_form = Answer::of(request.body("{}")).await;
    let mut connection = RawConnection::open(&scene.server).await;
    let too_large =
        connection.post_form("/oauth/authorize", &format!("state={}", "a".repeat(10 << 20))).await;

    assert_shown_as_page(&no_form, "JSON");
    assert_eq!(too_large.status, 413, "{}", too_large.head);
    assert!(!too_large.head.contains("location:"), "{}", too_large.head);
    assert_eq!(connection.get("/oauth/jwks").await.status, 200, "the connection survives");
}

#[tokio::test]
async fn a_url_that_is_too_long_is_refused_and_never_a_failure() {
    let scene = Scene::new().await;

    for length in [9_000, 60_000, 100_000, 1_000_000] {
        let path =
            format!("{}&foo={}", scene.client.authorize_path(&Pkce::default(), &[]), "a".repeat(length));
        let mut connection = RawConnection::open(&scene.server).await;
        let answer = connection.get(&path).await;

        assert!((400..500).contains(&answer.status), "{length}: {}", answer.head);
        assert!(!answer.head.contains("location:"), "{length}: {}", answer.head);
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_told_which_are_right() {
    let scene = Scene::new().await;

    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = Answer::of(scene.server.request(method, "/oauth/authorize")).await;

        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"), "{method}");
    }
}

#[tokio::test]
async fn no_script_of_another_origin_can_read_it_or_a_page() {
    let scene = Scene::new().await;
    let authorize = scene.client.authorize_path(&Pkce::default(), &[]);

    for path in
        [authorize.as_str(), "/oauth/authorize", "/login", "/register", "/", "/errors", "/settings/apps"]
    {
        for method in ["GET", "OPTIONS", "POST"] {
            let request = scene
                .server
                .request(method, path)
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "authorization");
            let answer = Answer::of(request).await;

            let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(cors, None, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_page_on_the_way_forbids_framing_and_caching() {
    let scene = Scene::new().await;
    let stranger = scene.server.browser();
    let path = scene.client.authorize_path(&Pkce::default(), &[]);

    let login = stranger.get(stranger.get(&path).await.location()).await;
    let consent = scene.browser.get(&path).await;
    let refusal = stranger.get("/oauth/authorize").await;

    for page in [login, consent, refusal] {
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
}
