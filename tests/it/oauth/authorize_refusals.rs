//! `/oauth/authorize`: what is wrong with a request, and whom it is told (RFC 6749 §4.1.2.1).

use countersign::clients::registration::AuthMethod;

use crate::oauth::Scene;
use crate::oauth::assert_shown_as_page;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;
use crate::support::TestServer;

const PARAMETERS: [&str; 15] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "prompt",
    "max_age",
    "nonce",
    "login_hint",
    "claims",
    "acr_values",
    "id_token_hint",
];

/// An error that goes to the client, with all that belongs to it.
#[track_caller]
fn assert_sent_back(server: &TestServer, answer: &Answer, error: &str, context: &str) {
    assert_eq!(answer.status, 303, "{context}: {}", answer.text);
    assert!(answer.location().starts_with(&format!("{CALLBACK}?")), "{context}: {}", answer.location());
    let mut params = answer.location_params();
    assert_eq!(params.remove("error").as_deref(), Some(error), "{context}: {}", answer.location());
    assert_eq!(params.remove("state").as_deref(), Some("state-1"), "{context}");
    assert_eq!(params.remove("iss").as_deref(), Some(server.issuer()), "{context}");
    let error_uri = params.remove("error_uri").unwrap();
    assert_eq!(error_uri, format!("{}/errors/{error}", server.issuer()), "{context}");
    let description = params.remove("error_description").unwrap();
    let is_allowed = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(!description.is_empty() && description.bytes().all(is_allowed), "{context}: {description:?}");
    assert!(params.is_empty(), "{context}: {params:?}");
}

#[tokio::test]
async fn a_client_that_is_not_proven_is_told_nothing() {
    let scene = Scene::new().await;
    let bob = scene.server.user("bob").await;
    let pkce = Pkce::default();
    let id = &scene.client.id;

    for bad in
        ["", "unknown", "cli_x", &bob.id, &id.to_uppercase(), &format!("{id}x"), &format!(" {id}"), "\u{e9}"]
    {
        let path = scene.client.authorize_path(&pkce, &[("client_id", bad)]);
        let answer = scene.browser.get(&path).await;

        assert_shown_as_page(&answer, bad);
    }
    for path in [
        "/oauth/authorize".to_owned(),
        format!("/oauth/authorize?redirect_uri={CALLBACK}&response_type=code"),
    ] {
        assert_shown_as_page(&scene.browser.get(&path).await, &path);
    }
}

#[tokio::test]
async fn a_disabled_client_is_treated_as_unknown() {
    let scene = Scene::new().await;
    scene.server.disable_client(&scene.client.id).await;

    let answer = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;

    assert_shown_as_page(&answer, "disabled");
}

#[tokio::test]
async fn a_repeated_client_or_redirect_uri_is_shown_as_a_page() {
    let scene = Scene::new().await;
    let path = scene.client.authorize_path(&Pkce::default(), &[]);

    for extra in [
        format!("client_id={}", scene.client.id),
        "client_id=other".to_owned(),
        format!("redirect_uri={CALLBACK}"),
        "redirect_uri=https%3A%2F%2Fevil.example".to_owned(),
    ] {
        let answer = scene.browser.get(&format!("{path}&{extra}")).await;

        assert_shown_as_page(&answer, &extra);
    }
}

#[tokio::test]
async fn what_is_no_text_is_never_answered_with_a_code() {
    let scene = Scene::new().await;
    let path = scene.client.authorize_path(&Pkce::default(), &[]);

    for name in PARAMETERS {
        for bytes in ["%00", "%ff", "a%00b", "%c3%28"] {
            let replaced = path.replace(&format!("{name}="), &format!("x{name}="));
            let answer = scene.browser.get(&format!("{replaced}&{name}={bytes}")).await;

            let is_redirect = answer.header("location").is_some();
            assert!(answer.status < 500, "{name}={bytes}: {}", answer.status);
            assert!(!is_redirect || answer.location_params()["error"] == "invalid_request", "{name}={bytes}");
            if matches!(name, "client_id" | "redirect_uri" | "response_mode") {
                assert_shown_as_page(&answer, name);
            }
        }
    }
}

