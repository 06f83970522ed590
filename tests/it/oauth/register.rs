//! `POST /oauth/register` (RFC 7591): what apps may say, and what they are told.

use chrono::TimeDelta;
use countersign::app::config::Settings;
use countersign::base::secret::Secret;
use serde_json::Value;
use serde_json::json;

use crate::oauth::assert_refused;
use crate::oauth::assert_shown_as_page;
use crate::oauth::metadata::own_urls;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::Receiver;
use crate::support::Signer;
use crate::support::TestServer;
use crate::support::form_of;

const PATH: &str = "/oauth/register";
pub(super) const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a public app says, with `changes` made.
pub(super) fn app(changes: &Value) -> Value {
    let mut metadata = json!({
        "client_name": "Harbour",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    metadata.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    metadata
}

/// The client that an answer tells of.
pub(super) fn client(answer: &Answer) -> OAuthClient {
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    OAuthClient {
        id: answer.field("client_id"),
        secret: answer.json["client_secret"].as_str().map(str::to_owned),
    }
}

impl TestServer {
    pub(super) async fn register(&self, metadata: &Value) -> Answer {
        self.post_json(PATH, metadata).await
    }

    /// Somebody who is signed in.
    pub(super) async fn visitor(&self) -> Browser {
        let ada = self.user("ada").await;
        self.browser_of(&ada).await
    }
}

#[tokio::test]
async fn an_app_registers_itself_and_goes_through_the_whole_flow() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;

    let answer = server.register(&app(&json!({}))).await;
    let app = client(&answer);
    let tokens = app.tokens(&server, &browser).await;
    let refreshed = app.refresh(&server, &tokens.field("refresh_token")).await;

    assert_eq!((answer.status, answer.header("content-type")), (201, Some("application/json")));
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        (Some("no-store"), Some("no-cache"))
    );
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    assert_eq!(server.get_as(&refreshed.field("access_token"), "/v1/auth/test").await.status, 200);
    let elsewhere = app.authorize_path(&Pkce::default(), &[("redirect_uri", "https://app.example/other")]);
    assert_shown_as_page(&browser.get(&elsewhere).await, "a redirect URI that is not registered");
}

#[tokio::test]
async fn it_can_have_the_person_prove_again_who_they_are() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let app = client(&server.register(&app(&json!({}))).await);
    server.clock.advance(TimeDelta::seconds(1));

    for change in [("prompt", "login"), ("max_age", "0")] {
        let asked = browser.get(&app.authorize_path(&Pkce::default(), &[change])).await;
        let page = browser.get(asked.location()).await;

        assert_eq!(page.status, 200, "{change:?} leads to {}", page.text);
        form_of(&page, "/login");
    }
}

#[tokio::test]
async fn redirect_uris_are_wanted_where_there_is_redirection() {
    let server = TestServer::start().await;

    for redirect_uris in [Value::Null, json!([]), json!(CALLBACK), json!([1])] {
        let answer = server.register(&app(&json!({ "redirect_uris": redirect_uris }))).await;

        assert_refused(&answer, 400, "invalid_redirect_uri");
    }
    // Some programs name `code` for every grant type.
    for response_types in [json!([]), json!(["code"])] {
        let device =
            json!({ "redirect_uris": null, "grant_types": [DEVICE], "response_types": response_types });
        let answer = server.register(&app(&device)).await;

        assert_eq!((answer.status, &answer.json["redirect_uris"]), (201, &json!([])), "{}", answer.text);
        assert_eq!(answer.json["response_types"], json!([]));
    }
}

