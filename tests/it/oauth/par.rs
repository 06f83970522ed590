//! `POST /oauth/par`, and what a `request_uri` is good for (RFC 9126).

use std::collections::HashSet;

use chrono::TimeDelta;
use countersign::app::config::Settings;
use countersign::clients::client;
use countersign::clients::registration::Registration;
use countersign::scopes::Scopes;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::assert_shown_as_page;
use crate::oauth::at_once;
use crate::oauth::request_object::Signing;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::Signer;
use crate::support::form_of;

const URN: &str = "urn:ietf:params:oauth:request_uri:";

impl OAuthClient {
    /// The parameters of a good request, with `changes` made as in [`OAuthClient::authorize_path`], but not of whom.
    pub fn authorize_form(&self, pkce: &Pkce, changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let path = self.authorize_path(pkce, &[&[("client_id", "")], changes].concat());
        let query = path.split_once('?').unwrap().1;
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Where the client sends a person with a `request_uri`.
    pub fn path_with(&self, request_uri: &str) -> String {
        let request_uri: String = url::form_urlencoded::byte_serialize(request_uri.as_bytes()).collect();
        format!("/oauth/authorize?client_id={}&request_uri={request_uri}", self.id)
    }
}

impl Scene {
    pub(super) async fn push(&self, pkce: &Pkce, changes: &[(&str, &str)]) -> Answer {
        let form = self.client.authorize_form(pkce, changes);
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.client.post(&self.server, "/oauth/par", &form).await
    }

    /// Where a person is sent with a good request, just pushed.
    pub(super) async fn pushed_path(&self, pkce: &Pkce, changes: &[(&str, &str)]) -> String {
        let answer = self.push(pkce, changes).await;
        self.client.path_with(&answer.field("request_uri"))
    }

    async fn pending_requests(&self) -> i64 {
        let count = "select count(*) from pending_requests";
        sqlx::query_scalar(count).fetch_one(&self.server.app.db).await.unwrap()
    }

    pub(super) async fn change_client(&self, adjust: impl FnOnce(&mut Registration)) {
        let mut tx = self.server.app.db.begin().await.unwrap();
        let found = client::find(&mut tx, self.client.id.parse().unwrap()).await.unwrap().unwrap();
        let mut registration = found.client.registration.clone();
        adjust(&mut registration);
        client::update(&mut tx, &found.client, &registration, &self.server.act()).await.unwrap();
        tx.commit().await.unwrap();
        self.server.hear().await;
    }

    /// Through the sign-in page to which `answer` redirects, a second later; what comes after it.
    pub(super) async fn go_through_sign_in(&self, browser: &Browser, answer: &Answer) -> Answer {
        let login = browser.get(answer.location()).await;
        self.server.clock.advance(TimeDelta::seconds(1));
        let form = form_of(&login, "/login");
        let signed_in = browser.send(&form, &[("email", &self.ada.email), ("password", PASSWORD)]).await;
        browser.get(signed_in.location()).await
    }
}

impl Signing {
    async fn push(&self, object: &str, beside: &[(&str, &str)]) -> Answer {
        let form = [&[("request", object)], beside].concat();
        self.scene.client.post(&self.scene.server, "/oauth/par", &form).await
    }
}

pub(super) async fn approve(browser: &Browser, consent: &Answer) -> Answer {
    browser.send(&form_of(consent, "/oauth/authorize"), &[("decision", "approve")]).await
}

#[track_caller]
pub(super) fn assert_page_says(answer: &Answer, error: &str) {
    assert_shown_as_page(answer, error);
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains(&format!("\"/errors/{error}\"")), "{}", answer.text);
}