#[tokio::test]
async fn an_error_of_a_proven_client_goes_back_to_it() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let cut = pkce.challenge[..42].to_owned();
    let odd = format!("{cut}+");

    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "id_token", "unsupported_response_type"),
        ("response_type", "code token", "unsupported_response_type"),
        ("response_type", "CODE", "unsupported_response_type"),
        ("scope", "unknown", "invalid_scope"),
        ("scope", "read admin", "invalid_scope"),
        ("scope", "READ", "invalid_scope"),
        ("scope", "read\"", "invalid_scope"),
        ("scope", "read\\write", "invalid_scope"),
        ("scope", "read\twrite", "invalid_scope"),
        ("scope", "r\u{e9}ad", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge", cut.as_str(), "invalid_request"),
        ("code_challenge", odd.as_str(), "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "s256", "invalid_request"),
        ("code_challenge_method", "S512", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "none consent", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("max_age", "99999999999999999999", "invalid_request"),
        ("resource", "https://unknown.example", "invalid_target"),
        ("resource", "not a uri", "invalid_target"),
    ] {
        let answer = scene.browser.get(&scene.client.authorize_path(&pkce, &[(name, value)])).await;

        assert_sent_back(&scene.server, &answer, error, &format!("{name}={value}"));
    }
}

#[tokio::test]
async fn a_repeated_parameter_goes_back_as_an_invalid_request() {
    let scene = Scene::new().await;
    let all = [
        ("response_mode", "query"),
        ("prompt", "login"),
        ("max_age", "1"),
        ("nonce", "n"),
        ("login_hint", "a"),
        ("claims", "{}"),
        ("acr_values", "urn:countersign:acr:password"),
        ("id_token_hint", "x"),
    ];
    let path = scene.client.authorize_path(&Pkce::default(), &all);

    let is_for_a_page = |name: &str| matches!(name, "client_id" | "redirect_uri" | "response_mode");
    for name in PARAMETERS.into_iter().filter(|name| !is_for_a_page(name) && *name != "state") {
        let answer = scene.browser.get(&format!("{path}&{name}=again")).await;

        assert_sent_back(&scene.server, &answer, "invalid_request", name);
    }
}

#[tokio::test]
async fn a_repeated_state_is_an_invalid_request_and_neither_goes_back() {
    let scene = Scene::new().await;
    let path = scene.client.authorize_path(&Pkce::default(), &[]);

    let answer = scene.browser.get(&format!("{path}&state=state-2")).await;

    let params = answer.location_params();
    assert_eq!((params["error"].as_str(), params.get("state")), ("invalid_request", None));
    assert_eq!(params["iss"], scene.server.issuer());
}

#[tokio::test]
async fn a_client_that_did_not_register_codes_is_unauthorized() {
    let scene = Scene::with_client(|registration| {
        registration.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
        registration.grant_types = vec!["client_credentials".to_owned()];
    })
    .await;

    let answer = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;

    assert_sent_back(&scene.server, &answer, "unauthorized_client", "grant type");
}

#[tokio::test]
async fn only_a_client_registered_for_it_may_do_without_pkce() {
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let bound = Scene::confidential().await;
    let free = Scene::with_client(|registration| {
        registration.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
        registration.require_pkce = false;
    })
    .await;

    let refused = bound.browser.get(&bound.client.authorize_path(&Pkce::default(), &without)).await;
    let accepted = free.client.ask(&free.browser, &Pkce::default(), &without).await;
    let plain = [("code_challenge_method", "plain")];
    let plain = free.browser.get(&free.client.authorize_path(&Pkce::default(), &plain)).await;

    assert_sent_back(&bound.server, &refused, "invalid_request", "without PKCE");
    assert!(accepted.location_params().contains_key("code"));
    assert_sent_back(&free.server, &plain, "invalid_request", "plain");
}

#[tokio::test]
async fn an_error_is_told_before_anybody_has_to_sign_in() {
    let scene = Scene::new().await;
    let (anonymous, signed_in) = (scene.server.browser(), &scene.browser);
    let path = scene.client.authorize_path(&Pkce::default(), &[("scope", "unknown")]);

    let to_a_stranger = anonymous.get(&path).await;
    let to_ada = signed_in.get(&path).await;

    assert_eq!(to_a_stranger.location(), to_ada.location());
}

#[tokio::test]
async fn a_refusal_over_pkce_says_what_is_wrong() {
    let scene = Scene::new().await;

    for (name, value, says) in [
        ("code_challenge", "", "code_challenge is missing: PKCE is required"),
        ("code_challenge_method", "", "code_challenge_method must be S256"),
        ("code_challenge_method", "plain", "code_challenge_method must be S256"),
    ] {
        let path = scene.client.authorize_path(&Pkce::default(), &[(name, value)]);
        let answer = scene.browser.get(&path).await;

        let params = answer.location_params();
        assert_eq!(
            (params["error"].as_str(), params["error_description"].as_str()),
            ("invalid_request", says)
        );
    }
}

#[tokio::test]
async fn the_page_that_an_error_points_to_is_there() {
    let scene = Scene::new().await;

    for error in [
        "invalid_request",
        "unauthorized_client",
        "access_denied",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "invalid_client",
        "invalid_grant",
        "unsupported_grant_type",
        "invalid_target",
        "login_required",
        "consent_required",
        "invalid_request_object",
        "invalid_request_uri",
        "request_uri_not_supported",
        "unmet_authentication_requirements",
    ] {
        let page = scene.server.get(&format!("/errors/{error}")).await;

        assert_eq!(page.status, 200, "{error}");
        assert!(page.text.contains(error), "{error}");
    }
}