#[tokio::test]
async fn what_is_left_out_is_registered_as_the_default() {
    let server = TestServer::start().await;

    let answer = server.register(&json!({ "redirect_uris": [CALLBACK] })).await;

    let (id, secret) = (answer.field("client_id"), answer.field("client_secret"));
    assert_eq!(
        answer.json,
        json!({
            "client_id": id,
            "client_id_issued_at": server.clock.now().timestamp(),
            "client_secret": secret,
            "client_secret_expires_at": 0,
            "registration_client_uri": format!("{}{PATH}/{id}", server.issuer()),
            "registration_access_token": answer.field("registration_access_token"),
            "client_name": "Unnamed app",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": "read write delete",
            "token_endpoint_auth_method": "client_secret_basic",
            "require_pushed_authorization_requests": false,
            "require_signed_request_object": false,
            "dpop_bound_access_tokens": false,
            "subject_type": "public",
            "id_token_signed_response_alg": "RS256",
            "introspection_signed_response_alg": "RS256",
            "backchannel_logout_session_required": false,
        })
    );
    client(&answer).tokens(&server, &server.visitor().await).await;
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let server = TestServer::start().await;

    for changes in [
        json!({ "response_types": ["token"] }),
        json!({ "response_types": ["id_token"] }),
        json!({ "grant_types": ["implicit"], "response_types": ["token"] }),
        json!({ "grant_types": ["client_credentials"], "response_types": [] }),
        json!({ "grant_types": ["refresh_token"], "response_types": [] }),
        json!({ "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "token_endpoint_auth_method": "client_secret_jwt" }),
        json!({ "token_endpoint_auth_method": "tls_client_auth" }),
        json!({ "introspection_signed_response_alg": "none" }),
        json!({ "id_token_signed_response_alg": "none" }),
        json!({ "userinfo_signed_response_alg": "RS256" }),
        json!({ "id_token_encrypted_response_alg": "RSA-OAEP" }),
        json!({ "subject_type": "secret" }),
        json!({ "subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://other.example/cb"] }),
        json!({ "client_name": ["Harbour"] }),
        json!({ "client_name": "x".repeat(101) }),
        json!({ "client_name": "nul\u{0}" }),
        json!({ "client_name": "turned\u{202e}around" }),
        json!({ "contacts": ["nobody"] }),
        json!({ "post_logout_redirect_uris": ["javascript:alert(1)"] }),
    ] {
        let answer = server.register(&app(&changes)).await;

        assert_eq!(answer.error(), "invalid_client_metadata", "{changes}: {}", answer.text);
        assert_refused(&answer, 400, "invalid_client_metadata");
    }
}

#[tokio::test]
async fn keys_come_by_value_or_by_address_and_not_both() {
    let server = TestServer::start().await;
    let jwks = json!({ "keys": [Signer::p256().jwk] });
    let uri = "https://app.example/jwks.json";
    let by = |jwks: Value, uri: Value| {
        app(&json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks, "jwks_uri": uri }))
    };

    let by_value = server.register(&by(jwks.clone(), Value::Null)).await;
    let by_address = server.register(&by(Value::Null, json!(uri))).await;
    let both = server.register(&by(jwks.clone(), json!(uri))).await;

    assert_eq!((by_value.status, &by_value.json["jwks"]), (201, &jwks), "{}", by_value.text);
    assert_eq!((by_address.status, &by_address.json["jwks_uri"]), (201, &json!(uri)));
    assert_refused(&both, 400, "invalid_client_metadata");
    let mut private = Signer::p256().jwk;
    private["d"] = json!("AA");
    for jwks in [json!({ "keys": [private] }), json!({ "keys": 1 }), json!("keys")] {
        assert_refused(&server.register(&by(jwks, Value::Null)).await, 400, "invalid_client_metadata");
    }
}