#[tokio::test]
async fn a_pushed_request_gives_a_request_uri() {
    for scene in [Scene::new().await, Scene::confidential().await] {
        let answer = scene.push(&Pkce::default(), &[]).await;

        let request_uri = answer.field("request_uri");
        assert_eq!(
            (answer.status, &answer.json),
            (201, &json!({ "request_uri": request_uri, "expires_in": 90 }))
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(request_uri.starts_with(URN), "{request_uri}");
    }
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let scene = Scene::new().await;
    let body = json!({ "client_id": scene.client.id, "response_type": "code", "redirect_uri": CALLBACK });

    let as_json = scene.server.post_json("/oauth/par", &body).await;
    let in_the_url =
        scene.client.authorize_path(&Pkce::default(), &[]).replace("/oauth/authorize", "/oauth/par");
    let in_the_url = scene.server.post_form(&in_the_url, "").await;

    assert_refused(&as_json, 400, "invalid_request");
    assert_refused(&in_the_url, 401, "invalid_client");
}

#[tokio::test]
async fn a_client_proves_itself_as_at_the_token_endpoint() {
    let scene = Scene::confidential().await;
    let public = scene.other_client().await;
    let (id, secret) = (scene.client.id.as_str(), scene.client.secret.as_deref().unwrap());
    let post = async |credentials: &[(&str, &str)], changes: &[(&str, &str)]| {
        let form = scene.client.authorize_form(&Pkce::default(), changes);
        let request = scene.server.request("POST", "/oauth/par");
        let credentials = credentials.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Answer::of(request.form(&credentials.chain(form).collect::<Vec<_>>())).await
    };

    for good in [&[("client_id", id), ("client_secret", secret)][..], &[("client_id", &public.id)]] {
        assert_eq!(post(good, &[]).await.status, 201, "{good:?}");
    }
    for bad in [
        &[][..],
        &[("client_id", id)],
        &[("client_id", id), ("client_secret", "wrong")],
        &[("client_id", &public.id), ("client_secret", secret)],
        &[("client_id", "cli_x")],
    ] {
        assert_refused(&post(bad, &[]).await, 401, "invalid_client");
        // Before anything is said of the request.
        assert_refused(&post(bad, &[("redirect_uri", "https://evil.example/")]).await, 401, "invalid_client");
    }
    scene.server.disable_client(id).await;
    assert_refused(&scene.push(&Pkce::default(), &[]).await, 401, "invalid_client");
}

#[tokio::test]
async fn what_proves_the_client_is_not_kept() {
    let scene = Scene::confidential().await;
    let (id, secret) = (scene.client.id.as_str(), scene.client.secret.as_deref().unwrap());
    let mut form = scene.client.authorize_form(&Pkce::default(), &[("x", "1")]);
    form.extend(
        [("client_id", id), ("client_secret", secret)]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );

    let answer = Answer::of(scene.server.request("POST", "/oauth/par").form(&form)).await;

    assert_eq!(answer.status, 201, "{}", answer.text);
    let kept: String = sqlx::query_scalar("select parameters from pending_requests")
        .fetch_one(&scene.server.app.db)
        .await
        .unwrap();
    assert!(kept.contains("state=state-1") && !kept.contains("secret") && !kept.contains(secret), "{kept}");
}

#[tokio::test]
async fn a_pushed_request_cannot_name_a_request_uri() {
    let scene = Scene::new().await;
    let earlier = scene.push(&Pkce::default(), &[]).await.field("request_uri");

    for request_uri in [earlier.as_str(), "https://app.example/request.jwt", "x"] {
        let answer = scene.push(&Pkce::default(), &[("request_uri", request_uri)]).await;

        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_pushed_request_is_judged_like_any_other() {
    let scene = Scene::new().await;

    for (name, value, error) in [
        ("redirect_uri", "https://evil.example/callback", "invalid_request"),
        ("redirect_uri", "https://app.example/callback/", "invalid_request"),
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "unknown", "invalid_scope"),
        ("scope", "read admin", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("resource", "https://unknown.example", "invalid_target"),
    ] {
        let answer = scene.push(&Pkce::default(), &[(name, value)]).await;

        assert_refused(&answer, 400, error);
        assert_eq!(answer.header("location"), None, "{name}={value}");
    }
    scene
        .change_client(|registration| registration.redirect_uris.push("https://app.example/2".to_owned()))
        .await;
    let without = scene.push(&Pkce::default(), &[("redirect_uri", "")]).await;
    assert_refused(&without, 400, "invalid_request");
    assert_eq!(scene.pending_requests().await, 0);
}

#[tokio::test]
async fn a_client_that_did_not_register_codes_cannot_push() {
    let scene = Scene::confidential().await;
    scene
        .change_client(|registration| registration.grant_types = vec!["client_credentials".to_owned()])
        .await;

    let answer = scene.push(&Pkce::default(), &[]).await;

    assert_refused(&answer, 400, "unauthorized_client");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let scene = Scene::new().await;
    let (large, too_large) = ("a".repeat(15_000), "a".repeat(17_000));

    let kept = scene.push(&Pkce::default(), &[("state", &large)]).await;
    let refused = scene.push(&Pkce::default(), &[("state", &too_large)]).await;

    assert_eq!(kept.status, 201, "{}", kept.text);
    assert_refused(&refused, 413, "invalid_request");
    let answer = scene.browser.get(&scene.client.path_with(&kept.field("request_uri"))).await;
    let answer = approve(&scene.browser, &answer).await;
    assert_eq!(answer.location_params()["state"], large);
}

#[tokio::test]
async fn a_request_uri_cannot_be_guessed() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();

    let mut seen = HashSet::new();
    for _ in 0..20 {
        let request_uri = scene.push(&pkce, &[]).await.field("request_uri");
        assert!(request_uri.len() >= URN.len() + 32, "{request_uri}");
        assert!(seen.insert(request_uri), "each is another");
    }

    let request_uri = seen.into_iter().next().unwrap();
    for guess in
        [&request_uri[..request_uri.len() - 1], &format!("{request_uri}A"), URN, &request_uri.to_uppercase()]
    {
        let answer = scene.browser.get(&scene.client.path_with(guess)).await;
        assert_shown_as_page(&answer, guess);
    }
    // Whoever reads the table learns none.
    let rows: Vec<String> = sqlx::query_scalar("select pending_requests::text from pending_requests")
        .fetch_all(&scene.server.app.db)
        .await
        .unwrap();
    assert!(rows.iter().all(|row| !row.contains(&request_uri[URN.len()..])), "{rows:?}");
}

#[tokio::test]
async fn one_address_cannot_push_without_end_unless_it_is_known() {
    let settings = |settings: &mut Settings| settings.session_requests_per_minute = 3;
    let scene = Scene::with(settings, |_| {}).await;
    let known = scene.server.confidential_client(scene.ada.organization).await;
    for _ in 0..3 {
        assert_eq!(scene.push(&Pkce::default(), &[]).await.status, 201);
    }

    let refused = scene.push(&Pkce::default(), &[]).await;
    let scene = Scene { client: known, ..scene };
    let by_known = scene.push(&Pkce::default(), &[]).await;

    assert_refused(&refused, 429, "rate_limit_exceeded");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(by_known.status, 201, "{}", by_known.text);
}

#[tokio::test]
async fn a_person_goes_from_a_pushed_request_to_a_code() {
    let scene = Scene::confidential().await;
    let pkce = Pkce::default();
    let path = scene.pushed_path(&pkce, &[("scope", "write")]).await;
    let stranger = scene.server.browser();

    let asked = stranger.get(&path).await;
    let consent = scene.go_through_sign_in(&stranger, &asked).await;
    let answer = approve(&stranger, &consent).await;

    let mut params = answer.location_params();
    let code = params.remove("code").unwrap();
    assert!(answer.location().starts_with(&format!("{CALLBACK}?code=")), "{}", answer.location());
    assert_eq!(json!(params), json!({ "state": "state-1", "iss": scene.server.issuer() }));
    let tokens = scene.exchange(&code, &pkce).await;
    assert_eq!(tokens.json["scope"], "write", "{}", tokens.text);
}

#[tokio::test]
async fn a_request_uri_works_once_but_survives_the_sign_in() {
    let scene = Scene::new().await;
    let path = scene.pushed_path(&Pkce::default(), &[]).await;
    let stranger = scene.server.browser();

    // As link scanners and password managers do it, and people who load a page again.
    assert!(stranger.get(&path).await.location().starts_with("/login?"));
    let asked = stranger.get(&path).await;
    scene.go_through_sign_in(&stranger, &asked).await;
    assert_eq!(stranger.get(&path).await.status, 200);
    let without_token = stranger.post(&path, &[("decision", "approve")]).await;
    let consent = stranger.get(&path).await;
    let answer = approve(&stranger, &consent).await;

    assert_eq!(without_token.status, 403);
    assert!(answer.location_params().contains_key("code"), "{}", answer.location());
    assert_page_says(&stranger.get(&path).await, "invalid_request_uri");
    assert_page_says(&approve(&stranger, &consent).await, "invalid_request_uri");
    assert_eq!(scene.pending_requests().await, 0);
}

#[tokio::test]
async fn a_refusal_uses_it_up_too() {
    let scene = Scene::new().await;
    let path = scene.pushed_path(&Pkce::default(), &[]).await;
    let consent = scene.browser.get(&path).await;

    let denied = scene.browser.send(&form_of(&consent, "/oauth/authorize"), &[("decision", "deny")]).await;

    assert_eq!(denied.location_params()["error"], "access_denied");
    assert_page_says(&scene.browser.get(&path).await, "invalid_request_uri");
    assert_page_says(&approve(&scene.browser, &consent).await, "invalid_request_uri");
}

#[tokio::test]
async fn of_many_who_answer_at_once_one_gives_the_code() {
    let scene = Scene::new().await;
    let path = scene.pushed_path(&Pkce::default(), &[]).await;
    let form = form_of(&scene.browser.get(&path).await, "/oauth/authorize");
    let fields = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<_> = fields.chain([("decision", "approve")]).collect();

    let answers = at_once((0..10).map(|_| scene.browser.request("POST", &form.action).form(&fields))).await;

    let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 303);
    assert_eq!((granted.len(), refused.len()), (1, 9));
    for answer in refused {
        assert_page_says(answer, "invalid_request_uri");
    }
    assert_eq!(scene.live_grants().await, 1);
}

#[tokio::test]
async fn a_silent_answer_is_given_once() {
    let scene = Scene::new().await;
    scene.tokens().await;
    let path = scene.pushed_path(&Pkce::default(), &[("prompt", "none")]).await;

    let answers = at_once((0..10).map(|_| scene.browser.request("GET", &path))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 9);
}

#[tokio::test]
async fn a_request_uri_ends() {
    let scene = Scene::new().await;
    let late = scene.pushed_path(&Pkce::default(), &[]).await;
    let in_time = scene.pushed_path(&Pkce::default(), &[]).await;

    scene.server.clock.advance(TimeDelta::seconds(89));
    assert_eq!(scene.browser.get(&in_time).await.status, 200);
    scene.server.clock.advance(TimeDelta::seconds(1));
    assert_page_says(&scene.browser.get(&late).await, "invalid_request_uri");
    assert_eq!(scene.browser.get(&in_time).await.status, 200, "it was begun in time");

    // Not from the second visit on.
    scene.server.clock.advance(TimeDelta::minutes(30) - TimeDelta::seconds(2));
    let consent = scene.browser.get(&in_time).await;
    assert_eq!(consent.status, 200);
    scene.server.clock.advance(TimeDelta::seconds(1));
    assert_page_says(&approve(&scene.browser, &consent).await, "invalid_request_uri");
    assert_page_says(&scene.browser.get(&in_time).await, "invalid_request_uri");
}

#[tokio::test]
async fn what_has_ended_is_cleaned_up() {
    let scene = Scene::new().await;
    let begun = scene.pushed_path(&Pkce::default(), &[]).await;
    scene.pushed_path(&Pkce::default(), &[]).await;
    scene.browser.get(&begun).await;

    let mut left = Vec::new();
    for seconds in [89, 1, 1800] {
        scene.server.clock.advance(TimeDelta::seconds(seconds));
        scene.server.clean_up().await;
        left.push(scene.pending_requests().await);
    }

    assert_eq!(left, [2, 1, 0]);
}

#[tokio::test]
async fn a_request_uri_of_another_client_is_refused() {
    let scene = Scene::new().await;
    let other = scene.other_client().await;
    let request_uri = scene.push(&Pkce::default(), &[]).await.field("request_uri");

    let answer = scene.browser.get(&other.path_with(&request_uri)).await;

    assert_page_says(&answer, "invalid_request_uri");
    assert_eq!(scene.browser.get(&scene.client.path_with(&request_uri)).await.status, 200);
}

#[tokio::test]
async fn a_request_uri_needs_its_client_id() {
    let scene = Scene::new().await;
    let path = scene.pushed_path(&Pkce::default(), &[]).await;
    let (url, request_uri) = path.split_once("&request_uri=").unwrap();

    let without = scene.browser.get(&format!("/oauth/authorize?request_uri={request_uri}")).await;
    let twice = scene.browser.get(&format!("{path}&client_id={}", scene.client.id)).await;
    let two = scene.browser.get(&format!("{url}&request_uri={request_uri}&request_uri={request_uri}")).await;

    for answer in [without, twice, two] {
        assert_page_says(&answer, "invalid_request");
    }
}

#[tokio::test]
async fn what_stands_beside_a_request_uri_counts_for_nothing() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let path = scene.pushed_path(&pkce, &[("scope", "read")]).await;
    let beside = "redirect_uri=https%3A%2F%2Fevil.example%2F&scope=read+write+delete&state=evil&prompt=none&\
                  response_type=token&response_mode=fragment&code_challenge=x&state=twice";

    let consent = scene.browser.get(&format!("{path}&{beside}")).await;
    let answer = approve(&scene.browser, &consent).await;

    let params = answer.location_params();
    assert_eq!(params["state"], "state-1");
    let tokens = scene.exchange(&params["code"], &pkce).await;
    assert_eq!(tokens.json["scope"], "read", "{}", tokens.text);
}

