//! Clients that a document describes (draft-ietf-oauth-client-id-metadata-document): what the document may say, and what
//! follows from it. When it is fetched stands in `client_metadata_document_fetch`.

use chrono::TimeDelta;
use countersign::app::config::Settings;
use serde_json::Value;
use serde_json::json;

use crate::oauth::assert_refused;
use crate::oauth::assert_shown_as_page;
use crate::oauth::claims;
use crate::oauth::private_key_jwt::TYPE;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::Receiver;
use crate::support::Signer;
use crate::support::TestServer;
use crate::support::encode;
use crate::support::form_of;

/// A server that may fetch from this machine, Ada signed in, and an app that publishes its document here.
pub(super) struct World {
    pub(super) server: TestServer,
    pub(super) browser: Browser,
    pub(super) host: Receiver,
    pub(super) client: OAuthClient,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}, &json!({})).await
    }

    pub(super) async fn with(adjust: impl FnOnce(&mut Settings), changes: &Value) -> Self {
        let server = TestServer::start_with(|settings| {
            settings.outgoing_to_private = true;
            adjust(settings);
        })
        .await;
        let host = Receiver::start().await;
        let client = OAuthClient { id: host.url.clone(), secret: None };
        let browser = server.visitor().await;
        let world = Self { server, browser, host, client };
        world.publish(changes);
        world
    }

    /// The document of a public app, with `changes` made.
    pub(super) fn document(&self, changes: &Value) -> Value {
        let mut document = json!({
            "client_id": self.host.url,
            "client_name": "Harbour",
            "redirect_uris": [CALLBACK],
        });
        document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        document
    }

    pub(super) fn publish(&self, changes: &Value) {
        self.host.publish(&self.document(changes), "max-age=600");
    }

    /// By now the document is old.
    pub(super) fn let_it_age(&self) {
        self.server.clock.advance(TimeDelta::seconds(600));
    }

    pub(super) fn fetches(&self) -> usize {
        self.host.received().len()
    }

    /// What a person sees who is not signed in: a good request leads to the sign-in.
    pub(super) async fn visit(&self) -> Answer {
        self.server.get(&self.client.authorize_path(&Pkce::default(), &[])).await
    }

    pub(super) async fn tokens(&self) -> Answer {
        self.client.tokens(&self.server, &self.browser).await
    }

    /// How many clients there are in the database.
    pub(super) async fn rows(&self) -> i64 {
        sqlx::query_scalar("select count(*) from clients").fetch_one(&self.server.app.db).await.unwrap()
    }
}

/// The page says why the document will not do, and names it.
#[track_caller]
pub(super) fn assert_not_usable(answer: &Answer, says: &str) {
    assert_shown_as_page(answer, says);
    assert!(answer.text.contains(says), "{says}: {}", answer.text);
}

#[tokio::test]
async fn an_app_nobody_has_heard_of_gets_a_code_and_tokens() {
    let world = World::new().await;

    let tokens = world.tokens().await;
    let refreshed = world.client.refresh(&world.server, &tokens.field("refresh_token")).await;
    let access_token = refreshed.field("access_token");
    let used = world.server.get_as(&access_token, "/v1/auth/test").await;
    let form = [("token", access_token.as_str())];
    let revoked = world.client.post(&world.server, "/oauth/revoke", &form).await;

    assert_eq!(claims(&access_token)["client_id"], world.client.id);
    assert_eq!((used.status, revoked.status), (200, 200));
    assert_eq!(world.server.get_as(&access_token, "/v1/auth/test").await.status, 401);
    assert_eq!(world.fetches(), 1);
    let request = world.host.last();
    assert_eq!((request.header("accept"), request.headers.get("cookie")), ("application/json", None));
}