#[tokio::test]
async fn what_it_does_not_know_is_ignored_and_not_given_back() {
    let server = TestServer::start().await;
    let plain = server.register(&app(&json!({ "client_name": "One" }))).await;

    let answer = server
        .register(&app(&json!({
            "client_name": "Two",
            "client_name#ja": "港",
            "application_type": "native",
            "resource": "https://api.example/",
            "x": { "y": [1] },
            "scope": null,
            "contacts": null,
            "logo_uri": null,
            "client_uri": "",
        })))
        .await;

    let names = |answer: &Answer| answer.json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((answer.status, names(&answer)), (201, names(&plain)), "{}", answer.text);
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let server = TestServer::start().await;
    let good = app(&json!({})).to_string();

    for body in
        ["", "{", "[]", "null", "\"x\"", "redirect_uris=x", "{\"client_name\":\"\u{0}\"}", "{\"a\":1e999}"]
    {
        let request = server.request("POST", PATH).header("content-type", "application/json");
        assert_refused(&Answer::of(request.body(body.to_owned())).await, 400, "invalid_client_metadata");
    }
    for content_type in ["application/x-www-form-urlencoded", "text/plain", "application/jsonp", ""] {
        let request = server.request("POST", PATH).header("content-type", content_type);
        assert_refused(&Answer::of(request.body(good.clone())).await, 400, "invalid_client_metadata");
    }
    let request = server.request("POST", PATH).header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(Answer::of(request.body(good)).await.status, 201);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = TestServer::start().await;
    let uri = |at: usize| format!("https://app.example/{at}");

    for (changes, status, error) in [
        (json!({ "x": "y".repeat(16 * 1024) }), 413, "invalid_request"),
        (json!({ "x": "y".repeat(1024 * 1024) }), 413, "invalid_request"),
        (json!({ "redirect_uris": (0..51).map(uri).collect::<Vec<_>>() }), 400, "invalid_redirect_uri"),
        (json!({ "redirect_uris": [uri(0) + &"x".repeat(2000)] }), 400, "invalid_redirect_uri"),
        (json!({ "contacts": vec!["a@b.example"; 11] }), 400, "invalid_client_metadata"),
    ] {
        assert_refused(&server.register(&app(&changes)).await, status, error);
    }
    let most = json!({ "redirect_uris": (0..50).map(uri).collect::<Vec<_>>() });
    assert_eq!(server.register(&app(&most)).await.status, 201);
}

#[tokio::test]
async fn only_a_client_that_needs_a_secret_gets_one() {
    let server = TestServer::start().await;
    let jwks = json!({ "keys": [Signer::p256().jwk] });

    for (method, has_secret) in [
        ("none", false),
        ("client_secret_basic", true),
        ("client_secret_post", true),
        ("private_key_jwt", false),
    ] {
        let changes = json!({ "token_endpoint_auth_method": method, "jwks": jwks });
        let answer = server.register(&app(&changes)).await;

        assert_eq!(answer.json["token_endpoint_auth_method"], method, "{}", answer.text);
        assert_eq!(answer.json.get("client_secret").is_some(), has_secret, "{method}");
        let expires_at = answer.json.get("client_secret_expires_at");
        assert_eq!(expires_at, has_secret.then_some(&json!(0)), "{method}");
    }
}

