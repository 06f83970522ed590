//! `request` at `/oauth/authorize`: parameters that the client signed (RFC 9101).

use aws_lc_rs::hmac;
use aws_lc_rs::signature;
use chrono::TimeDelta;
use countersign::clients::registration::Registration;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_shown_as_page;
use crate::oauth::at_once;
use crate::oauth::par::approve;
use crate::oauth::par::assert_page_says;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;
use crate::support::Receiver;
use crate::support::Signer;
use crate::support::encode;
use crate::support::form_of;

const OTHER_CALLBACK: &str = "https://app.example/other";

/// A scene whose client signs its requests.
pub(super) struct Signing {
    pub scene: Scene,
    pub key: Signer,
    pub pkce: Pkce,
}

impl Signing {
    pub async fn new() -> Self {
        Self::with_client(|_| {}).await
    }

    pub async fn with_client(adjust: impl FnOnce(&mut Registration)) -> Self {
        Self::with_key(Signer::p256(), &json!({ "kid": "a" }), adjust).await
    }

    /// `said` is what the client publishes of the key besides itself.
    async fn with_key(key: Signer, said: &Value, adjust: impl FnOnce(&mut Registration)) -> Self {
        let jwks = json!({ "keys": [key.jwk(said)] });
        let scene = Scene::with_client(|registration| {
            registration.jwks = Some(jwks);
            registration.redirect_uris.push(OTHER_CALLBACK.to_owned());
            adjust(registration);
        })
        .await;
        Self { scene, key, pkce: Pkce::default() }
    }