#[tokio::test]
async fn it_can_have_the_person_prove_again_who_they_are() {
    let world = World::new().await;
    world.server.clock.advance(TimeDelta::seconds(1));

    for change in [("prompt", "login"), ("max_age", "0")] {
        let asked = world.browser.get(&world.client.authorize_path(&Pkce::default(), &[change])).await;
        let page = world.browser.get(asked.location()).await;

        assert_eq!(page.status, 200, "{change:?} leads to {}", page.text);
        form_of(&page, "/login");
    }
}

#[tokio::test]
async fn nothing_is_kept_of_an_app_that_nobody_lets_in() {
    let world = World::new().await;
    let page = world.browser.get(&world.client.authorize_path(&Pkce::default(), &[])).await;
    let denied = world.browser.send(&form_of(&page, "/oauth/authorize"), &[("decision", "deny")]).await;
    assert_eq!(denied.location_params()["error"], "access_denied");
    assert_eq!(world.rows().await, 0);

    world.tokens().await;

    assert_eq!(world.rows().await, 1);
}

#[tokio::test]
async fn it_may_push_its_request_before_anybody_has_met_it() {
    let world = World::new().await;
    let pkce = Pkce::default();
    let form = world.client.authorize_form(&pkce, &[]);
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

    let pushed = world.client.post(&world.server, "/oauth/par", &form).await;
    let page = world.browser.get(&world.client.path_with(&pushed.field("request_uri"))).await;
    let granted = world.browser.send(&form_of(&page, "/oauth/authorize"), &[("decision", "approve")]).await;
    let tokens = world.client.exchange(&world.server, &granted.location_params()["code"], &pkce).await;

    assert_eq!(tokens.status, 200, "{}", tokens.text);
}

#[tokio::test]
async fn the_document_names_the_url_it_stands_at() {
    let world = World::new().await;
    let url = &world.host.url;

    for client_id in [
        Value::Null,
        json!(""),
        json!(1),
        json!([url]),
        json!(format!("{url}/")),
        json!(format!("{url}?")),
        json!(url.replace("http", "HTTP")),
        json!("https://app.example/client.json"),
    ] {
        world.publish(&json!({ "client_id": client_id }));
        assert_not_usable(&world.visit().await, "client_id is not its URL to the letter");
    }
}

#[tokio::test]
async fn a_url_is_compared_letter_by_letter() {
    let world = World::new().await;

    for (from, to) in [("/hook", "/h%6Fok"), ("/hook", "//hook"), ("/hook", "/hook?"), ("http:", "HTTP:")] {
        let other = OAuthClient { id: world.host.url.replace(from, to), secret: None };
        let answer = world.server.get(&other.authorize_path(&Pkce::default(), &[])).await;

        assert_shown_as_page(&answer, to);
    }
    assert_eq!(world.visit().await.status, 303);
}

#[tokio::test]
async fn a_document_with_a_secret_or_a_private_key_is_refused() {
    let world = World::new().await;
    let mut private = Signer::p256().jwk;
    private["d"] = json!("AA");

    for (changes, says) in [
        (json!({ "client_secret": "x" }), "client_secret"),
        (json!({ "client_secret": null }), "client_secret"),
        (json!({ "client_secret_expires_at": 0 }), "client_secret_expires_at"),
        (json!({ "token_endpoint_auth_method": "client_secret_basic" }), "shared secret"),
        (json!({ "token_endpoint_auth_method": "client_secret_post" }), "shared secret"),
        (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), "token_endpoint_auth_method"),
        (json!({ "jwks": { "keys": [private] } }), "must stay secret"),
        (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AA" }] } }), "must stay secret"),
    ] {
        world.publish(&changes);
        assert_not_usable(&world.visit().await, says);
    }
}

#[tokio::test]
async fn a_document_without_name_or_redirect_uris_is_refused() {
    let world = World::new().await;

    for (changes, says) in [
        (json!({ "client_name": null }), "client_name"),
        (json!({ "client_name": 1 }), "client_name"),
        (json!({ "redirect_uris": null }), "redirect_uris"),
        (json!({ "redirect_uris": [] }), "redirect URI"),
        (json!({ "redirect_uris": [1] }), "redirect_uris"),
    ] {
        world.publish(&changes);
        assert_not_usable(&world.visit().await, says);
    }
}

