//! What becomes of apps that registered themselves (RFC 7591): how many there may be, what people see of them, and when
//! they are gone.

use chrono::TimeDelta;
use countersign::audit::log;
use countersign::audit::log::Filter;
use serde_json::Value;
use serde_json::json;

use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::oauth::claims;
use crate::oauth::register::app;
use crate::oauth::register::client;
use crate::support::Answer;
use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::TestServer;
use crate::support::form_of;

impl OAuthClient {
    /// The consent page, with `changes` to the request.
    pub(super) async fn consent_page(&self, browser: &Browser, changes: &[(&str, &str)]) -> Answer {
        let page = browser.get(&self.authorize_path(&Pkce::default(), changes)).await;
        assert_eq!(page.status, 200, "{:?}", page.headers);
        page
    }
}

impl TestServer {
    /// Of the server as a whole, the newest first.
    async fn audit_actions(&self) -> Vec<String> {
        let mut db = self.app.db.acquire().await.unwrap();
        let entries = log::list(&mut db, None, &Filter::default(), (None, 100)).await.unwrap();
        entries.into_iter().map(|entry| entry.action).filter(|action| action.starts_with("client.")).collect()
    }

    async fn register_from(&self, address: &str, metadata: &Value) -> Answer {
        let request = self.request("POST", "/oauth/register").header("x-forwarded-for", address);
        Answer::of(request.json(metadata)).await
    }
}

#[tokio::test]
async fn one_address_cannot_register_without_end() {
    let server = TestServer::start_with(|settings| {
        settings.client_registrations_per_hour = 8;
        settings.trusted_proxies = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    })
    .await;
    let register = async |address: &str| server.register_from(address, &app(&json!({}))).await;

    assert_eq!(register("2001:db8::1").await.status, 201);
    // What is refused counts, too.
    assert_eq!(server.register_from("2001:db8::2", &json!({})).await.status, 400);
    let refused = register("2001:db8::3").await;

    assert_refused(&refused, 429, "rate_limit_exceeded");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(register("2001:db8:0:1::1").await.status, 201, "another subscriber");
    server.clock.advance(TimeDelta::seconds(60));
    assert_eq!(register("2001:db8::1").await.status, 201);
}

#[tokio::test]
async fn every_registration_is_a_client_of_its_own() {
    let server = TestServer::start().await;
    let confidential = app(&json!({ "token_endpoint_auth_method": "client_secret_basic" }));

    let mut ids = Vec::new();
    for metadata in [&confidential, &confidential, &app(&json!({})), &app(&json!({ "client_name": "Other" }))]
    {
        ids.push(server.register(metadata).await.field("client_id"));
    }

    let mut different = ids.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 4, "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("cli_")), "never a URL: {ids:?}");
}

#[tokio::test]
async fn public_apps_that_say_the_same_are_one_client_that_nobody_can_change() {
    let server = TestServer::start().await;
    let first = server.register(&app(&json!({}))).await;
    let uri = first.field("registration_client_uri").replace(server.issuer(), "");
    assert_eq!(server.get_as(&first.field("registration_access_token"), &uri).await.status, 200);

    let second = server.register(&app(&json!({ "application_type": "native" }))).await;

    assert_eq!((second.status, second.field("client_id")), (201, first.field("client_id")));
    for name in ["registration_client_uri", "registration_access_token", "client_secret"] {
        assert_eq!(second.json.get(name), None, "{name}");
    }
    let answer = server.get_as(&first.field("registration_access_token"), &uri).await;
    assert_refused(&answer, 401, "invalid_token");
    let browser = server.visitor().await;
    client(&first).tokens(&server, &browser).await;
    assert_eq!(server.register(&app(&json!({}))).await.field("client_id"), first.field("client_id"));
}

#[tokio::test]
async fn what_somebody_has_let_in_is_not_shared_afterwards() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let first = server.register(&app(&json!({}))).await;
    client(&first).tokens(&server, &browser).await;

    let second = server.register(&app(&json!({}))).await;

    assert_ne!(second.field("client_id"), first.field("client_id"));
    let uri = first.field("registration_client_uri").replace(server.issuer(), "");
    assert_eq!(server.get_as(&first.field("registration_access_token"), &uri).await.status, 200);
}

