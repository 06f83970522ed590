//! What every page says to the browser besides its content.

use std::collections::HashMap;

use crate::support::Answer;
use crate::support::Pkce;
use crate::support::TestServer;

/// One of each kind: pages, redirects, refusals, and what is not there.
async fn answers(server: &TestServer) -> Vec<(String, Answer)> {
    let ada = server.user("ada").await;
    let app = server.public_client(ada.organization).await;
    let browser = server.browser_of(&ada).await;
    let mut answers = Vec::new();
    for path in [
        "/",
        "/login?next=/oauth/authorize",
        "/register",
        "/logout",
        "/device",
        "/device?user_code=BCDF-GHJK",
        "/errors",
        "/errors/invalid_grant",
        "/errors/nothing",
        "/nothing",
        "/settings",
        "/settings/api",
        "/settings/api?before=x",
        "/settings/access-log",
        "/settings/access-log?before=x",
        "/settings/audit-log?since=x",
        "/settings/apps",
        "/settings/developer",
        "/settings/developer/new",
        "/settings/organization",
        "/settings/organization/credits",
        "/invitations/x",
        "/settings/account",
        "/playground",
        "/oauth/authorize?client_id=nobody",
        "/settings/account/password",
        &app.authorize_path(&Pkce::default(), &[]),
        &app.authorize_path(&Pkce::default(), &[("redirect_uri", "https://evil.example/")]),
    ] {
        answers.push((path.to_owned(), browser.get(path).await));
    }
    answers.push(("a stranger".to_owned(), server.browser().get("/settings/account").await));
    answers.push(("POST without a token".to_owned(), browser.post("/settings/api", &[]).await));
    answers
}

fn policy(answer: &Answer, what: &str) -> HashMap<String, String> {
    let text = answer.header("content-security-policy").unwrap_or_else(|| panic!("{what}: no CSP"));
    let directives = text.split(';').map(str::trim).filter(|directive| !directive.is_empty());
    directives
        .map(|directive| directive.split_once(' ').unwrap_or((directive, "")))
        .map(|(name, sources)| (name.to_owned(), sources.to_owned()))
        .collect()
}

#[tokio::test]
async fn every_page_forbids_scripts_frames_and_guessing() {
    let server = TestServer::start().await;

    for (what, answer) in answers(&server).await {
        let policy = policy(&answer, &what);
        let says = |name: &str| policy.get(name).map(String::as_str);
        assert_eq!(says("default-src"), Some("'none'"), "{what}");
        assert_eq!(says("frame-ancestors"), Some("'none'"), "{what}");
        assert_eq!(says("base-uri"), Some("'none'"), "{what}");
        assert!(says("form-action").is_some_and(|sources| sources.starts_with("'self'")), "{what}");
        assert!(says("script-src").is_none_or(|sources| sources == "'none'"), "{what}");
        assert!(
            policy.values().all(|sources| !sources.contains("unsafe") && !sources.contains('*')),
            "{what}: {policy:?}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{what}");
        let referrer = answer.header("referrer-policy");
        assert!(matches!(referrer, Some("no-referrer" | "same-origin")), "{what}: {referrer:?}");
        assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")), "{what}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
    }
}

#[tokio::test]
async fn no_page_has_script_or_style_in_it() {
    let server = TestServer::start().await;

    for (what, answer) in answers(&server).await {
        let text = answer.text.to_lowercase();
        for part in ["<script", "<style", " style=", " onclick=", " onload=", " onsubmit=", "javascript:"] {
            assert!(!text.contains(part), "{what} has {part}");
        }
    }
}

#[tokio::test]
async fn the_page_of_the_api_runs_scripts_of_this_server_and_no_others() {
    let server = TestServer::start().await;

    let docs = server.get("/docs").await;

    let policy = policy(&docs, "docs");
    let says = |name: &str| policy.get(name).map(String::as_str);
    for (directive, sources) in [
        ("default-src", "'none'"),
        ("script-src", "'self'"),
        ("connect-src", "'self'"),
        ("style-src", "'self'"),
        ("img-src", "'self' data:"),
        ("form-action", "'none'"),
        ("base-uri", "'none'"),
        ("frame-ancestors", "'none'"),
    ] {
        assert_eq!(says(directive), Some(sources), "{directive}");
    }
    assert_eq!((docs.status, docs.header("x-frame-options")), (200, Some("DENY")));
    assert!(
        docs.text.contains("href=\"/openapi.json\"") && docs.text.contains("href=\"/\""),
        "{}",
        docs.text
    );
    for (name, content_type) in [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("start.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("docs.css", "text/css; charset=utf-8"),
    ] {
        let file = server.get(&format!("/docs/{name}")).await;
        assert_eq!((file.status, file.header("content-type")), (200, Some(content_type)), "{name}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert!(docs.text.contains(&format!("\"/docs/{name}\"")), "{name}");
    }
    for name in ["index.html", "swagger-ui.js", "oauth2-redirect.html", "..%2Fopenapi.json"] {
        assert_eq!(server.get(&format!("/docs/{name}")).await.status, 404, "{name}");
    }
}

#[tokio::test]
async fn https_is_demanded_where_the_issuer_has_it() {
    let http = TestServer::start().await;
    let https = TestServer::start_with(|settings| settings.issuer = "https://auth.example".to_owned()).await;

    for path in ["/", "/login", "/settings/account", "/nothing"] {
        let demanded = https.get(path).await;
        let demanded =
            demanded.header("strict-transport-security").unwrap_or_else(|| panic!("{path}: no HSTS"));
        let seconds: i64 =
            demanded.split("max-age=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();

        assert!(seconds >= 31_536_000, "{path}: {demanded}");
        assert_eq!(http.get(path).await.header("strict-transport-security"), None, "{path}");
    }
}

#[tokio::test]
async fn the_consent_form_may_lead_to_the_app_and_no_other_page_may() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let app = server.public_client(ada.organization).await;
    let browser = server.browser_of(&ada).await;

    let consent = browser.get(&app.authorize_path(&Pkce::default(), &[])).await;
    let account = browser.get("/settings/account").await;

    assert!(
        policy(&consent, "consent")["form-action"].contains("https:"),
        "Chromium follows it over redirects"
    );
    assert_eq!(policy(&account, "account")["form-action"], "'self'");
}

#[tokio::test]
async fn the_stylesheet_may_be_kept_and_is_one() {
    let server = TestServer::start().await;
    let page = server.get("/").await;
    let href =
        page.text.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let style = server.get(&href).await;
    let logo = server.get("/assets/logo.svg").await;

    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert!(style.header("cache-control").unwrap().contains("immutable"));
    assert_eq!((logo.status, logo.header("content-type")), (200, Some("image/svg+xml")));
}