#[tokio::test]
async fn addresses_in_the_document_are_web_addresses() {
    let world = World::new().await;

    for (changes, says) in [
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "not an app"),
        (json!({ "redirect_uris": ["http://app.example/cb"] }), "must use https"),
        (json!({ "jwks_uri": "file:///etc/passwd" }), "jwks_uri"),
        (json!({ "backchannel_logout_uri": "gopher://app.example/" }), "backchannel_logout_uri"),
    ] {
        world.publish(&changes);
        assert_not_usable(&world.visit().await, says);
    }
    world.publish(&json!({ "client_uri": "javascript:alert(1)", "logo_uri": "file:///etc/passwd" }));
    let page = world.browser.get(&world.client.authorize_path(&Pkce::default(), &[])).await;
    assert!(page.status == 200 && !page.text.contains("javascript:") && !page.text.contains("file:"));
}

#[tokio::test]
async fn what_the_document_lists_beyond_what_is_offered_does_no_harm() {
    let world = World::new().await;
    world.publish(&json!({
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt_x", "client_secret_basic", "none"],
        "scope": "read admin x",
        "x": [1],
    }));

    let tokens = world.tokens().await;

    assert_eq!(tokens.field("scope"), "read write", "what was asked for");
    assert!(tokens.json.get("refresh_token").is_some());
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_in_the_document_is_shown_and_never_redirected_to() {
    let world = World::new().await;

    for uri in ["https://evil.example/cb", "https://app.example/callback/", "https://APP.example/callback"] {
        let path = world.client.authorize_path(&Pkce::default(), &[("redirect_uri", uri)]);
        assert_shown_as_page(&world.browser.get(&path).await, uri);
    }
}

#[tokio::test]
async fn the_consent_page_names_the_host_of_the_url() {
    let world = World::new().await;
    let logo = json!({ "client_name": "Bank", "logo_uri": "https://app.example/logo.png" });
    world.publish(&logo);

    let page = world.client.consent_page(&world.browser, &[]).await.text;

    for said in ["<h1>An app at 127.0.0.1 asks for access</h1>", "<strong>Bank</strong>", "Not verified."] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("logo.png"), "{page}");
}

#[tokio::test]
async fn the_consent_page_names_the_host_it_leads_to() {
    let world = World::new().await;

    let page = world.client.consent_page(&world.browser, &[]).await.text;

    assert!(page.contains("You will be sent to <strong>app.example</strong>"), "{page}");
}

#[tokio::test]
async fn an_app_on_the_own_machine_is_warned_of() {
    let uris = ["http://localhost/callback", "http://127.0.0.1/callback"];
    let world = World::with(|_| {}, &json!({ "redirect_uris": uris })).await;

    for asked in ["http://localhost:51004/callback", "http://127.0.0.1:3000/callback"] {
        let changes = [("redirect_uri", asked)];
        let page = world.client.consent_page(&world.browser, &changes).await;
        assert!(page.text.contains("Any program on this computer"), "{}", page.text);

        let granted =
            world.browser.send(&form_of(&page, "/oauth/authorize"), &[("decision", "approve")]).await;

        assert!(granted.location().starts_with(asked), "any port: {}", granted.location());
    }
}