#[tokio::test]
async fn those_who_register_at_once_are_told_apart_or_are_one() {
    let server = TestServer::start().await;
    let register = |metadata: Value| server.request("POST", "/oauth/register").json(&metadata);
    let confidential = json!({ "token_endpoint_auth_method": "client_secret_post" });

    let public = at_once((0..20).map(|_| register(app(&json!({}))))).await;
    let own = at_once((0..20).map(|_| register(app(&confidential)))).await;

    let ids = |answers: &[Answer]| {
        let mut ids: Vec<String> = answers.iter().map(|answer| answer.field("client_id")).collect();
        ids.sort();
        ids.dedup();
        ids.len()
    };
    assert_eq!((ids(&public), ids(&own)), (1, 20));
    let with_token = public.iter().filter(|answer| answer.json.get("registration_access_token").is_some());
    assert!(with_token.count() <= 1);
}

#[tokio::test]
async fn an_app_is_listed_nowhere_until_somebody_lets_it_in() {
    let server = TestServer::start().await;
    let root = server.browser_of(&server.superadmin().await).await;
    let browser = server.visitor().await;
    let app = client(&server.register(&app(&json!({}))).await);
    let listed = async |q: &str| root.get(&format!("/admin/apps?q={q}")).await.text.contains("Harbour");
    let path = app.authorize_path(&Pkce::default(), &[]);
    let login = server.browser().get(server.browser().get(&path).await.location()).await;

    assert!(!listed("").await && !listed("harbour").await);
    assert!(listed(&app.id).await, "whoever has its id can disable it");
    assert!(!login.text.contains("Harbour"), "{}", login.text);
    assert_eq!(server.audit_actions().await, [""; 0]);

    app.tokens(&server, &browser).await;

    let page = root.get("/admin/apps").await.text;
    assert!(page.contains("Harbour") && page.contains("Registered itself"), "{page}");
    assert_eq!(server.audit_actions().await, ["client.created"]);
}

#[tokio::test]
async fn a_superadmin_disables_and_deletes_it() {
    let server = TestServer::start().await;
    let superadmin = server.superadmin().await;
    let root = server.browser_of(&superadmin).await;
    let browser = server.visitor().await;
    let registered = server.register(&app(&json!({}))).await;
    let app = client(&registered);
    let tokens = app.tokens(&server, &browser).await;
    let row = format!("/admin/apps/{}", app.id);

    root.submit("/admin/apps", &row, &[("change", "disable")]).await;

    assert_refused(&app.refresh(&server, &tokens.field("refresh_token")).await, 401, "invalid_client");
    let uri = registered.field("registration_client_uri").replace(server.issuer(), "");
    let own = server.get_as(&registered.field("registration_access_token"), &uri).await;
    assert_refused(&own, 401, "invalid_token");
    server.clock.advance(TimeDelta::days(100));
    server.clean_up().await;
    let root = server.browser_of(&superadmin).await;
    assert!(root.get("/admin/apps").await.text.contains("Harbour"), "it stays, or it would come back");

    let delete = format!("{row}/delete");
    root.submit(&delete, &delete, &[]).await;

    assert!(!root.get("/admin/apps").await.text.contains("Harbour</h2>"));
    assert_eq!(server.audit_actions().await, ["client.deleted", "client.updated", "client.created"]);
}

#[tokio::test]
async fn an_app_of_an_organization_is_not_a_superadmins_to_delete() {
    let server = TestServer::start().await;
    let root = server.superadmin().await;
    let browser = server.browser_of(&root).await;
    let app = server.public_client(root.organization).await;
    let csrf = browser.csrf("/settings/api").await;

    let delete = format!("/admin/apps/{}/delete", app.id);

    assert_eq!(browser.get(&delete).await.status, 404);
    assert_eq!(browser.post(&delete, &[("csrf", &csrf)]).await.status, 404);
}