#[tokio::test]
async fn a_request_uri_may_be_sent_as_a_form() {
    let scene = Scene::new().await;
    let path = scene.pushed_path(&Pkce::default(), &[]).await;

    let posted = scene.server.post_form("/oauth/authorize", path.split_once('?').unwrap().1).await;

    assert_eq!(posted.status, 303, "{}", posted.text);
    assert_eq!(scene.browser.get(posted.location()).await.status, 200);
}

#[tokio::test]
async fn a_client_that_must_push_can_do_nothing_else() {
    let scene =
        Scene::with_client(|registration| registration.require_pushed_authorization_requests = true).await;

    let plain = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &[])).await;
    let pushed = scene.browser.get(&scene.pushed_path(&Pkce::default(), &[]).await).await;

    let params = plain.location_params();
    assert_eq!((params["error"].as_str(), params["state"].as_str()), ("invalid_request", "state-1"));
    assert_eq!(pushed.status, 200);
}

#[tokio::test]
async fn what_the_client_may_is_looked_up_again_when_the_request_is_used() {
    let scene = Scene::new().await;
    let (narrowed, moved, disabled) = (
        scene.pushed_path(&Pkce::default(), &[]).await,
        scene.pushed_path(&Pkce::default(), &[]).await,
        scene.pushed_path(&Pkce::default(), &[]).await,
    );

    scene
        .change_client(|registration| {
            registration.scopes = Scopes::parse("read").unwrap();
            registration.default_scopes = Scopes::parse("read").unwrap();
        })
        .await;
    let narrowed = scene.browser.get(&narrowed).await;
    scene
        .change_client(|registration| registration.redirect_uris = vec!["https://app.example/2".to_owned()])
        .await;
    let moved = scene.browser.get(&moved).await;
    scene.server.disable_client(&scene.client.id).await;
    let disabled = scene.browser.get(&disabled).await;

    assert_eq!(narrowed.location_params()["error"], "invalid_scope");
    assert_shown_as_page(&moved, "the redirect URI is gone");
    assert_shown_as_page(&disabled, "disabled");
}

