//! What the server writes of itself: enough to find a failure, and nothing that opens anything.

use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::Folder;
use crate::support::OAuthClient;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::Program;
use crate::support::SERVER_SECRET;
use crate::support::TestDatabase;
use crate::support::field_of;
use crate::support::form_of;

/// Against the process at `url`.
struct Caller {
    url: String,
    http: reqwest::Client,
}

impl Caller {
    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: reqwest::Client::new() }
    }

    async fn post_json(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn post_form(&self, client: &OAuthClient, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.http.post(format!("{}{path}", self.url)).form(form);
        Answer::of(request.basic_auth(&client.id, client.secret.as_ref())).await
    }

    async fn get(&self, path: &str, credential: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.url)).bearer_auth(credential)).await
    }
}

/// A whole flow, in a browser and without one; everything that must not be read in a log.
async fn walk(url: &str) -> Vec<(&'static str, String)> {
    let caller = Caller::new(url);
    let mut secrets =
        vec![("the password", PASSWORD.to_owned()), ("the server secret", SERVER_SECRET.to_owned())];
    let registration = json!({ "email": "ada@example.com", "password": PASSWORD, "companyName": "Acme" });
    caller.post_json("/api/auth/register", &registration).await;
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let session = crate::support::Session::of(&caller.post_json("/api/auth/login", &login).await);
    caller.post_json("/api/auth/refresh", &json!({ "refresh_token": session.refresh_token })).await;
    caller.get("/api/auth/me", &session.access_token).await;
    secrets
        .extend([("a session", session.access_token), ("a session's refresh token", session.refresh_token)]);

    let browser = Browser::new(url);
    let form = [("email", "ada@example.com"), ("password", PASSWORD)];
    let signed_in = browser.submit("/login", "/login", &form).await;
    secrets.push(("the cookie", signed_in.cookie("countersign").unwrap()));
    secrets.push(("a form's token", browser.csrf("/settings/account").await));
    let app = [
        ("name", "CRM"),
        ("kind", "confidential"),
        ("redirect_uris", CALLBACK),
        ("scope", "read"),
        ("scope", "write"),
    ];
    let shown = browser.submit("/settings/developer/new", "/settings/developer/new", &app).await;
    let client =
        OAuthClient { id: field_of(&shown, "client_id").unwrap(), secret: field_of(&shown, "client_secret") };
    let key =
        browser.submit("/settings/api", "/settings/api", &[("label", "CI"), ("expires_in", "never")]).await;
    let key = field_of(&key, "key").unwrap();
    caller.get("/v1/auth/test", &key).await;
    caller.get(&format!("/v1/auth/test?api_key={key}"), "").await;

    secrets.extend(exchange(&caller, &browser, &client).await);
    secrets.extend([("a client secret", client.secret.unwrap()), ("a key", key[11..].to_owned())]);
    secrets
}

/// The code, what is bought with it, and its replay.
async fn exchange(caller: &Caller, browser: &Browser, client: &OAuthClient) -> [(&'static str, String); 4] {
    let pkce = Pkce::default();
    let consent = browser.get(&client.authorize_path(&pkce, &[])).await;
    let approved = browser.send(&form_of(&consent, "/oauth/authorize"), &[("decision", "approve")]).await;
    let code = approved.location_params().remove("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", pkce.verifier.as_str()),
    ];
    let tokens = caller.post_form(client, "/oauth/token", &form).await;
    let (access, refresh) = (tokens.field("access_token"), tokens.field("refresh_token"));
    caller.get("/v1/auth/test", &access).await;
    caller.post_form(client, "/oauth/introspect", &[("token", &access)]).await;
    let refreshing = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    caller.post_form(client, "/oauth/token", &refreshing).await;
    assert_eq!(caller.post_form(client, "/oauth/token", &form).await.error(), "invalid_grant");
    let signature = access.rsplit('.').next().unwrap().to_owned();
    [
        ("a code", code),
        ("a verifier", pkce.verifier),
        ("an access token", signature),
        ("a refresh token", refresh),
    ]
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_NEW_ORGANIZATION_PLAN", "pro")
        .with("COUNTERSIGN_LOG", "trace");
    let mut server = program.serve(&["serve"]);
    let url = server.url().await;

    let secrets = walk(&url).await;
    server.signal("TERM");
    server.end().await;

    let log = server.stderr();
    assert!(log.contains("/oauth/token"), "the log holds the requests");
    for (what, secret) in secrets {
        let at = log.find(&secret);
        let near = at.map(|at| log[at.saturating_sub(200)..].chars().take(260).collect::<String>());
        assert!(near.is_none(), "{what} is in the log: {near:?}");
    }
    assert_eq!(server.stdout(), "");
}

#[tokio::test]
async fn a_request_is_one_line_with_its_number() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_LOG_FORMAT", "json");
    let mut server = program.serve(&["serve"]);
    let url = loop {
        let line = server.stderr().lines().find(|line| line.contains("listening")).map(str::to_owned);
        if let Some(line) = line {
            let line: Value = serde_json::from_str(&line).unwrap();
            break format!("http://{}", line["address"].as_str().unwrap());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };

    let answer = Caller::new(&url).get("/v1/api-keys/key_1?api_key=x", "junk").await;
    server.signal("TERM");
    server.end().await;

    let number = answer.header("x-request-id").unwrap();
    let log = server.stderr();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.contains(number))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    let line = &lines[0];
    assert_eq!(line["request.id"], number, "{line}");
    assert_eq!((&line["method"], &line["status"]), (&json!("GET"), &json!(401)), "{line}");
    assert_eq!(line["route"], "/v1/api-keys/{id}", "{line}");
    assert!(line["duration_ms"].is_number(), "{line}");
}