#[tokio::test]
async fn the_consent_page_names_the_host_and_links_what_the_app_says_of_itself() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let pages = json!({
        "client_uri": "https://app.example/",
        "policy_uri": "https://app.example/privacy",
        "tos_uri": "https://app.example/terms",
    });
    let app = client(&server.register(&app(&pages)).await);

    let page = app.consent_page(&browser, &[]).await.text;

    for said in [
        "<h1>An app at app.example asks for access</h1>",
        "It calls itself <strong>Harbour</strong>",
        "Not verified.",
        "href=\"https://app.example/\"",
        "href=\"https://app.example/privacy\"",
        "href=\"https://app.example/terms\"",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn a_page_on_another_host_than_the_app_is_not_linked() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;

    for redirect_uri in [CALLBACK, "http://localhost/cb"] {
        let elsewhere = json!({
            "redirect_uris": [redirect_uri, "https://bank.example/"],
            "client_uri": "https://bank.example/",
            "policy_uri": "https://app.example.evil.example/",
            "tos_uri": "https://www.bank.example/terms",
        });
        let app = client(&server.register(&app(&elsewhere)).await);

        let page = app.consent_page(&browser, &[("redirect_uri", redirect_uri)]).await.text;

        assert!(!page.contains("bank.example") && !page.contains("evil.example"), "{page}");
    }
}

#[tokio::test]
async fn a_name_is_shown_as_it_was_sent_and_only_as_text() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let changes = json!({ "client_name": "Hafen & Söhne <b>", "client_name#de": "Hafen" });
    let app = client(&server.register(&app(&changes)).await);

    let page = app.consent_page(&browser, &[]).await.text;

    assert!(page.contains("<strong>Hafen &#38; Söhne &#60;b&#62;</strong>"), "{page}");
}

#[tokio::test]
async fn nothing_of_an_app_is_loaded_by_the_page() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let logo = json!({ "logo_uri": "https://app.example/logo.png" });
    let registered = server.register(&app(&logo)).await;
    assert_eq!(registered.json["logo_uri"], "https://app.example/logo.png");
    let app = client(&registered);

    let page = app.consent_page(&browser, &[]).await;
    app.tokens(&server, &browser).await;
    let connected = browser.get("/settings/apps").await;

    for page in [page, connected] {
        assert!(!page.text.contains("logo.png"), "{}", page.text);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("img-src 'self' data:;"), "{policy}");
    }
}

#[tokio::test]
async fn an_app_on_the_persons_own_machine_is_warned_of_and_always_asks() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;

    for (uri, asker) in [
        ("http://localhost:3000/cb", "A program on this computer"),
        ("http://127.0.0.1/cb", "A program on this computer"),
        ("cursor://oauth/callback", "An app on this device"),
    ] {
        let app = client(&server.register(&app(&json!({ "redirect_uris": [uri] }))).await);
        let changes = [("redirect_uri", uri)];
        assert!(app.ask(&browser, &Pkce::default(), &changes).await.location_params().contains_key("code"));

        let again = app.consent_page(&browser, &changes).await;

        assert!(again.text.contains(&format!("<h1>{asker} asks for access again</h1>")), "{}", again.text);
        assert!(again.text.contains("Any program on this computer"), "{uri}");
        let silent = app.authorize_path(&Pkce::default(), &[changes[0], ("prompt", "none")]);
        assert_eq!(browser.get(&silent).await.location_params()["error"], "consent_required");
    }
}

/// RFC 9700 §4.11.2: anybody can register a site, and a mistake in a link would lead everybody on to it.
#[tokio::test]
async fn a_mistake_of_an_app_that_nobody_answers_for_sends_no_stranger_on() {
    let server = TestServer::start().await;
    let client = client(&server.register(&app(&json!({}))).await);
    let ada = server.user("ada").await;
    let mistake = [("scope", "unknown")];
    let silent = [("scope", "unknown"), ("prompt", "none")];
    let path = |changes: &[(&str, &str)]| client.authorize_path(&Pkce::default(), changes);

    let stranger = server.browser().get(&path(&mistake)).await;
    let known = server.browser_of(&ada).await.get(&path(&mistake)).await;
    let without_page = server.browser().get(&path(&silent)).await;

    assert!(stranger.location().starts_with("/login?"), "{}", stranger.location());
    for answer in [known, without_page] {
        assert!(answer.location().starts_with(CALLBACK), "{}", answer.location());
        assert_eq!(answer.location_params()["error"], "invalid_scope");
    }
}

