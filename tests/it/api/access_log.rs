//! What the access log keeps, and how it is read.

use std::net::IpAddr;
use std::time::Duration;

use chrono::TimeDelta;
use countersign::base::ids::AccessEntryId;
use countersign::base::ids::OrganizationId;
use countersign::base::ids::SessionId;
use countersign::organizations::access_log::AccessEntry;
use countersign::organizations::access_log::Via;
use countersign::organizations::credential::Credential;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const PATH: &str = "/v1/access-log";

/// The whole log, but for how long each request took and its id.
async fn log(server: &TestServer, admin: &str, query: &str) -> Vec<Value> {
    let answer = server.get_as(admin, &format!("{PATH}{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut entries = answer.json["data"].as_array().unwrap().clone();
    for entry in &mut entries {
        let fields = entry.as_object_mut().unwrap();
        assert!(fields.remove("id").unwrap().as_str().unwrap().starts_with("req_"));
        assert!(fields.remove("duration_ms").unwrap().as_f64().unwrap() > 0.0);
    }
    entries
}

fn reasons(entries: &[Value]) -> Vec<(&str, i64, Option<&str>)> {
    entries
        .iter()
        .map(|entry| {
            (entry["path"].as_str().unwrap(), entry["status"].as_i64().unwrap(), entry["reason"].as_str())
        })
        .collect()
}

/// As if a request had come with a session.
fn entry(server: &TestServer, organization: OrganizationId, path: &str) -> AccessEntry {
    let at = server.clock.now();
    AccessEntry {
        id: AccessEntryId::new(at),
        at,
        organization,
        credential: Credential::Session(SessionId::new(at)),
        client: None,
        user: None,
        via: Via::ForwardAuth,
        method: "GET".to_owned(),
        path: path.to_owned(),
        status: 200,
        reason: None,
        address: IpAddr::from([203, 0, 113, 9]),
        user_agent: None,
        duration: TimeDelta::microseconds(250),
        is_use: true,
        exceeded: None,
    }
}

#[tokio::test]
async fn a_request_is_told_in_full() {
    let server = TestServer::start_with(|settings| {
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, key) = server.key(ada.organization, "read").await;
    let client = server.public_client(ada.organization).await;
    let token = client.tokens(&server, &server.browser_of(&ada).await).await.field("access_token");
    let from_afar = [("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("x-forwarded-proto", "https")];

    for credential in [&key, &token] {
        let mut request = server.request("GET", "/v1/auth/test?secret=1").bearer_auth(credential);
        for (name, value) in from_afar {
            request = request.header(name, value);
        }
        Answer::of(request.header("user-agent", "curl/8.5.0")).await;
    }
    server.write_access_log().await;

    let entries = log(&server, &admin, "").await;
    let grant = server.get_as(&admin, "/v1/grants").await.json["data"][0]["id"].clone();
    let told = |credential: Value, client: Value, user: Value| {
        json!({
            "at": "2030-01-01T00:00:00Z",
            "credential": credential,
            "client": client,
            "user": user,
            "via": "api",
            "method": "GET",
            "path": "/v1/auth/test",
            "status": 200,
            "reason": null,
            "address": "203.0.113.9",
            "user_agent": "curl/8.5.0",
        })
    };
    let by_key = told(json!({ "type": "api_key", "id": id }), Value::Null, Value::Null);
    let by_app = told(json!({ "type": "grant", "id": grant }), client.id.into(), ada.id.into());
    assert_eq!(entries, [by_app, by_key]);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (_, reader) = server.key(ada.organization, "read").await;
    let (revoked, dead) = server.key(ada.organization, "read").await;
    Answer::of(server.request("DELETE", &format!("/v1/api-keys/{revoked}")).bearer_auth(&admin)).await;
    server.write_access_log().await;

    server.get_as(&dead, "/v1/profile").await;
    server.get_as(&reader, "/v1/api-keys").await;
    server.get_as(&admin, "/v1/nothing").await;
    let app = json!({ "name": "x", "type": "public", "redirect_uris": ["https://x.example/"], "scopes": [] });
    server.send_json_as(&admin, "POST", "/v1/clients", &app).await;
    for _ in 0..10 {
        server.get_as(&reader, "/v1/profile").await;
    }
    server.write_access_log().await;

    let entries = log(&server, &admin, "?status=4xx&limit=5").await;
    assert_eq!(
        reasons(&entries),
        [
            ("/v1/profile", 429, Some("rate_limit_exceeded")),
            ("/v1/clients", 402, Some("payment_required")),
            ("/v1/nothing", 404, Some("not_found")),
            ("/v1/api-keys", 403, Some("forbidden")),
            ("/v1/profile", 401, Some("unauthorized")),
        ]
    );
}

#[tokio::test]
async fn what_a_proxy_asks_about_is_told_as_the_caller_asked_it() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (_, reader) = server.key(ada.organization, "read").await;

    for (method, uri) in [("GET", "/contacts?api_key=secret"), ("DELETE", "/contacts/1")] {
        let request = server.request("GET", "/v1/auth/verify?status=403").bearer_auth(&reader);
        let request = request.header("x-forwarded-method", method).header("x-forwarded-uri", uri);
        Answer::of(request).await;
    }
    server.write_access_log().await;

    let entries = log(&server, &admin, "?via=forward_auth").await;
    assert_eq!(reasons(&entries), [("/contacts/1", 403, Some("forbidden")), ("/contacts", 200, None)]);
    assert_eq!((&entries[0]["method"], &entries[0]["via"]), (&json!("DELETE"), &json!("forward_auth")));
    assert!(log(&server, &admin, "?via=api").await.iter().all(|entry| entry["path"] == PATH));
}

#[tokio::test]
async fn an_expired_key_and_a_revoked_session_are_told_of_too() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let soon = json!({ "label": "x", "scopes": ["read"], "expires_at": "2030-01-01T00:30:00Z" });
    let key = server.send_json_as(&admin, "POST", "/v1/api-keys", &soon).await.field("key");
    let session = server.session_of(&ada).await.access_token;
    Answer::of(server.request("POST", "/api/auth/logout").bearer_auth(&session)).await;
    server.clock.advance(TimeDelta::minutes(30));

    for credential in [&key, &session] {
        assert_eq!(server.get_as(credential, "/v1/profile").await.status, 401);
    }
    server.write_access_log().await;

    let entries = log(&server, &admin, "?status=401").await;
    let kinds: Vec<&str> =
        entries.iter().map(|entry| entry["credential"]["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["session", "api_key"]);
}

#[tokio::test]
async fn a_credential_that_was_never_one_is_nobodys_and_is_not_logged() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for junk in ["junk", "sk_junk"] {
        server.get_as(junk, "/v1/profile").await;
    }
    server.get("/v1/profile").await;

    assert_eq!(server.app.access_log.waiting(), 0);
    assert_eq!(log(&server, &admin, "").await, [] as [Value; 0]);
}

#[tokio::test]
async fn nothing_of_another_organization_is_told() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (id, key) = server.key(ada.organization, "admin").await;
    let (_, foreign) = server.key(eve.organization, "admin").await;
    server.get_as(&key, "/v1/profile").await;
    server.write_access_log().await;

    assert_eq!(log(&server, &foreign, "").await, [] as [Value; 0]);
    assert_eq!(log(&server, &foreign, &format!("?key={id}")).await, [] as [Value; 0]);
    assert_eq!(log(&server, &key, "").await.len(), 1);
}

#[tokio::test]
async fn a_filter_lets_through_what_it_names() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (admin_id, admin) = server.key(ada.organization, "admin").await;
    let client = server.public_client(ada.organization).await;
    let token = client.tokens(&server, &server.browser_of(&ada).await).await.field("access_token");
    server.get_as(&admin, "/v1/profile").await;
    server.clock.advance(TimeDelta::minutes(1));
    server.get_as(&token, "/v1/profile").await;
    server.send_json_as(&admin, "POST", "/v1/api-keys", &json!({})).await;
    server.app.access_log.push(entry(&server, ada.organization, "/contacts/1"));
    server.write_access_log().await;
    let grant = server.get_as(&admin, "/v1/grants").await.json["data"][0]["id"].clone();
    let grant = grant.as_str().unwrap();

    for (query, paths) in [
        (format!("?key={admin_id}"), vec!["/v1/api-keys", "/v1/profile"]),
        (format!("?client={}", client.id), vec!["/v1/profile"]),
        (format!("?grant={grant}"), vec!["/v1/profile"]),
        (format!("?key={admin_id}&grant={grant}"), vec![]),
        ("?status=200".to_owned(), vec!["/contacts/1", "/v1/profile", "/v1/profile"]),
        ("?status=4xx".to_owned(), vec!["/v1/api-keys"]),
        ("?method=post".to_owned(), vec!["/v1/api-keys"]),
        ("?path=/v1/p".to_owned(), vec!["/v1/profile", "/v1/profile"]),
        ("?path=%2Fcontacts%25".to_owned(), vec![]),
        ("?via=forward_auth".to_owned(), vec!["/contacts/1"]),
        ("?since=2030-01-01T00:01:00Z&via=api".to_owned(), vec!["/v1/api-keys", "/v1/profile"]),
        ("?until=2030-01-01T00:01:00Z".to_owned(), vec!["/v1/profile"]),
        ("?until=2030-01-01".to_owned(), vec![]),
        ("?since=2030-01-01&until=2030-01-02&limit=1".to_owned(), vec!["/contacts/1"]),
    ] {
        let entries = log(&server, &admin, &query).await;

        let found: Vec<&str> = entries.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
        assert_eq!(found, paths, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_refused_with_its_name() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for (query, field) in [
        ("key=cli_1", "key"),
        ("key=", "key"),
        ("client=x", "client"),
        ("grant=%00", "grant"),
        ("status=600", "status"),
        ("status=4XY", "status"),
        ("method=%20", "method"),
        ("path=v1", "path"),
        ("path=%2F%00", "path"),
        ("path=%2F%FF", "path"),
        ("via=api&via=api", "via"),
        ("via=API", "via"),
        ("since=yesterday", "since"),
        ("until=2030-02-30", "until"),
        ("since=2030-01-01T00:00:00+02:00", "since"),
        ("limit=0", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("satus=403", "satus"),
        ("x%00=1", "x\u{0}"),
    ] {
        let answer = server.get_as(&admin, &format!("{PATH}?{query}")).await;

        assert_eq!((answer.status, answer.error()), (400, "bad_request"), "{query}: {}", answer.text);
        assert_eq!(answer.json["error"]["field"], field, "{query}");
    }
}

#[tokio::test]
async fn no_query_and_no_secret_comes_into_the_log() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let session = server.session_of(&ada).await;

    for secret in [&admin, &session.access_token, &session.refresh_token] {
        server.get_as(&admin, &format!("/v1/api-keys/{secret}?key={secret}&password=hunter2")).await;
    }
    server.write_access_log().await;

    let entries = log(&server, &admin, "").await;
    assert_eq!(entries.len(), 3);
    for entry in entries {
        assert_eq!(entry["path"], "/v1/api-keys/…", "{entry}");
    }
    let columns: Vec<String> =
        sqlx::query_scalar("select e::text from access_log e").fetch_all(&server.app.db).await.unwrap();
    assert!(columns.iter().all(|row| !row.contains("hunter2") && !row.contains(&admin[11..])), "{columns:?}");
}

#[tokio::test]
async fn a_long_path_is_cut_and_a_strange_method_told() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let path = format!("/v1/{}", "a".repeat(5000));
    let strange = server.request("SUPERCALIFRAGILISTICEXPIALIDOCIOUS", &path).bearer_auth(&admin);
    Answer::of(strange.header("user-agent", "x".repeat(5000))).await;
    server.write_access_log().await;

    let entries = log(&server, &admin, "").await;
    assert_eq!(entries[0]["path"].as_str().unwrap().len(), 512);
    assert_eq!(entries[0]["user_agent"].as_str().unwrap().len(), 512);
    assert_eq!(entries[0]["method"], "SUPERCALIFRAGILISTIC");
}

#[tokio::test]
async fn who_hangs_up_is_logged_all_the_same() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    // Holds the request for as long as the test wants.
    let mut lock = server.app.db.begin().await.unwrap();
    sqlx::query("lock table api_keys in access exclusive mode").execute(&mut *lock).await.unwrap();
    let session = server.session_of(&ada).await.access_token;

    let impatient = server.request("GET", "/v1/api-keys").bearer_auth(&session);
    let gone = impatient.timeout(Duration::from_millis(300)).send().await;
    assert!(gone.is_err());
    while server.app.access_log.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    lock.rollback().await.unwrap();
    server.write_access_log().await;

    let entries = log(&server, &admin, "").await;
    assert_eq!(reasons(&entries), [("/v1/api-keys", 499, Some("client_closed_request"))]);
}

#[tokio::test]
async fn ten_thousand_entries_are_paged_through_without_loss() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    for number in 0..10_000 {
        server.app.access_log.push(entry(&server, ada.organization, &format!("/{number}")));
        if number % 5000 == 4999 {
            server.clock.advance(TimeDelta::days(1));
            server.write_access_log().await;
        }
    }

    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = server.get_as(&admin, &format!("{PATH}?limit=200{cursor}")).await;
        let page = answer.json["data"].as_array().unwrap().clone();
        found.extend(page.iter().map(|entry| entry["path"].as_str().unwrap()[1..].parse::<i32>().unwrap()));
        let Some(next) = answer.json["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        // Newer ones change nothing.
        server.write_access_log().await;
    }

    assert_eq!(found, (0..10_000).rev().collect::<Vec<i32>>());
}
