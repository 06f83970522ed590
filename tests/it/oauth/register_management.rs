//! `GET`, `PUT` and `DELETE /oauth/register/{client_id}` (RFC 7592).

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;

use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::oauth::register::app;
use crate::oauth::register::client;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::TestServer;

/// An app and what opens its registration.
struct Registered {
    server: TestServer,
    client: OAuthClient,
    path: String,
    token: String,
    answer: Answer,
}

impl Registered {
    /// One with a secret.
    async fn new() -> Self {
        Self::with(json!({ "token_endpoint_auth_method": "client_secret_basic" })).await
    }

    async fn with(changes: Value) -> Self {
        let server = TestServer::start().await;
        let answer = server.register(&app(&changes)).await;
        let path = answer.field("registration_client_uri").replace(server.issuer(), "");
        let token = answer.field("registration_access_token");
        Self { client: client(&answer), server, path, token, answer }
    }

    fn request(&self, method: &str) -> reqwest::RequestBuilder {
        self.server.request(method, &self.path).bearer_auth(&self.token)
    }

    async fn send(&self, method: &str) -> Answer {
        Answer::of(self.request(method)).await
    }

    /// A change to what an app with a secret says, with `changes` made.
    async fn put(&self, changes: Value) -> Answer {
        let mut metadata = app(&json!({
            "client_id": self.client.id,
            "token_endpoint_auth_method": "client_secret_basic",
        }));
        metadata.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Answer::of(self.request("PUT").json(&metadata)).await
    }