#[tokio::test]
async fn a_new_sign_in_is_asked_for_once() {
    for changes in [[("prompt", "login")], [("max_age", "0")], [("prompt", "login consent")]] {
        let scene = Scene::new().await;
        scene.server.clock.advance(TimeDelta::seconds(1));
        let path = scene.pushed_path(&Pkce::default(), &changes).await;

        let asked = scene.browser.get(&path).await;
        let again = scene.browser.get(&path).await;
        let consent = scene.go_through_sign_in(&scene.browser, &asked).await;
        scene.server.clock.advance(TimeDelta::minutes(1));
        let answer = approve(&scene.browser, &consent).await;

        assert!(again.location().starts_with("/login?"), "{changes:?}: {}", again.location());
        assert!(answer.location_params().contains_key("code"), "{changes:?}: {}", answer.location());
    }
}

#[tokio::test]
async fn the_sign_in_page_knows_what_was_pushed() {
    let scene = Scene::with_client(|registration| {
        registration.redirect_uris.push("com.example.app:/callback".to_owned());
    })
    .await;
    let changes = [("redirect_uri", "com.example.app:/callback"), ("login_hint", "grace@example.com")];
    let path = scene.pushed_path(&Pkce::default(), &changes).await;
    let stranger = scene.server.browser();

    let login = stranger.get(stranger.get(&path).await.location()).await;

    let form = form_of(&login, "/login");
    assert!(form.fields.contains(&("email".to_owned(), "grace@example.com".to_owned())), "{form:?}");
    assert!(login.text.contains("Test app"), "{}", login.text);
    let policy = login.header("content-security-policy").unwrap();
    assert!(policy.contains("com.example.app:"), "{policy}");
}