#[tokio::test]
async fn the_answer_says_what_was_registered_and_not_what_was_asked() {
    let server = TestServer::start().await;
    let asked = json!({
        "client_uri": "https://app.example/",
        "logo_uri": "data:image/png;base64,AA",
        "policy_uri": "http://app.example/privacy",
        "tos_uri": "https://app.example/terms",
        "contacts": ["ops@app.example"],
        "grant_types": [
            "authorization_code", "implicit", "refresh_token", "client_credentials", "password",
            "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "response_types": ["code", "token", "id_token token"],
        "scope": "openid email read admin contacts:read",
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "backchannel_logout_uri": "https://app.example/logout",
        "backchannel_logout_session_required": true,
        "id_token_signed_response_alg": "ES256",
        "introspection_signed_response_alg": "EdDSA",
        "subject_type": "pairwise",
        "dpop_bound_access_tokens": true,
        "require_pushed_authorization_requests": true,
    });

    let answer = server.register(&app(&asked)).await;

    let told = |name: &str| answer.json.get(name).cloned().unwrap_or_default();
    for (name, value) in [
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("response_types", json!(["code"])),
        ("scope", json!("openid email read")),
        // What cannot be linked is left out.
        ("logo_uri", Value::Null),
        ("policy_uri", Value::Null),
    ] {
        assert_eq!(told(name), value, "{name}");
    }
    for name in [
        "client_uri",
        "tos_uri",
        "contacts",
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "backchannel_logout_session_required",
        "id_token_signed_response_alg",
        "introspection_signed_response_alg",
        "subject_type",
        "dpop_bound_access_tokens",
        "require_pushed_authorization_requests",
    ] {
        assert_eq!(told(name), asked[name], "{name}");
    }
    assert!(answer.json.as_object().unwrap().values().all(|value| !value.is_null()), "{}", answer.text);
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_safe_is_refused() {
    let server = TestServer::start().await;

    for uri in [
        "javascript:alert(1)",
        "JavaScript://app.example/%0aalert(1)",
        "data:text/html,hi",
        "blob:https://app.example/x",
        "file:///etc/passwd",
        "vbscript:x",
        "about:blank",
        "view-source:https://app.example/",
        "http://app.example/cb",
        "http://localhost.evil.example/cb",
        "https://app.example/cb#x",
        "https://me@app.example/cb",
        "https://*.app.example/cb",
        "https:app.example/cb",
        "//app.example/cb",
        "/cb",
        "",
    ] {
        let answer = server.register(&app(&json!({ "redirect_uris": [CALLBACK, uri] }))).await;

        assert_eq!(answer.error(), "invalid_redirect_uri", "{uri}: {}", answer.text);
        assert_refused(&answer, 400, "invalid_redirect_uri");
    }
}

#[tokio::test]
async fn what_apps_in_use_send_is_taken() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;

    for (uris, asked) in [
        (vec!["https://claude.ai/api/mcp/auth_callback"], "https://claude.ai/api/mcp/auth_callback"),
        (vec!["http://127.0.0.1:33418/", "https://vscode.dev/redirect"], "http://127.0.0.1:51004/"),
        (vec!["http://localhost:6274/oauth/callback"], "http://localhost:6275/oauth/callback"),
        (
            vec!["cursor://anysphere.cursor-mcp/oauth/callback"],
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ),
        (vec!["com.example.app:/cb"], "com.example.app:/cb"),
    ] {
        let changes = json!({ "redirect_uris": uris, "application_type": "web", "scope": "read write" });
        let app = client(&server.register(&app(&changes)).await);

        let answer = app.ask(&browser, &Pkce::default(), &[("redirect_uri", asked)]).await;

        assert!(answer.location().starts_with(asked), "{asked}: {}", answer.location());
        assert!(answer.location_params().contains_key("code"), "{asked}: {}", answer.location());
    }
}

#[tokio::test]
async fn more_may_be_asked_for_than_was_registered_but_not_admin() {
    let server = TestServer::start_with(|settings| {
        settings.scopes.insert("contacts:read".to_owned(), "See your contacts".to_owned());
    })
    .await;
    let browser = server.visitor().await;
    let app = client(&server.register(&app(&json!({ "scope": "read" }))).await);
    let scopes = async |scope: &str| {
        let pkce = Pkce::default();
        let params = app.ask(&browser, &pkce, &[("scope", scope)]).await.location_params();
        match params.get("code") {
            Some(code) => app.exchange(&server, code, &pkce).await.field("scope"),
            None => params["error"].clone(),
        }
    };

    assert_eq!(scopes("").await, "read", "what was registered is what it gets when it asks for nothing");
    assert_eq!(scopes("openid read write contacts:read").await, "openid read write contacts:read");
    assert_eq!(scopes("read admin").await, "invalid_scope");
}

#[tokio::test]
async fn a_software_statement_is_refused() {
    let server = TestServer::start().await;

    let answer = server.register(&app(&json!({ "software_statement": "a.b.c" }))).await;

    assert_refused(&answer, 400, "unapproved_software_statement");
}

#[tokio::test]
async fn a_sector_has_to_list_every_redirect_uri() {
    let server = TestServer::start_with(|settings| settings.outgoing_to_private = true).await;
    let sector = Receiver::start().await;
    let uris = json!([CALLBACK, "https://other.example/cb"]);
    // The address of the test's server is no https URL, which a sector needs: it is refused before it is asked.
    let changes =
        json!({ "subject_type": "pairwise", "redirect_uris": uris, "sector_identifier_uri": sector.url });
    assert_refused(&server.register(&app(&changes)).await, 400, "invalid_client_metadata");

    let unreachable = json!({ "sector_identifier_uri": "https://127.0.0.1:1/sector.json" });
    let answer = server.register(&app(&unreachable)).await;

    assert_refused(&answer, 400, "invalid_client_metadata");
    assert!(answer.text.contains("sector_identifier_uri"), "{}", answer.text);
    assert_eq!(sector.received().len(), 0);
}

#[tokio::test]
async fn a_client_cannot_choose_its_identifier() {
    let server = TestServer::start().await;
    let first = server.register(&app(&json!({ "token_endpoint_auth_method": "client_secret_post" }))).await;

    let chosen = json!({
        "client_id": first.field("client_id"),
        "client_secret": "mine",
        "registration_access_token": "mine",
        "token_endpoint_auth_method": "client_secret_post",
    });
    let second = server.register(&app(&chosen)).await;

    assert_eq!(second.status, 201, "{}", second.text);
    for name in ["client_id", "client_secret", "registration_access_token"] {
        assert_ne!(second.field(name), first.field(name), "{name}");
        assert_ne!(second.field(name), "mine", "{name}");
    }
}

#[tokio::test]
async fn where_clients_register_is_announced_only_if_they_may() {
    let endpoint = async |adjust: fn(&mut Settings)| {
        let server = TestServer::start_with(adjust).await;
        let metadata = server.get("/.well-known/oauth-authorization-server").await.json;
        let urls = own_urls(&metadata, server.issuer());
        assert_eq!(
            metadata.get("registration_endpoint").is_some(),
            urls.iter().any(|url| url.ends_with(PATH))
        );
        (urls.iter().any(|url| url.ends_with(PATH)), server.register(&app(&json!({}))).await.status)
    };

    let with_token = |settings: &mut Settings| {
        settings.client_registration = "token".to_owned();
        settings.initial_access_token = Some(Secret::new("an initial access token of the tests"));
    };
    assert_eq!(endpoint(|_| {}).await, (true, 201));
    assert_eq!(endpoint(with_token).await, (true, 401));
    assert_eq!(endpoint(|settings| settings.client_registration = "off".to_owned()).await, (false, 400));
}

#[tokio::test]
async fn a_closed_registration_wants_an_initial_access_token() {
    let token = "an initial access token of the tests";
    let server = TestServer::start_with(|settings| {
        settings.client_registration = "token".to_owned();
        settings.initial_access_token = Some(Secret::new(token));
    })
    .await;
    let register = async |authorization: &str| {
        let request = server.request("POST", PATH).header("authorization", authorization);
        Answer::of(request.json(&app(&json!({})))).await
    };

    for wrong in ["", "Bearer", "Bearer ", "Bearer x", &format!("Basic {token}"), &format!("Bearer {token}x")]
    {
        let answer = register(wrong).await;
        assert_refused(&answer, 401, "invalid_token");
        let expected = format!("Bearer realm=\"{}\", error=\"invalid_token\"", server.issuer());
        assert_eq!(answer.header("www-authenticate"), Some(expected.as_str()), "{wrong}");
    }
    assert_eq!(register(&format!("bearer {token}")).await.status, 201);
}

#[tokio::test]
async fn scripts_of_any_origin_may_register() {
    let server = TestServer::start().await;

    for (method, path) in [("POST", PATH), ("GET", "/oauth/register/x"), ("PUT", "/oauth/register/x")] {
        let request = server
            .request("OPTIONS", path)
            .header("origin", "https://spa.example")
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization,content-type,mcp-protocol-version");
        let answer = Answer::of(request).await;

        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert!(answer.header("access-control-allow-methods").unwrap().contains(method), "{method}");
    }
    let request = server.request("POST", PATH).header("origin", "https://spa.example");
    let answer = Answer::of(request.json(&app(&json!({})))).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (201, Some("*")));
}

#[tokio::test]
async fn only_posting_registers() {
    let server = TestServer::start().await;

    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let answer = Answer::of(server.request(method, PATH)).await;

        assert_refused(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
}