    /// What a good object says, with `changes` made; `null` leaves a claim out.
    pub fn claims(&self, changes: &Value) -> String {
        let now = self.scene.server.clock.now().timestamp();
        let form = self.scene.client.authorize_form(&self.pkce, &[]);
        let mut claims = serde_json::Map::new();
        claims.extend(form.into_iter().map(|(name, value)| (name, json!(value))));
        claims.extend(
            json!({
                "client_id": self.scene.client.id,
                "iss": self.scene.client.id,
                "aud": self.scene.server.issuer(),
                "nbf": now,
                "exp": now + 60,
                "jti": encode(rand::random::<[u8; 16]>()),
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        json!(claims).to_string()
    }

    pub fn object(&self, changes: &Value) -> String {
        self.key.jws(r#"{"alg":"ES256","kid":"a","typ":"oauth-authz-req+jwt"}"#, &self.claims(changes))
    }

    pub fn path(&self, object: &str) -> String {
        format!("/oauth/authorize?client_id={}&request={object}", self.scene.client.id)
    }

    /// What Ada sees of a good object with `changes` made.
    async fn see(&self, changes: &Value) -> Answer {
        self.scene.browser.get(&self.path(&self.object(changes))).await
    }

    async fn see_signed_as(&self, header: &str) -> Answer {
        let object = self.key.jws(header, &self.claims(&json!({})));
        self.scene.browser.get(&self.path(&object)).await
    }
}

/// Told to the client, as a proven object wants it.
#[track_caller]
fn assert_sent_back(answer: &Answer, error: &str) {
    let params = answer.location_params();
    assert!(answer.location().starts_with(&format!("{CALLBACK}?")), "{}", answer.location());
    assert_eq!(params["error"], error, "{}", answer.location());
    assert_eq!(params["state"], "state-1");
    let description = &params["error_description"];
    let is_allowed = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(description.bytes().all(is_allowed), "{description:?}");
}

#[track_caller]
fn assert_consent_page(answer: &Answer, context: &str) {
    assert_eq!(answer.status, 200, "{context}: {:?} {}", answer.headers, answer.text);
    form_of(answer, "/oauth/authorize");
}

#[tokio::test]
async fn a_signed_request_object_leads_to_a_code() {
    for (algorithm, key) in [
        ("ES256", Signer::p256()),
        ("ES384", Signer::ec("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("EdDSA", Signer::ed25519()),
        ("PS256", Signer::rsa(&signature::RSA_PSS_SHA256)),
        ("RS256", Signer::rsa(&signature::RSA_PKCS1_SHA256)),
    ] {
        let signing = Signing::with_key(key, &json!({}), |_| {}).await;
        let claims = signing.claims(&json!({ "scope": "write" }));
        let path = signing.path(&signing.key.jws(&json!({ "alg": algorithm }).to_string(), &claims));
        let (scene, stranger) = (&signing.scene, signing.scene.server.browser());

        let asked = stranger.get(&path).await;
        let consent = scene.go_through_sign_in(&stranger, &asked).await;
        let answer = approve(&stranger, &consent).await;

        let mut params = answer.location_params();
        assert!(answer.location().starts_with(&format!("{CALLBACK}?code=")), "{}", answer.location());
        let tokens = scene.exchange(&params.remove("code").unwrap(), &signing.pkce).await;
        assert_eq!(json!(params), json!({ "state": "state-1", "iss": scene.server.issuer() }));
        assert_eq!(tokens.json["scope"], "write", "{}", tokens.text);
    }
}

#[tokio::test]
async fn it_holds_no_other_request_object() {
    let signing = Signing::new().await;
    let inner = signing.object(&json!({}));

    for changes in [
        json!({ "request": inner }),
        json!({ "request": "" }),
        json!({ "request_uri": "urn:ietf:params:oauth:request_uri:x" }),
        json!({ "request_uri": ["https://app.example/request.jwt"] }),
    ] {
        assert_sent_back(&signing.see(&changes).await, "invalid_request_object");
    }
}

#[tokio::test]
async fn an_unsigned_one_is_refused() {
    let signing = Signing::new().await;
    let claims = encode(signing.claims(&json!({})));

    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"none","kid":"a"}"#,
        r#"{"typ":"oauth-authz-req+jwt"}"#,
        r#"{"alg":"ES256","kid":"a"}"#,
    ] {
        let object = format!("{}.{claims}.", encode(header));

        assert_page_says(&signing.scene.browser.get(&signing.path(&object)).await, "invalid_request_object");
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let signing = Signing::new().await;
    let jwk = signing.key.jwk(&json!({ "kid": "a" })).to_string();
    let signed = format!("{}.{}", encode(r#"{"alg":"HS256","kid":"a"}"#), encode(signing.claims(&json!({}))));

    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, jwk.as_bytes()), signed.as_bytes());
    let answer = signing.scene.browser.get(&signing.path(&format!("{signed}.{}", encode(mac)))).await;

    assert_page_says(&answer, "invalid_request_object");
}

#[tokio::test]
async fn it_is_signed_with_what_the_client_registered() {
    let key = Signer::rsa(&signature::RSA_PKCS1_SHA256);
    let signing = Signing::with_key(key, &json!({ "alg": "PS256" }), |_| {}).await;

    assert_page_says(&signing.see_signed_as(r#"{"alg":"RS256"}"#).await, "invalid_request_object");
    assert_page_says(&signing.see_signed_as(r#"{"alg":"PS256"}"#).await, "invalid_request_object");
}

#[tokio::test]
async fn a_signature_that_does_not_hold_is_an_invalid_request_object() {
    let signing = Signing::new().await;
    let object = signing.object(&json!({}));
    let (signed, signature) = object.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let other_claims = encode(signing.claims(&json!({ "scope": "read write delete" })));
    let by_another = Signer::p256().jws(r#"{"alg":"ES256","kid":"a"}"#, &signing.claims(&json!({})));

    for bad in [
        format!("{header}.{other_claims}.{signature}"),
        format!("{header}.{claims}.{}", encode([0; 64])),
        format!("{header}.{claims}.{signature}A"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{}.{signature}", encode("[]")),
        format!("{header}.{}.{signature}", encode(r#"{"client_id":"a","client_id":"b"}"#)),
        by_another,
        signing.key.jws(r#"{"alg":"ES256","kid":"b"}"#, &signing.claims(&json!({}))),
        signing.key.jws(r#"{"alg":"ES256","kid":"a","crit":["exp"]}"#, &signing.claims(&json!({}))),
        signing.key.jws(r#"{"alg":"ES256","kid":"a"}"#, "no JSON"),
        "x".to_owned(),
        "..".to_owned(),
        "%00".to_owned() + &object,
        "a".repeat(7_000),
    ] {
        let answer = signing.scene.browser.get(&signing.path(&bad)).await;

        assert_shown_as_page(&answer, &bad);
        assert_eq!(answer.status, 400, "{bad}");
        let is_text = !bad.starts_with("%00");
        assert_eq!(answer.text.contains("/errors/invalid_request_object"), is_text, "{bad}: {}", answer.text);
    }
    assert_consent_page(&signing.scene.browser.get(&signing.path(&object)).await, "as it was signed");
}

#[tokio::test]
async fn claims_of_the_wrong_kind_are_refused() {
    let signing = Signing::new().await;

    for changes in [
        json!({ "client_id": 1 }),
        json!({ "iss": [signing.scene.client.id] }),
        json!({ "aud": 1 }),
        json!({ "exp": "tomorrow" }),
        json!({ "nbf": {} }),
        json!({ "jti": 1 }),
    ] {
        assert_page_says(&signing.see(&changes).await, "invalid_request_object");
    }
    for changes in [json!({ "state": "\0" }), json!({ "nonce": "\u{fffd}" }), json!({ "a\0": "b" })] {
        assert_page_says(&signing.see(&changes).await, "invalid_request");
    }
}

#[tokio::test]
async fn another_kind_of_jwt_is_no_request_object() {
    let signing = Signing::new().await;
    let header = |typ: &str| json!({ "alg": "ES256", "kid": "a", "typ": typ }).to_string();

    for typ in ["at+jwt", "dpop+jwt", "client-authentication+jwt", "JOSE", "application/at+jwt", ""] {
        assert_page_says(&signing.see_signed_as(&header(typ)).await, "invalid_request_object");
    }
    for typ in ["oauth-authz-req+jwt", "application/oauth-authz-req+jwt", "OAuth-Authz-Req+JWT", "JWT", "jwt"]
    {
        assert_consent_page(&signing.see_signed_as(&header(typ)).await, typ);
    }
    assert_consent_page(&signing.see_signed_as(r#"{"alg":"ES256","kid":"a"}"#).await, "no typ");
    let assertion =
        signing.scene.assertion(&signing.key, &json!({ "redirect_uri": CALLBACK, "state": "state-1" }));
    let answer = signing.scene.browser.get(&signing.path(&assertion)).await;
    assert_sent_back(&answer, "invalid_request_object");
}

#[tokio::test]
async fn it_is_from_the_client_and_for_this_server() {
    let signing = Signing::new().await;
    let other = signing.scene.other_client().await.id;
    let issuer = signing.scene.server.issuer();

    for bad in [
        json!({ "iss": other }),
        json!({ "iss": issuer }),
        json!({ "aud": "https://evil.example" }),
        json!({ "aud": ["https://evil.example"] }),
        json!({ "aud": [] }),
        json!({ "aud": signing.scene.client.id }),
        json!({ "aud": format!("{issuer}/") }),
    ] {
        assert_sent_back(&signing.see(&bad).await, "invalid_request_object");
    }
    for good in [
        json!({ "aud": [issuer] }),
        json!({ "aud": ["https://other.example", issuer] }),
        json!({ "iss": null, "aud": null, "exp": null, "nbf": null, "jti": null }),
    ] {
        assert_consent_page(&signing.see(&good).await, &good.to_string());
    }
}

#[tokio::test]
async fn it_cannot_come_by_value_and_by_reference_at_once() {
    let signing = Signing::new().await;
    let object = signing.object(&json!({}));
    let request_uri = signing.scene.push(&signing.pkce, &[]).await.field("request_uri");

    let path = format!("{}&request={object}", signing.scene.client.path_with(&request_uri));
    let both = signing.scene.browser.get(&path).await;
    let twice = signing.scene.browser.get(&format!("{}&request={object}", signing.path(&object))).await;

    assert_page_says(&both, "invalid_request");
    assert_page_says(&twice, "invalid_request");
}

#[tokio::test]
async fn the_client_beside_it_is_the_client_in_it() {
    let signing = Signing::new().await;
    let jwks = json!({ "keys": [signing.key.jwk(&json!({ "kid": "a" }))] });
    let twin = signing.scene.server.client(signing.scene.ada.organization, |r| r.jwks = Some(jwks)).await;
    let object = signing.object(&json!({}));

    let missing = signing.see(&json!({ "client_id": null })).await;
    let another = signing.see(&json!({ "client_id": twin.id })).await;
    let beside_another =
        signing.scene.browser.get(&format!("/oauth/authorize?client_id={}&request={object}", twin.id)).await;
    let beside_none = signing.scene.browser.get(&format!("/oauth/authorize?request={object}")).await;

    for answer in [missing, another, beside_another] {
        assert_sent_back(&answer, "invalid_request_object");
    }
    assert_page_says(&beside_none, "invalid_request");
}

#[tokio::test]
async fn what_it_says_counts_and_not_what_stands_beside_it() {
    let signing = Signing::new().await;
    let beside = "redirect_uri=https%3A%2F%2Fevil.example%2F&scope=read+write+delete&state=evil&prompt=none&\
                  response_type=token&response_mode=fragment&code_challenge=x&nonce=n&state=twice";
    let see = async |changes: Value| {
        let path = format!("{}&{beside}", signing.path(&signing.object(&changes)));
        signing.scene.browser.get(&path).await
    };

    let consent = see(json!({ "scope": "read" })).await;
    let answer = approve(&signing.scene.browser, &consent).await;
    let without_state =
        approve(&signing.scene.browser, &see(json!({ "state": null, "prompt": "consent" })).await).await;
    let without_response_type = see(json!({ "response_type": null })).await;
    let without_challenge = see(json!({ "code_challenge": null })).await;
    let without_redirect_uri = see(json!({ "redirect_uri": null })).await;

    let params = answer.location_params();
    assert_eq!(params["state"], "state-1");
    let tokens = signing.scene.exchange(&params["code"], &signing.pkce).await;
    assert_eq!(tokens.json["scope"], "read", "{}", tokens.text);
    assert_eq!(without_state.location_params().get("state"), None);
    assert_sent_back(&without_response_type, "invalid_request");
    assert_sent_back(&without_challenge, "invalid_request");
    assert_page_says(&without_redirect_uri, "invalid_request");
}

#[tokio::test]
async fn its_parameters_are_judged_like_any_others() {
    let signing = Signing::new().await;

    for (changes, error) in [
        (json!({ "response_type": "token" }), "unsupported_response_type"),
        (json!({ "scope": "unknown" }), "invalid_scope"),
        (json!({ "scope": ["read", "write"] }), "invalid_request"),
        (json!({ "code_challenge_method": "plain" }), "invalid_request"),
        (json!({ "prompt": "none login" }), "invalid_request"),
        (json!({ "max_age": "soon" }), "invalid_request"),
        (json!({ "max_age": -1 }), "invalid_request"),
        (json!({ "max_age": 1.5 }), "invalid_request"),
        (json!({ "resource": "https://unknown.example" }), "invalid_target"),
        (json!({ "resource": [signing.scene.server.issuer(), "https://unknown.example"] }), "invalid_target"),
    ] {
        assert_sent_back(&signing.see(&changes).await, error);
    }
    for changes in [
        json!({ "redirect_uri": "https://evil.example/" }),
        json!({ "redirect_uri": [CALLBACK, OTHER_CALLBACK] }),
        json!({ "redirect_uri": { "0": CALLBACK } }),
        json!({ "response_mode": "fragment" }),
    ] {
        assert_page_says(&signing.see(&changes).await, "invalid_request");
    }
}

#[tokio::test]
async fn numbers_and_lists_are_read() {
    let signing = Signing::new().await;
    signing.scene.server.clock.advance(TimeDelta::seconds(2));
    let issuer = signing.scene.server.issuer();

    let stale = signing.see(&json!({ "max_age": 1 })).await;
    let fresh = signing.see(&json!({ "max_age": 2, "resource": [issuer], "unknown": [{ "a": 1 }] })).await;

    assert!(stale.location().starts_with("/login?"), "{}", stale.location());
    assert_consent_page(&fresh, "resource");
    assert!(fresh.text.contains(&format!("<code>{issuer}</code>")), "{}", fresh.text);
}

#[tokio::test]
async fn an_error_goes_to_the_redirect_uri_only_of_a_proven_object() {
    let signing = Signing::new().await;
    let past = signing.scene.server.clock.now().timestamp() - 60;
    let beside = "redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&state=state-1&response_type=code";
    let by_another = Signer::p256().jws(r#"{"alg":"ES256","kid":"a"}"#, &signing.claims(&json!({})));
    let see =
        async |object: &str| signing.scene.browser.get(&format!("{}&{beside}", signing.path(object))).await;

    let unproven = see(&by_another).await;
    let expired =
        see(&signing.object(&json!({ "exp": past, "redirect_uri": OTHER_CALLBACK, "state": "b" }))).await;
    let expired_elsewhere =
        see(&signing.object(&json!({ "exp": past, "redirect_uri": "https://evil.example/" }))).await;

    assert_page_says(&unproven, "invalid_request_object");
    assert!(expired.location().starts_with(OTHER_CALLBACK), "{}", expired.location());
    let params = expired.location_params();
    assert_eq!((params["error"].as_str(), params["state"].as_str()), ("invalid_request_object", "b"));
    assert_shown_as_page(&expired_elsewhere, "not registered");
}

#[tokio::test]
async fn it_has_its_time() {
    let signing = Signing::new().await;
    let now = signing.scene.server.clock.now().timestamp();

    for good in [
        json!({ "exp": now - 29 }),
        json!({ "nbf": now + 30 }),
        json!({ "exp": now + 86400, "iat": now + 60 }),
    ] {
        assert_consent_page(&signing.see(&good).await, &good.to_string());
    }
    for bad in [
        json!({ "exp": now - 30 }),
        json!({ "exp": 0 }),
        json!({ "nbf": now + 31 }),
        json!({ "nbf": i64::MAX }),
    ] {
        assert_sent_back(&signing.see(&bad).await, "invalid_request_object");
    }
}

#[tokio::test]
async fn one_that_was_begun_in_time_may_be_answered_later() {
    let signing = Signing::new().await;
    let (browser, clock) = (&signing.scene.browser, &signing.scene.server.clock);
    let (begun, late) =
        (signing.path(&signing.object(&json!({}))), signing.path(&signing.object(&json!({}))));
    assert_consent_page(&browser.get(&begun).await, "in time");

    clock.advance(TimeDelta::minutes(29));
    let consent = browser.get(&begun).await;
    assert_sent_back(&browser.get(&late).await, "invalid_request_object");
    let answer = approve(browser, &consent).await;

    assert!(answer.location_params().contains_key("code"), "{}", answer.location());
    assert_sent_back(&browser.get(&begun).await, "invalid_request_object");
}

#[tokio::test]
async fn one_that_was_begun_ends_too() {
    let signing = Signing::new().await;
    let path = signing.path(&signing.object(&json!({})));
    let consent = signing.scene.browser.get(&path).await;

    signing.scene.server.clock.advance(TimeDelta::minutes(30));
    let answer = approve(&signing.scene.browser, &consent).await;

    assert_sent_back(&answer, "invalid_request_object");
}

#[tokio::test]
async fn it_leads_to_one_answer() {
    let signing = Signing::new().await;
    let browser = &signing.scene.browser;
    let claims = json!({ "jti": "a", "prompt": "consent" });
    // An ECDSA signature is another one each time.
    let (first, second) = (signing.path(&signing.object(&claims)), signing.path(&signing.object(&claims)));
    assert_ne!(first, second);
    let form = form_of(&browser.get(&first).await, "/oauth/authorize");
    let fields = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<_> = fields.chain([("decision", "approve")]).collect();

    let answers = at_once((0..10).map(|_| browser.request("POST", &form.action).form(&fields))).await;
    let again = approve(browser, &browser.get(&first).await).await;
    let signed_again = approve(browser, &browser.get(&second).await).await;

    let (granted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 303);
    assert_eq!((granted.len(), refused.len()), (1, 9));
    for answer in refused.iter().chain([&again, &signed_again]) {
        assert_page_says(answer, "invalid_request_object");
    }
    assert_eq!(signing.scene.live_grants().await, 1);
}

#[tokio::test]
async fn a_refusal_is_an_answer_too() {
    let signing = Signing::new().await;
    let (browser, path) = (&signing.scene.browser, signing.path(&signing.object(&json!({}))));
    let consent = browser.get(&path).await;

    let denied = browser.send(&form_of(&consent, "/oauth/authorize"), &[("decision", "deny")]).await;

    assert_sent_back(&denied, "access_denied");
    assert_page_says(&approve(browser, &browser.get(&path).await).await, "invalid_request_object");
}

#[tokio::test]
async fn one_without_an_id_may_come_again() {
    let signing = Signing::new().await;

    for changes in [json!({ "jti": null }), json!({ "exp": null }), json!({ "jti": null, "exp": null })] {
        let path = signing.path(&signing.object(&changes));
        for _ in 0..2 {
            let page = signing.scene.browser.get(&path).await;
            let answer = if page.status == 200 { approve(&signing.scene.browser, &page).await } else { page };
            assert!(answer.location_params().contains_key("code"), "{changes}: {}", answer.location());
        }
    }
}

#[tokio::test]
async fn a_new_sign_in_is_asked_for_once() {
    let signing = Signing::new().await;
    signing.scene.server.clock.advance(TimeDelta::seconds(1));
    let browser = &signing.scene.browser;

    let asked = signing.see(&json!({ "prompt": "login", "login_hint": "grace@example.com" })).await;
    let login = browser.get(asked.location()).await;
    let consent = signing.scene.go_through_sign_in(browser, &asked).await;

    let form = form_of(&login, "/login");
    assert!(form.fields.contains(&("email".to_owned(), "grace@example.com".to_owned())), "{form:?}");
    assert_consent_page(&consent, "after the sign-in");
}

#[tokio::test]
async fn a_request_uri_of_another_server_is_not_supported() {
    let receiver = Receiver::start().await;
    let scene = Scene::with(|settings| settings.outgoing_to_private = true, |_| {}).await;

    for request_uri in [
        receiver.url.as_str(),
        "https://app.example/request.jwt",
        "urn:ietf:params:oauth:request_uri",
        "urn:example:x",
        "URN:ietf:params:oauth:request_uri:x",
        "file:///etc/passwd",
        "x",
    ] {
        let path = format!("{}&redirect_uri={CALLBACK}", scene.client.path_with(request_uri));

        assert_page_says(&scene.browser.get(&path).await, "request_uri_not_supported");
    }
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_client_that_must_sign_can_do_nothing_else() {
    let signing =
        Signing::with_client(|registration| registration.require_signed_request_object = true).await;
    let scene = &signing.scene;

    let plain = scene.browser.get(&scene.client.authorize_path(&signing.pkce, &[])).await;
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(signing.claims(&json!({}))));
    let unsigned = scene.browser.get(&signing.path(&unsigned)).await;
    let signed = signing.see(&json!({})).await;

    assert_sent_back(&plain, "invalid_request");
    assert_page_says(&unsigned, "invalid_request_object");
    assert_consent_page(&signed, "signed");
}

#[tokio::test]
async fn a_client_that_must_push_cannot_send_an_object_through_the_browser() {
    let signing =
        Signing::with_client(|registration| registration.require_pushed_authorization_requests = true).await;

    assert_sent_back(&signing.see(&json!({})).await, "invalid_request");
}

#[tokio::test]
async fn a_client_without_keys_cannot_sign() {
    let signing = Signing::with_client(|registration| registration.jwks = None).await;

    assert_page_says(&signing.see(&json!({})).await, "invalid_request_object");
}

#[tokio::test]
async fn keys_that_the_client_publishes_are_fetched() {
    let (key, publisher) = (Signer::p256(), Receiver::start().await);
    publisher.answer(500, b"");
    let uri = publisher.url.clone();
    let scene = Scene::with(
        |settings| settings.outgoing_to_private = true,
        |registration| registration.jwks_uri = Some(uri),
    )
    .await;
    let signing = Signing { scene, key, pkce: Pkce::default() };

    let before = signing.see(&json!({})).await;
    publisher.publish(&json!({ "keys": [signing.key.jwk(&json!({ "kid": "a" }))] }), "max-age=600");
    signing.scene.server.clock.advance(TimeDelta::minutes(1));
    let afterwards = signing.see(&json!({})).await;

    assert_page_says(&before, "invalid_request_object");
    assert_consent_page(&afterwards, "published");
    assert_eq!(publisher.received().len(), 2);
}