#[tokio::test]
async fn a_client_that_must_sign_pushes_nothing_but_a_request_object() {
    let signing =
        Signing::with_client(|registration| registration.require_signed_request_object = true).await;
    let scene = &signing.scene;

    let plain = scene.push(&signing.pkce, &[]).await;
    let signed = signing.push(&signing.object(&json!({})), &[]).await;

    assert_refused(&plain, 400, "invalid_request");
    let path = scene.client.path_with(&signed.field("request_uri"));
    assert_eq!(scene.browser.get(&path).await.status, 200, "it was signed when it was pushed");
}

#[tokio::test]
async fn of_a_pushed_request_object_only_what_it_says_counts() {
    let signing = Signing::new().await;
    let scene = &signing.scene;
    let beside = [
        ("redirect_uri", "https://evil.example/"),
        ("scope", "read write delete"),
        ("state", "evil"),
        ("response_mode", "fragment"),
        ("prompt", "none"),
    ];

    let pushed = signing.push(&signing.object(&json!({ "scope": "read" })), &beside).await;
    let consent = scene.browser.get(&scene.client.path_with(&pushed.field("request_uri"))).await;
    let params = approve(&scene.browser, &consent).await.location_params();

    assert_eq!(params["state"], "state-1");
    let tokens = scene.exchange(&params["code"], &signing.pkce).await;
    assert_eq!(tokens.json["scope"], "read", "{}", tokens.text);
}