#[tokio::test]
async fn an_app_with_keys_must_prove_itself() {
    let world = World::new().await;
    let key = Signer::p256();
    let jwks = json!({ "keys": [key.jwk(&json!({ "kid": "a" }))] });
    world.publish(&json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks }));
    let pkce = Pkce::default();
    let code = world.client.code(&world.browser, &pkce).await;
    let exchange = async |key: &Signer| {
        let now = world.server.clock.now().timestamp();
        let claims = json!({
            "iss": world.client.id, "sub": world.client.id, "aud": world.server.issuer(),
            "exp": now + 60, "jti": encode(rand::random::<[u8; 16]>()),
        });
        let assertion = key.jws(r#"{"alg": "ES256", "kid": "a"}"#, &claims.to_string());
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", pkce.verifier.as_str()),
            TYPE,
            ("client_assertion", assertion.as_str()),
        ];
        Answer::of(world.server.request("POST", "/oauth/token").form(&form)).await
    };

    assert_refused(&world.client.exchange(&world.server, &code, &pkce).await, 401, "invalid_client");
    assert_refused(&exchange(&Signer::p256()).await, 401, "invalid_client");
    let answer = exchange(&key).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn keys_are_fetched_again_when_an_unknown_one_is_used() {
    let world = World::new().await;
    let keys = Receiver::start().await;
    let (old, new) = (Signer::p256(), Signer::p256());
    let published = |key: &Signer, id: &str| json!({ "keys": [key.jwk(&json!({ "kid": id }))] });
    keys.publish(&published(&old, "old"), "max-age=3600");
    world.publish(&json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys.url }));
    let is_proved = async |key: &Signer, id: &str| {
        let now = world.server.clock.now().timestamp();
        let claims = json!({
            "iss": world.client.id, "sub": world.client.id, "aud": world.server.issuer(),
            "exp": now + 60, "jti": encode(rand::random::<[u8; 16]>()),
        });
        let header = json!({ "alg": "ES256", "kid": id }).to_string();
        let assertion = key.jws(&header, &claims.to_string());
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", "x"), TYPE, ("client_assertion", &assertion)];
        let answer = Answer::of(world.server.request("POST", "/oauth/token").form(&form)).await;
        answer.error() == "invalid_grant"
    };
    assert!(is_proved(&old, "old").await);

    keys.publish(&published(&new, "new"), "max-age=3600");
    world.server.clock.advance(TimeDelta::minutes(1));

    assert!(is_proved(&new, "new").await);
    assert!(!is_proved(&old, "old").await);
}

#[tokio::test]
async fn it_has_no_account_of_its_own() {
    let world = World::new().await;
    world.publish(&json!({ "grant_types": ["authorization_code", "client_credentials"] }));

    let form = [("grant_type", "client_credentials")];
    let answer = world.client.post(&world.server, "/oauth/token", &form).await;

    assert_refused(&answer, 400, "unauthorized_client");
    world.publish(&json!({ "grant_types": ["client_credentials"] }));
    world.let_it_age();
    assert_not_usable(&world.visit().await, "acts for people");
}

#[tokio::test]
async fn a_secret_proves_nothing_for_it() {
    let world = World::new().await;
    world.tokens().await;

    for secret in ["x", ""] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        let request = world.server.request("POST", "/oauth/token");
        // RFC 6749 §2.3.1: form-encoded before it is put together, because of the colon.
        let id: String = url::form_urlencoded::byte_serialize(world.client.id.as_bytes()).collect();
        let answer = Answer::of(request.basic_auth(id, Some(secret)).form(&form)).await;

        let expected = if secret.is_empty() { "invalid_grant" } else { "invalid_client" };
        assert_eq!(answer.error(), expected, "{}", answer.text);
    }
}

#[tokio::test]
async fn the_id_of_its_row_is_no_other_name_for_it() {
    let world = World::new().await;
    world.tokens().await;
    let id: uuid::Uuid =
        sqlx::query_scalar("select id from clients").fetch_one(&world.server.app.db).await.unwrap();
    let alias = OAuthClient { id: format!("cli_{}", id.simple()), secret: None };

    let answer = world.server.get(&alias.authorize_path(&Pkce::default(), &[])).await;

    assert_shown_as_page(&answer, &alias.id);
    assert_refused(&alias.refresh(&world.server, "x").await, 401, "invalid_client");
    let management = world.server.get_as("", &format!("/oauth/register/{}", alias.id)).await;
    assert_refused(&management, 401, "invalid_token");
}