    /// Whether the client can prove itself at the token endpoint.
    async fn is_proved(&self, client: &OAuthClient) -> bool {
        match client.refresh(&self.server, "x").await.error() {
            "invalid_grant" => true,
            "invalid_client" => false,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn the_answer_says_where_the_registration_can_be_changed() {
    let app = Registered::new().await;

    assert_eq!(app.path, format!("/oauth/register/{}", app.client.id));
    assert!(app.answer.field("registration_client_uri").starts_with(app.server.issuer()), "an absolute URL");
    assert_eq!(app.token.len(), 47, "256 bits behind a prefix");
}

#[tokio::test]
async fn an_app_reads_what_is_registered() {
    let app = Registered::new().await;

    let read = app.send("GET").await;

    let mut expected = app.answer.json.clone();
    for name in ["client_secret", "client_secret_expires_at"] {
        // It exists nowhere but at the client.
        expected.as_object_mut().unwrap().remove(name);
    }
    assert_eq!((read.status, read.json), (200, expected));
    let headers = [read.headers.get("content-type"), read.headers.get("cache-control")];
    assert_eq!(headers.map(|value| value.unwrap().to_str().unwrap()), ["application/json", "no-store"]);
}

#[tokio::test]
async fn only_its_own_token_opens_a_registration() {
    let app = Registered::new().await;
    let other = app.server.register(&crate::oauth::register::app(&json!({}))).await;
    let foreign = other.field("registration_access_token");
    let (_, key) = app.server.key(app.server.user("ada").await.organization, "admin").await;

    for method in ["GET", "PUT", "DELETE"] {
        let body = json!({ "client_id": app.client.id, "redirect_uris": [CALLBACK] });
        for token in ["", "x", &foreign, &key, &app.token[..46], &format!("{}x", app.token)] {
            let request = app.server.request(method, &app.path).bearer_auth(token).json(&body);
            assert_refused(&Answer::of(request).await, 401, "invalid_token");
        }
        assert_refused(
            &Answer::of(app.server.request(method, &app.path).json(&body)).await,
            401,
            "invalid_token",
        );
        let basic =
            app.server.request(method, &app.path).basic_auth(&app.client.id, app.client.secret.as_ref());
        assert_refused(&Answer::of(basic.json(&body)).await, 401, "invalid_token");
        let twice = app.request(method).header("authorization", "Bearer x").json(&body);
        assert_refused(&Answer::of(twice).await, 401, "invalid_token");
    }
    assert_eq!(app.send("GET").await.status, 200);
}

#[tokio::test]
async fn of_a_client_that_is_gone_nothing_is_told() {
    let app = Registered::new().await;
    let ada = app.server.user("ada").await;
    let of_organization = app.server.public_client(ada.organization).await.id;

    for id in ["cli_00000000000000000000000000000000", &of_organization, "x", "%00", "%ff", ""] {
        let request = app.server.request("GET", &format!("/oauth/register/{id}")).bearer_auth(&app.token);
        let answer = Answer::of(request).await;

        if id.is_empty() {
            assert_eq!(answer.status, 404);
        } else {
            assert_refused(&answer, 401, "invalid_token");
        }
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_told_which_are_right() {
    let app = Registered::new().await;

    for method in ["POST", "PATCH"] {
        let answer = app.send(method).await;

        assert_refused(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("GET,HEAD,PUT,DELETE"), "{method}");
    }
}

#[tokio::test]
async fn a_change_replaces_everything() {
    let app = Registered::with(json!({
        "token_endpoint_auth_method": "client_secret_basic",
        "client_uri": "https://app.example/",
        "contacts": ["ops@app.example"],
        "scope": "read",
        "dpop_bound_access_tokens": true,
    }))
    .await;
    let new =
        json!({ "client_name": "Port", "redirect_uris": ["https://app.example/new"], "grant_types": null });

    let changed = app.put(new).await;

    let mut expected = app.answer.json.clone();
    let members = expected.as_object_mut().unwrap();
    for name in ["client_secret", "client_secret_expires_at", "client_uri", "contacts"] {
        members.remove(name);
    }
    members.insert("client_name".to_owned(), json!("Port"));
    members.insert("redirect_uris".to_owned(), json!(["https://app.example/new"]));
    members.insert("scope".to_owned(), json!("read write delete"));
    members.insert("dpop_bound_access_tokens".to_owned(), json!(false));
    assert_eq!((changed.status, &changed.json), (200, &expected));
    assert_eq!(app.send("GET").await.json, expected);
    assert!(app.is_proved(&app.client).await, "with the same secret");
}

#[tokio::test]
async fn a_change_names_the_client_and_its_secret_as_they_are() {
    let app = Registered::new().await;
    let other = Registered::new().await;

    for changes in [
        json!({ "client_id": null }),
        json!({ "client_id": "" }),
        json!({ "client_id": 1 }),
        json!({ "client_id": other.client.id }),
        json!({ "client_secret": "mine" }),
        json!({ "client_secret": 1 }),
        json!({ "client_secret": other.client.secret }),
    ] {
        assert_refused(&app.put(changes).await, 400, "invalid_client_metadata");
    }
    assert_eq!(app.put(json!({ "client_secret": app.client.secret })).await.status, 200);
    assert!(app.is_proved(&app.client).await);
}

#[tokio::test]
async fn what_only_the_server_says_cannot_be_changed() {
    let app = Registered::new().await;

    for name in [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ] {
        let answer = app.put(json!({ name: app.answer.json[name] })).await;

        assert_refused(&answer, 400, "invalid_client_metadata");
        assert!(answer.text.contains(name), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_change_that_is_not_valid_changes_nothing() {
    let app = Registered::new().await;
    let before = app.send("GET").await.json;

    for (changes, error) in [
        (json!({ "client_name": "Port", "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "client_name": "Port", "redirect_uris": null }), "invalid_redirect_uri"),
        (json!({ "client_name": "Port", "response_types": ["token"] }), "invalid_client_metadata"),
        (json!({ "client_name": "" , "contacts": ["x"] }), "invalid_client_metadata"),
        (json!({ "client_name": "Port", "software_statement": "x" }), "unapproved_software_statement"),
    ] {
        assert_refused(&app.put(changes).await, 400, error);
    }
    for body in ["", "[]", "{"] {
        let request = app.request("PUT").header("content-type", "application/json").body(body);
        assert_refused(&Answer::of(request).await, 400, "invalid_client_metadata");
    }
    assert_eq!(app.send("GET").await.json, before);
}

#[tokio::test]
async fn a_client_that_comes_to_need_a_secret_gets_one_and_loses_it_again() {
    let app = Registered::with(json!({})).await;
    let public = OAuthClient { id: app.client.id.clone(), secret: None };

    let answer = app.put(json!({})).await;
    let confidential = client(&answer);
    let was_proved = (app.is_proved(&confidential).await, app.is_proved(&public).await);
    let back = app.put(json!({ "token_endpoint_auth_method": "none" })).await;

    assert_eq!((answer.status, &answer.json["client_secret_expires_at"]), (200, &json!(0)));
    assert_eq!(was_proved, (true, false));
    assert_eq!(back.json.get("client_secret"), None);
    assert!(!app.is_proved(&confidential).await && app.is_proved(&public).await);
}

#[tokio::test]
async fn a_changed_public_app_is_nobody_elses() {
    let app = Registered::with(json!({})).await;
    let public = json!({ "token_endpoint_auth_method": "none", "client_name": "Port" });
    assert_eq!(app.put(public.clone()).await.status, 200);

    let first = app.server.register(&crate::oauth::register::app(&json!({}))).await;
    let second = app.server.register(&crate::oauth::register::app(&public)).await;

    assert_ne!(first.field("client_id"), app.client.id);
    assert_ne!(second.field("client_id"), app.client.id);
    assert_eq!(app.send("GET").await.status, 200);
}

#[tokio::test]
async fn a_deleted_client_is_gone_with_all_it_was_given() {
    let app = Registered::new().await;
    let browser = app.server.visitor().await;
    let tokens = app.client.tokens(&app.server, &browser).await;

    let answer = app.send("DELETE").await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_refused(&app.send("GET").await, 401, "invalid_token");
    assert_refused(&app.send("DELETE").await, 401, "invalid_token");
    let refreshed = app.client.refresh(&app.server, &tokens.field("refresh_token")).await;
    assert_refused(&refreshed, 401, "invalid_client");
    assert_eq!(app.server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
    let page = browser.get(&app.client.authorize_path(&Pkce::default(), &[])).await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn the_token_cannot_be_guessed_and_the_database_does_not_hold_it() {
    let app = Registered::new().await;
    let other = app.server.register(&json!({ "redirect_uris": [CALLBACK] })).await;

    let rows: Vec<String> = sqlx::query_scalar("select c::text || s::text from clients c, client_secrets s")
        .fetch_all(&app.server.app.db)
        .await
        .unwrap();

    assert_ne!(other.field("registration_access_token"), app.token);
    assert!(!rows.is_empty());
    for row in rows {
        assert!(!row.contains(&app.token) && !row.contains(app.client.secret.as_ref().unwrap()), "{row}");
    }
}

#[tokio::test]
async fn the_token_lives_as_long_as_the_client() {
    let app = Registered::new().await;
    let browser = app.server.visitor().await;
    let mut refresh = app.client.tokens(&app.server, &browser).await.field("refresh_token");

    for _ in 0..12 {
        app.server.clock.advance(TimeDelta::days(29));
        refresh = app.client.refresh(&app.server, &refresh).await.field("refresh_token");
        app.server.clean_up().await;
    }

    assert_eq!(app.send("GET").await.status, 200);
    assert_eq!(app.put(json!({})).await.json["registration_access_token"], app.token);
}

#[tokio::test]
async fn the_token_is_no_access_token() {
    let app = Registered::new().await;
    let browser = app.server.visitor().await;
    let access_token = app.client.tokens(&app.server, &browser).await.field("access_token");

    assert_eq!(app.server.get_as(&app.token, "/v1/auth/test").await.status, 401);
    let introspected =
        app.client.post(&app.server, "/oauth/introspect", &[("token", app.token.as_str())]).await;
    assert_eq!(introspected.json, json!({ "active": false }));
    let request = app.server.request("GET", &app.path).bearer_auth(access_token);
    assert_refused(&Answer::of(request).await, 401, "invalid_token");
}

#[tokio::test]
async fn of_changes_at_once_each_is_whole() {
    let app = Registered::new().await;
    let change = |at: usize| {
        let (name, uri) = (format!("App {at}"), format!("https://app.example/{at}"));
        let metadata = crate::oauth::register::app(&json!({
            "client_id": app.client.id, "client_name": name, "redirect_uris": [uri],
        }));
        app.request("PUT").json(&metadata)
    };

    let answers = at_once((0..10).map(change).chain([app.request("DELETE")])).await;

    for answer in &answers {
        match answer.status {
            200 => {
                let at = answer.field("client_name").replace("App ", "");
                assert_eq!(answer.json["redirect_uris"], json!([format!("https://app.example/{at}")]));
            }
            401 => assert_eq!(answer.error(), "invalid_token"),
            other => assert_eq!(other, 204),
        }
    }
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    assert_refused(&app.send("GET").await, 401, "invalid_token");
}