#[tokio::test]
async fn an_app_on_the_web_asks_again_once_it_says_something_else() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let registered = server.register(&app(&json!({}))).await;
    let harbour = client(&registered);
    harbour.tokens(&server, &browser).await;
    let silently = async || {
        let answer = browser.get(&harbour.authorize_path(&Pkce::default(), &[])).await;
        answer.status == 303
    };
    assert!(silently().await);

    for changes in [
        json!({ "client_name": "Bank" }),
        json!({ "redirect_uris": [CALLBACK, "https://evil.example/cb"] }),
        json!({ "jwks_uri": "https://app.example/jwks" }),
    ] {
        server.clock.advance(TimeDelta::seconds(1));
        let mut metadata = app(&changes);
        metadata["client_id"] = json!(harbour.id);
        let uri = registered.field("registration_client_uri").replace(server.issuer(), "");
        let token = registered.field("registration_access_token");
        assert_eq!(server.send_json_as(&token, "PUT", &uri, &metadata).await.status, 200);

        assert!(!silently().await, "{changes}");
        harbour.tokens(&server, &browser).await;
        assert!(silently().await, "{changes}");
    }
}

#[tokio::test]
async fn who_registered_itself_has_no_account_of_its_own() {
    let server = TestServer::start().await;
    let grants =
        ["authorization_code", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"];
    let changes = json!({ "token_endpoint_auth_method": "client_secret_basic", "grant_types": grants });
    let registered = server.register(&app(&changes)).await;
    let app = client(&registered);

    assert_eq!(registered.json["grant_types"], json!(["authorization_code"]));
    for grant_type in &grants[1..] {
        let answer = app.post(&server, "/oauth/token", &[("grant_type", grant_type)]).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(
            matches!(answer.error(), "unauthorized_client" | "unsupported_grant_type"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn tokens_are_for_the_client_under_its_id_and_nobody_elses() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let app = client(&server.register(&app(&json!({}))).await);

    let tokens = app.tokens(&server, &browser).await;

    assert_eq!(claims(&tokens.field("access_token"))["client_id"], app.id);
    let other = client(&server.register(&json!({ "redirect_uris": [CALLBACK] })).await);
    let answer = other.refresh(&server, &tokens.field("refresh_token")).await;
    assert_refused(&answer, 400, "invalid_grant");
}

#[tokio::test]
async fn what_nobody_uses_is_removed() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let register = async |name: &str| client(&server.register(&app(&json!({ "client_name": name }))).await);
    let is_there = async |app: &OAuthClient| {
        let answer = server.get(&app.authorize_path(&Pkce::default(), &[])).await;
        answer.status == 303
    };
    let (never_used, left) = (register("Never used").await, register("Left").await);
    left.tokens(&server, &browser).await;
    let used = register("Used").await;
    let mut refresh = used.tokens(&server, &browser).await.field("refresh_token");

    for _ in 0..3 {
        server.clock.advance(TimeDelta::days(10));
        refresh = used.refresh(&server, &refresh).await.field("refresh_token");
        server.clean_up().await;
    }
    assert!(is_there(&never_used).await && is_there(&left).await && is_there(&used).await, "not yet");
    server.clock.advance(TimeDelta::seconds(1));
    server.clean_up().await;

    assert!(!is_there(&never_used).await && !is_there(&left).await && is_there(&used).await);
    assert_refused(&never_used.refresh(&server, "x").await, 401, "invalid_client");
    let page = server.get(&left.authorize_path(&Pkce::default(), &[])).await;
    assert!(page.text.contains("remove the connection in the app and add it again"), "{}", page.text);
    assert_eq!(server.audit_actions().await, ["client.deleted", "client.created", "client.created"]);
    assert_eq!(used.refresh(&server, &refresh).await.status, 200);
}

#[tokio::test]
async fn a_shared_app_stays_while_somebody_registers_it() {
    let server = TestServer::start().await;
    let first = server.register(&app(&json!({}))).await;

    for _ in 0..3 {
        server.clock.advance(TimeDelta::days(20));
        assert_eq!(server.register(&app(&json!({}))).await.field("client_id"), first.field("client_id"));
        server.clean_up().await;
    }

    let answer = server.get(&client(&first).authorize_path(&Pkce::default(), &[])).await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn a_registration_that_is_not_let_in_can_be_refused() {
    let server = TestServer::start().await;
    let browser = server.visitor().await;
    let app = client(&server.register(&app(&json!({}))).await);
    let page = app.consent_page(&browser, &[]).await;

    let answer = browser.send(&form_of(&page, "/oauth/authorize"), &[("decision", "deny")]).await;

    assert_eq!(answer.location_params()["error"], "access_denied");
    assert_eq!(server.audit_actions().await, [""; 0]);
}
