//! `/v1/webhooks`: the endpoints themselves.

use countersign::organizations::member::Role;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::Receiver;
use crate::support::TestServer;

const URL: &str = "https://hooks.example/in?token=1";

/// A server that may send to this machine, a key that may do everything, and somebody who receives.
pub(super) async fn start() -> (TestServer, String, Receiver) {
    let server = TestServer::start_with(|settings| settings.outgoing_to_private = true).await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    (server, admin, Receiver::start().await)
}

/// As a newcomer has it: only public addresses.
async fn start_public() -> (TestServer, String) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    (server, admin)
}

pub(super) async fn create(server: &TestServer, admin: &str, body: &Value) -> Answer {
    let answer = server.send_json_as(admin, "POST", "/v1/webhooks", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer
}

pub(super) async fn post(server: &TestServer, admin: &str, path: &str) -> Answer {
    Answer::of(server.request("POST", path).bearer_auth(admin)).await
}

/// Something of which an event tells.
pub(super) async fn make_key(server: &TestServer, admin: &str) -> Answer {
    let body = json!({ "label": "CI", "scopes": ["read"] });
    let answer = server.send_json_as(admin, "POST", "/v1/api-keys", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer
}

async fn audited(server: &TestServer) -> Vec<String> {
    let actions = "select action from audit_log where target_kind = 'webhook' order by id";
    sqlx::query_scalar(actions).fetch_all(&server.app.db).await.unwrap()
}

#[tokio::test]
async fn a_new_webhook_is_shown_with_its_secret_once() {
    let (server, admin) = start_public().await;

    let body = json!({
        "url": URL, "description": " Billing ", "events": ["grant.created", "api_key.created", "grant.created"]
    });
    let answer = create(&server, &admin, &body).await;

    let (id, secret) = (answer.field("id"), answer.field("secret"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("location"), Some(format!("/v1/webhooks/{id}").as_str()));
    assert!(secret.starts_with("whsec_") && secret.len() == 46, "{secret}");
    let mut expected = json!({
        "id": id,
        "url": URL,
        "description": "Billing",
        "events": ["api_key.created", "grant.created"],
        "status": "enabled",
        "disabled_at": null,
        "disabled_because": null,
        "failing_since": null,
        "previous_until": null,
        "created_at": "2030-01-01T00:00:00Z",
    });
    let shown = server.get_as(&admin, &format!("/v1/webhooks/{id}")).await;
    assert_eq!(shown.json, expected);
    assert_eq!(
        server.get_as(&admin, "/v1/webhooks").await.json,
        json!({ "data": [expected], "next_cursor": null })
    );
    expected["secret"] = secret.into();
    assert_eq!(answer.json, expected);
    assert_eq!(audited(&server).await, ["webhook.created"]);
}

#[tokio::test]
async fn the_secret_is_not_readable_in_the_database() {
    let (server, admin) = start_public().await;

    let secret = create(&server, &admin, &json!({ "url": URL })).await.field("secret");

    let stored: Vec<u8> = sqlx::query_scalar("select secret_sealed from webhook_endpoints")
        .fetch_one(&server.app.db)
        .await
        .unwrap();
    let text = secret.trim_start_matches("whsec_").as_bytes();
    assert!(!stored.windows(8).any(|part| text.windows(8).any(|secret| secret == part)));
}

#[tokio::test]
async fn a_webhook_is_changed_field_by_field() {
    let (server, admin) = start_public().await;
    let id = create(&server, &admin, &json!({ "url": URL })).await.field("id");
    let path = format!("/v1/webhooks/{id}");

    let changed =
        server.send_json_as(&admin, "PATCH", &path, &json!({ "events": ["user.registered"] })).await;
    let disabled = server.send_json_as(&admin, "PATCH", &path, &json!({ "status": "disabled" })).await;
    let enabled = server.send_json_as(&admin, "PATCH", &path, &json!({ "status": "enabled" })).await;
    let unchanged = server.send_json_as(&admin, "PATCH", &path, &json!({})).await;

    assert_eq!(changed.json["events"], json!(["user.registered"]), "{}", changed.text);
    assert_eq!(changed.json["url"], URL);
    assert_eq!(disabled.json["status"], "disabled");
    assert_eq!(disabled.json["disabled_at"], "2030-01-01T00:00:00Z");
    assert_eq!(disabled.json["disabled_because"], "Somebody of the organization disabled it");
    assert_eq!(enabled.json["status"], "enabled");
    assert_eq!(unchanged.json, enabled.json);
    let actions = ["webhook.created", "webhook.updated", "webhook.disabled", "webhook.enabled"];
    assert_eq!(audited(&server).await, actions);
}

#[tokio::test]
async fn a_deleted_webhook_is_gone() {
    let (server, admin) = start_public().await;
    let path = format!("/v1/webhooks/{}", create(&server, &admin, &json!({ "url": URL })).await.field("id"));

    let deleted = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;
    let again = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;

    assert_eq!((deleted.status, again.status), (204, 404));
    assert_eq!(server.get_as(&admin, &path).await.status, 404);
    assert_eq!(audited(&server).await, ["webhook.created", "webhook.deleted"]);
}

#[tokio::test]
async fn a_webhook_that_will_not_do_names_the_field() {
    let (server, admin) = start_public().await;
    let id = create(&server, &admin, &json!({ "url": URL })).await.field("id");
    let long = "x".repeat(2001);

    for (body, field) in [
        (json!({ "url": "" }), "url"),
        (json!({ "url": "hooks.example" }), "url"),
        (json!({ "url": "http://hooks.example/" }), "url"),
        (json!({ "url": "javascript:alert(1)" }), "url"),
        (json!({ "url": "file:///etc/passwd" }), "url"),
        (json!({ "url": "https://me:secret@hooks.example/" }), "url"),
        (json!({ "url": "https://hooks.example/#x" }), "url"),
        (json!({ "url": "https://hooks.example:25/" }), "url"),
        (json!({ "url": format!("https://hooks.example/{long}") }), "url"),
        (json!({ "url": 1 }), "url"),
        (json!({ "url": URL, "description": long }), "description"),
        (json!({ "url": URL, "description": "a\nb" }), "description"),
        (json!({ "url": URL, "description": "a\u{0}b" }), "description"),
        (json!({ "url": URL, "events": ["no.such"] }), "events"),
        (json!({ "url": URL, "events": ["webhook.test"] }), "events"),
        (json!({ "url": URL, "events": "grant.created" }), "events"),
        (json!({ "url": URL, "secret": "whsec_mine" }), "secret"),
    ] {
        let created = server.send_json_as(&admin, "POST", "/v1/webhooks", &body).await;
        let changed = server.send_json_as(&admin, "PATCH", &format!("/v1/webhooks/{id}"), &body).await;

        for answer in [created, changed] {
            assert_eq!(
                (answer.status, answer.error()),
                (422, "validation_error"),
                "{body:.200}: {}",
                answer.text
            );
            assert_eq!(answer.json["error"]["field"], field, "{body:.200}");
            assert!(!answer.text.contains("secret@"), "{}", answer.text);
        }
    }
    let missing = server.send_json_as(&admin, "POST", "/v1/webhooks", &json!({})).await;
    assert_eq!((missing.status, &missing.json["error"]["field"]), (422, &json!("url")));
    assert_eq!(server.get_as(&admin, &format!("/v1/webhooks/{id}")).await.json["url"], URL);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused() {
    let (server, admin) = start_public().await;

    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.5.4",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ] {
        let body = json!({ "url": format!("https://{host}/latest/meta-data") });
        let answer = server.send_json_as(&admin, "POST", "/v1/webhooks", &body).await;

        assert_eq!(
            (answer.status, &answer.json["error"]["field"]),
            (422, &json!("url")),
            "{host}: {}",
            answer.text
        );
        let message = "The URL leads to an address that is not public";
        assert_eq!(answer.json["error"]["message"], message, "{host}");
    }
}

#[tokio::test]
async fn an_organization_has_at_most_twenty_also_when_many_are_made_at_once() {
    let (server, admin) = start_public().await;

    let asked = (0..25)
        .map(|_| server.request("POST", "/v1/webhooks").bearer_auth(&admin).json(&json!({ "url": URL })));
    let answers = Answer::of_all(asked).await;

    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (20, 5));
    let page = server.get_as(&admin, "/v1/webhooks?limit=15").await;
    let cursor = page.json["next_cursor"].as_str().unwrap();
    let rest = server.get_as(&admin, &format!("/v1/webhooks?limit=15&cursor={cursor}")).await;
    assert_eq!(page.json["data"].as_array().unwrap().len(), 15);
    assert_eq!(rest.json["data"].as_array().unwrap().len(), 5);
    assert_eq!(rest.json["next_cursor"], Value::Null);
}

#[tokio::test]
async fn an_overlap_that_makes_no_sense_is_refused() {
    let (server, admin) = start_public().await;
    let id = create(&server, &admin, &json!({ "url": URL })).await.field("id");

    for overlap in [json!(-1), json!(2_592_001), json!(i64::MAX), json!("1"), json!(1.5)] {
        let path = format!("/v1/webhooks/{id}/rotate");
        let answer = server.send_json_as(&admin, "POST", &path, &json!({ "overlap_seconds": overlap })).await;

        assert_eq!(
            (answer.status, &answer.json["error"]["field"]),
            (422, &json!("overlap_seconds")),
            "{overlap}"
        );
    }
    assert_eq!(audited(&server).await, ["webhook.created"]);
}

#[tokio::test]
async fn who_disabled_a_webhook_is_on_record() {
    let (server, _, _receiver) = start().await;
    let eve = server.user("eve").await;
    let bob = server.colleague("bob", eve.organization, Role::Admin).await;
    let session = server.session_of(&bob).await.access_token;
    let id = create(&server, &session, &json!({ "url": URL })).await.field("id");

    server
        .send_json_as(&session, "PATCH", &format!("/v1/webhooks/{id}"), &json!({ "status": "disabled" }))
        .await;

    let row: (String, Option<String>, Value, Value) = sqlx::query_as(
        "select actor_kind, actor_name, before, after from audit_log where action = 'webhook.disabled'",
    )
    .fetch_one(&server.app.db)
    .await
    .unwrap();
    let because = "Somebody of the organization disabled it";
    assert_eq!((row.0.as_str(), row.1.as_deref()), ("user", Some("bob@example.com")));
    assert_eq!(row.2, json!({ "status": "enabled" }));
    assert_eq!(row.3, json!({ "url": URL, "status": "disabled", "disabled_because": because }));
}