#[tokio::test]
async fn a_changed_name_or_host_asks_for_consent_again() {
    let world = World::new().await;
    let silently = async || {
        let answer = world.browser.get(&world.client.authorize_path(&Pkce::default(), &[])).await;
        answer.status == 303
    };
    let mut document = world.document(&json!({}));
    world.tokens().await;
    assert!(silently().await);

    for (name, value) in [
        ("client_name", json!("Bank")),
        ("redirect_uris", json!([CALLBACK, "https://other.example/cb"])),
        ("jwks_uri", json!("https://app.example/jwks.json")),
    ] {
        document[name] = value;
        world.host.publish(&document, "max-age=600");
        world.let_it_age();

        assert!(!silently().await, "{name}");
        world.tokens().await;
        assert!(silently().await, "{name}");
    }
}

#[tokio::test]
async fn hosts_are_taken_as_the_operator_wants_it() {
    let list = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
    for (allowed, blocked, is_taken) in [
        (list(&["app.example"]), list(&[]), false),
        (list(&["app.example", "127.0.0.1"]), list(&[]), true),
        (list(&[]), list(&["127.0.0.1"]), false),
        (list(&["127.0.0.1"]), list(&["127.0.0.1"]), false),
    ] {
        let lists = (allowed.clone(), blocked.clone());
        let world = World::with(
            |settings| {
                settings.client_metadata_hosts_allowed = allowed;
                settings.client_metadata_hosts_blocked = blocked;
            },
            &json!({}),
        )
        .await;

        let answer = world.visit().await;

        assert_eq!((answer.status == 303, world.fetches() == 1), (is_taken, is_taken), "{lists:?}");
    }
}

#[tokio::test]
async fn where_documents_are_not_taken_no_url_is_a_client() {
    let world = World::with(|settings| settings.client_metadata_documents = false, &json!({})).await;

    let metadata = world.server.get("/.well-known/oauth-authorization-server").await.json;

    assert_eq!(metadata["client_id_metadata_document_supported"], false);
    assert_shown_as_page(&world.visit().await, "a URL");
    assert_refused(&world.client.refresh(&world.server, "x").await, 401, "invalid_client");
    assert_eq!(world.fetches(), 0);
}

#[tokio::test]
async fn a_superadmin_vouches_for_it_and_disables_it() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let root = world.server.browser_of(&world.server.superadmin().await).await;
    let page = root.get("/admin/apps").await.text;
    assert!(page.contains("Describes itself at 127.0.0.1") && page.contains(&world.client.id), "{page}");
    let row = page.split("action=\"").filter_map(|rest| rest.split('"').next());
    let row = row.into_iter().find(|action| action.starts_with("/admin/apps/cli_")).unwrap().to_owned();

    root.submit("/admin/apps", &row, &[("change", "review")]).await;

    let reviewed = world.client.consent_page(&world.browser, &[("prompt", "consent")]).await.text;
    assert!(reviewed.contains("<h1>Harbour asks for access again</h1>"), "{reviewed}");
    assert!(reviewed.contains("by 127.0.0.1") && !reviewed.contains("Not verified."), "{reviewed}");

    root.submit("/admin/apps", &row, &[("change", "disable")]).await;

    assert_shown_as_page(&world.visit().await, "disabled");
    let answer = world.client.refresh(&world.server, &tokens.field("refresh_token")).await;
    assert_refused(&answer, 401, "invalid_client");
    world.let_it_age();
    assert_shown_as_page(&world.visit().await, "still disabled");
    assert_eq!(world.fetches(), 1, "nobody is asked for what is disabled");
}

#[tokio::test]
async fn what_nobody_uses_is_removed() {
    let world = World::new().await;
    let refresh = world.tokens().await.field("refresh_token");
    world.server.clock.advance(TimeDelta::days(30));
    world.server.clean_up().await;
    assert_eq!(world.rows().await, 1);

    world.server.clock.advance(TimeDelta::seconds(1));
    world.server.clean_up().await;

    assert_eq!(world.rows().await, 0);
    assert_refused(&world.client.refresh(&world.server, &refresh).await, 400, "invalid_grant");
}