#[tokio::test]
async fn a_pushed_request_object_is_judged_like_any_other() {
    let signing = Signing::new().await;
    let past = signing.scene.server.clock.now().timestamp() - 60;
    let by_another = Signer::p256().jws(r#"{"alg":"ES256","kid":"a"}"#, &signing.claims(&json!({})));

    for (object, error) in [
        (by_another, "invalid_request_object"),
        ("x".to_owned(), "invalid_request_object"),
        (signing.object(&json!({ "exp": past })), "invalid_request_object"),
        (signing.object(&json!({ "aud": "https://evil.example" })), "invalid_request_object"),
        (signing.object(&json!({ "request": "x" })), "invalid_request_object"),
        (signing.object(&json!({ "request_uri": "x" })), "invalid_request_object"),
        (signing.object(&json!({ "redirect_uri": "https://evil.example/" })), "invalid_request"),
        (signing.object(&json!({ "response_mode": "fragment" })), "invalid_request"),
        (signing.object(&json!({ "scope": "unknown" })), "invalid_scope"),
        (signing.object(&json!({ "state": "\0" })), "invalid_request"),
    ] {
        assert_refused(&signing.push(&object, &[]).await, 400, error);
    }
    let object = signing.object(&json!({}));
    assert_refused(&signing.push(&object, &[("request", &object)]).await, 400, "invalid_request");
    assert_refused(&signing.push(&object, &[("request_uri", "x")]).await, 400, "invalid_request");
}

#[tokio::test]
async fn a_request_object_of_another_client_cannot_be_pushed() {
    let signing = Signing::new().await;
    let jwks = json!({ "keys": [signing.key.jwk(&json!({ "kid": "a" }))] });
    let twin = signing.scene.server.client(signing.scene.ada.organization, |r| r.jwks = Some(jwks)).await;
    let stranger = signing.scene.other_client().await;
    let object = signing.object(&json!({}));

    for client in [twin, stranger] {
        let answer = client.post(&signing.scene.server, "/oauth/par", &[("request", &object)]).await;

        assert_refused(&answer, 400, "invalid_request_object");
    }
    assert_eq!(signing.push(&object, &[]).await.status, 201, "it was not used up");
}

#[tokio::test]
async fn a_request_object_is_pushed_once() {
    let signing = Signing::new().await;
    let object = signing.object(&json!({}));
    let form = [("request", object.as_str())];

    let answers =
        at_once((0..10).map(|_| signing.scene.client.request(&signing.scene.server, "/oauth/par", &form)))
            .await;
    let through_the_browser =
        approve(&signing.scene.browser, &signing.scene.browser.get(&signing.path(&object)).await).await;

    let (pushed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((pushed.len(), refused.len()), (1, 9));
    for answer in refused {
        assert_refused(answer, 400, "invalid_request_object");
    }
    assert_page_says(&through_the_browser, "invalid_request_object");
}

#[tokio::test]
async fn a_request_object_may_run_out_once_it_was_pushed() {
    let signing = Signing::new().await;
    let scene = &signing.scene;
    let now = scene.server.clock.now().timestamp();
    let pushed = signing.push(&signing.object(&json!({ "exp": now + 1 })), &[]).await;

    scene.server.clock.advance(TimeDelta::seconds(80));
    let consent = scene.browser.get(&scene.client.path_with(&pushed.field("request_uri"))).await;

    assert!(approve(&scene.browser, &consent).await.location_params().contains_key("code"));
}
