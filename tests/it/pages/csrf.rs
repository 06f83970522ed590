//! No form is answered but the one that was given to this very browser.

use crate::support::Answer;
use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::TestUser;

/// A person with one of everything, and every form that they could send.
struct Setting {
    server: TestServer,
    ada: TestUser,
    browser: Browser,
    forms: Vec<(String, Vec<(&'static str, &'static str)>)>,
}

impl Setting {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let ada = server.user("ada").await;
        let browser = server.browser_of(&ada).await;
        server.browser_of(&ada).await;
        let (key, _) = server.key(ada.organization, "read").await;
        let client = server.confidential_client(ada.organization).await;
        client.tokens(&server, &browser).await;
        let client = client.id;
        let (_, admin) = server.key(ada.organization, "admin").await;
        let shown = server.get_as(&admin, &format!("/v1/clients/{client}")).await;
        let secret = shown.json["secrets"][0]["id"].as_str().unwrap().to_owned();
        let account = browser.get("/settings/account").await;
        let session = account.text.split("/settings/account/sessions/").nth(1).unwrap();
        let session = session.split('/').next().unwrap();
        let app = vec![
            ("name", "Changed"),
            ("kind", "public"),
            ("redirect_uris", CALLBACK),
            ("scope", "read"),
            ("grant_type", "authorization_code"),
        ];
        let secret_form = vec![("label", "Changed"), ("expires_in", "never")];
        let password = vec![("current_password", PASSWORD), ("new_password", "another long password")];
        let forms = vec![
            (
                "/settings/api".to_owned(),
                vec![("label", "Changed"), ("expires_in", "never"), ("scope", "read")],
            ),
            (format!("/settings/api/{key}/rotate"), vec![("overlap_seconds", "0")]),
            (format!("/settings/api/{key}/revoke"), vec![]),
            (format!("/settings/apps/{client}/remove"), vec![]),
            ("/settings/developer/new".to_owned(), app.clone()),
            (format!("/settings/developer/{client}"), app),
            (format!("/settings/developer/{client}/secrets"), secret_form),
            (format!("/settings/developer/{client}/secrets/{secret}/delete"), vec![]),
            (format!("/settings/developer/{client}/delete"), vec![]),
            ("/settings/account/password".to_owned(), password),
            (format!("/settings/account/sessions/{session}/end"), vec![]),
            ("/settings/account/sessions/end-others".to_owned(), vec![]),
            ("/playground/start".to_owned(), vec![("client_id", "x"), ("grant", "client_credentials")]),
            ("/playground/reset".to_owned(), vec![]),
            ("/logout".to_owned(), vec![]),
        ];
        Self { server, ada, browser, forms }
    }

    /// All that the forms could change.
    async fn everything(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in ["users", "browser_sessions", "api_keys", "clients", "client_secrets", "grants"] {
            let sql =
                format!("select coalesce(string_agg(t::text, E'\\n' order by t::text), '') from {table} t");
            rows.push(
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.server.app.db).await.unwrap(),
            );
        }
        rows
    }
}

fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {}", answer.text);
    assert!(answer.text.contains("Nothing was changed"), "{what}: {}", answer.text);
}

#[tokio::test]
async fn a_form_without_our_token_changes_nothing() {
    let setting = Setting::start().await;
    let elsewhere = setting.server.browser_of(&setting.ada).await.csrf("/settings/account").await;
    let signed_out = setting.server.browser().csrf("/login").await;
    let own = setting.browser.csrf("/settings/account").await;
    let tampered = format!("{}{}", if own.starts_with('A') { 'B' } else { 'A' }, &own[1..]);
    let before = setting.everything().await;

    for (path, fields) in &setting.forms {
        let tokens = ["", "x", "\0", &elsewhere, &signed_out, &tampered].map(Some);
        for token in tokens.into_iter().chain([None]) {
            let mut sent: Vec<(&str, &str)> = fields.clone();
            sent.extend(token.map(|token| ("csrf", token)));
            let answer = setting.browser.post(path, &sent).await;

            assert!([400, 403].contains(&answer.status), "{path} with {token:?}: {}", answer.text);
            assert!(answer.text.contains("Nothing was changed"), "{path} with {token:?}: {}", answer.text);
        }
    }
    assert_eq!(setting.everything().await, before);
}

#[tokio::test]
async fn a_form_that_another_site_sent_changes_nothing() {
    let setting = Setting::start().await;
    let csrf = setting.browser.csrf("/settings/account").await;
    let before = setting.everything().await;

    for (path, fields) in &setting.forms {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:1"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let mut sent: Vec<(&str, &str)> = fields.clone();
            sent.push(("csrf", &csrf));
            let request = setting.browser.request("POST", path).header(name, value).form(&sent);
            let answer = Answer::of(request).await;

            assert_refused(&answer, &format!("{path} with {name}: {value}"));
        }
    }
    assert_eq!(setting.everything().await, before);
}

#[tokio::test]
async fn a_form_from_our_own_page_is_taken() {
    let setting = Setting::start().await;
    let csrf = setting.browser.csrf("/settings/account").await;
    let issuer = setting.server.issuer().to_owned();

    for (name, value) in [("origin", issuer.as_str()), ("sec-fetch-site", "same-origin")] {
        let form = [("csrf", csrf.as_str()), ("label", "CI"), ("scope", "read"), ("expires_in", "never")];
        let request = setting.browser.request("POST", "/settings/api").header(name, value).form(&form);
        let answer = Answer::of(request).await;

        assert_eq!(answer.status, 200, "{name}: {value}: {}", answer.text);
    }
}

#[tokio::test]
async fn nobody_is_signed_in_by_another_site() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let browser = server.browser();
    let csrf = browser.csrf("/login").await;
    let other = server.browser().csrf("/login").await;

    for (token, header) in [
        ("", None),
        (other.as_str(), None),
        (csrf.as_str(), Some(("origin", "https://evil.example"))),
        (csrf.as_str(), Some(("sec-fetch-site", "cross-site"))),
    ] {
        let form = [("email", "ada@example.com"), ("password", PASSWORD), ("next", ""), ("csrf", token)];
        let mut request = browser.request("POST", "/login").form(&form);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        assert_refused(&Answer::of(request).await, &format!("{token} {header:?}"));
    }
    assert_eq!(browser.get("/settings/account").await.status, 303);
}

#[tokio::test]
async fn nobody_is_registered_by_another_site() {
    let server = TestServer::start().await;
    let browser = server.browser();
    let csrf = browser.csrf("/register").await;

    for (token, origin) in [("", server.issuer()), (csrf.as_str(), "https://evil.example")] {
        let form = [
            ("company_name", "Acme"),
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("next", ""),
            ("csrf", token),
        ];
        let answer =
            Answer::of(browser.request("POST", "/register").header("origin", origin).form(&form)).await;

        assert_refused(&answer, origin);
    }
    let people: i64 =
        sqlx::query_scalar("select count(*) from users").fetch_one(&server.app.db).await.unwrap();
    assert_eq!(people, 0);
}

#[tokio::test]
async fn a_form_from_before_the_sign_in_is_too_old() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser();
    let before = browser.csrf("/login").await;
    browser.sign_in(&ada.email, PASSWORD).await;

    let form = [("csrf", before.as_str()), ("label", "CI"), ("scope", "read"), ("expires_in", "never")];
    let answer = browser.post("/settings/api", &form).await;

    assert_refused(&answer, "a token from before");
}
