//! What is sent to webhooks, how it is signed, and what becomes of it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;

use crate::api::webhooks::create;
use crate::api::webhooks::make_key;
use crate::api::webhooks::post;
use crate::api::webhooks::start;
use crate::support::Answer;
use crate::support::Received;
use crate::support::Receiver;
use crate::support::TestServer;

fn hmac_sha256(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

/// As the page of one of our users computes it.
fn hex_by(secret: &str, heard: &Received) -> String {
    let bytes = hmac_sha256(secret.as_bytes(), &heard.body);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// As <https://www.standardwebhooks.com> describes it.
fn standard_by(secret: &str, heard: &Received) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, timestamp) = (heard.header("webhook-id"), heard.header("webhook-timestamp"));
    let signed = format!("{id}.{timestamp}.{}", heard.body);
    format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)))
}

pub(super) async fn deliveries(server: &TestServer, admin: &str, id: &str) -> Vec<Value> {
    let answer = server.get_as(admin, &format!("/v1/webhooks/{id}/deliveries")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["data"].as_array().unwrap().clone()
}

/// Everything but how long it took.
fn attempts(delivery: &Value) -> Value {
    let mut attempts = delivery["attempts"].clone();
    for attempt in attempts.as_array_mut().unwrap() {
        assert!(attempt.as_object_mut().unwrap().remove("duration_ms").unwrap().is_number());
    }
    attempts
}

async fn webhook(server: &TestServer, admin: &str, receiver: &Receiver) -> (String, String) {
    let created = create(server, admin, &json!({ "url": receiver.url })).await;
    (created.field("id"), created.field("secret"))
}

#[tokio::test]
async fn an_event_arrives_with_two_signatures_over_its_body() {
    let (server, admin, receiver) = start().await;
    let (id, secret) = webhook(&server, &admin, &receiver).await;
    let key = make_key(&server, &admin).await.field("id");

    let count = server.deliver_webhooks().await;

    assert_eq!((count, receiver.received().len()), (1, 1));
    let heard = receiver.last();
    assert_eq!(heard.header("content-type"), "application/json");
    assert_eq!(heard.header("x-countersign-signature"), hex_by(&secret, &heard));
    assert_eq!(heard.header("webhook-signature"), standard_by(&secret, &heard));
    assert_eq!(heard.header("webhook-timestamp"), "1893456000");
    let body = heard.json();
    let organization = server.get_as(&admin, "/v1/profile").await.json["organization"]["id"].clone();
    assert_eq!(body["data"]["id"], key.as_str());
    assert_eq!(
        body,
        json!({
            "id": heard.header("webhook-id"),
            "type": "api_key.created",
            "created_at": "2030-01-01T00:00:00Z",
            "organization": organization,
            "data": body["data"],
        })
    );
    let log = deliveries(&server, &admin, &id).await;
    let attempt =
        json!({ "number": 1, "at": "2030-01-01T00:00:00Z", "status": 200, "answer": "ok", "problem": null });
    assert_eq!(attempts(&log[0]), json!([attempt]));
    assert_eq!(
        log,
        [json!({
            "id": log[0]["id"],
            "event": body,
            "status": "delivered",
            "attempts": log[0]["attempts"],
            "next_attempt_at": null,
            "delivered_at": "2030-01-01T00:00:00Z",
            "created_at": "2030-01-01T00:00:00Z",
        })]
    );
}

#[tokio::test]
async fn the_deployment_names_the_header() {
    let server = TestServer::start_with(|settings| {
        settings.outgoing_to_private = true;
        settings.webhook_signature_header = "X-Stride-Signature".to_owned();
    })
    .await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let receiver = Receiver::start().await;
    let (_, secret) = webhook(&server, &admin, &receiver).await;
    make_key(&server, &admin).await;

    server.deliver_webhooks().await;

    let heard = receiver.last();
    assert_eq!(heard.header("x-stride-signature"), hex_by(&secret, &heard));
    assert!(!heard.headers.contains_key("x-countersign-signature"));
}

#[tokio::test]
async fn an_endpoint_hears_only_what_it_wants_and_only_of_its_organization() {
    let (server, admin, receiver) = start().await;
    let (other, foreign) = (Receiver::start().await, Receiver::start().await);
    webhook(&server, &admin, &receiver).await;
    create(&server, &admin, &json!({ "url": other.url, "events": ["api_key.revoked"] })).await;
    let eve = server.user("eve").await;
    let (_, foreign_admin) = server.key(eve.organization, "admin").await;
    webhook(&server, &foreign_admin, &foreign).await;

    let key = make_key(&server, &admin).await.field("id");
    Answer::of(server.request("DELETE", &format!("/v1/api-keys/{key}")).bearer_auth(&admin)).await;
    server.deliver_webhooks().await;

    let types = |receiver: &Receiver| {
        let types =
            receiver.received().iter().map(|heard| heard.json()["type"].to_string()).collect::<Vec<_>>();
        let mut types: Vec<_> = types.iter().map(|kind| kind.trim_matches('"').to_owned()).collect();
        types.sort();
        types
    };
    assert_eq!(types(&receiver), ["api_key.created", "api_key.revoked"]);
    assert_eq!(types(&other), ["api_key.revoked"]);
    assert_eq!(types(&foreign), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_ever_more_rarely() {
    let (server, admin, receiver) = start().await;
    let (id, secret) = webhook(&server, &admin, &receiver).await;
    make_key(&server, &admin).await;
    receiver.answer(500, b"out of order");

    let mut counts = Vec::new();
    for seconds in [0, 0, 4, 1, 24, 1] {
        server.clock.advance(TimeDelta::seconds(seconds));
        if counts.len() == 5 {
            receiver.answer(204, b"");
        }
        counts.push(server.deliver_webhooks().await);
    }

    assert_eq!(counts, [1, 0, 0, 1, 0, 1]);
    let log = deliveries(&server, &admin, &id).await;
    let attempt = |number: i32, at: &str, status: i32, answer: &str| json!({ "number": number, "at": at, "status": status, "answer": answer, "problem": null });
    assert_eq!(
        attempts(&log[0]),
        json!([
            attempt(1, "2030-01-01T00:00:00Z", 500, "out of order"),
            attempt(2, "2030-01-01T00:00:05Z", 500, "out of order"),
            attempt(3, "2030-01-01T00:00:30Z", 204, ""),
        ])
    );
    assert_eq!(
        (&log[0]["status"], &log[0]["delivered_at"]),
        (&json!("delivered"), &json!("2030-01-01T00:00:30Z"))
    );
    let heard = receiver.received();
    assert!(heard.iter().all(|one| one.body == heard[0].body), "the same each time");
    assert!(heard.iter().all(|one| one.header("webhook-id") == heard[0].header("webhook-id")));
    let timestamps: Vec<_> = heard.iter().map(|one| one.header("webhook-timestamp")).collect();
    assert_eq!(
        timestamps,
        ["1893456000", "1893456005", "1893456030"],
        "of the attempt: receivers refuse old ones"
    );
    assert!(heard.iter().all(|one| one.header("webhook-signature") == standard_by(&secret, one)));
}

#[tokio::test]
async fn a_receiver_that_is_away_is_a_failure_with_its_reason() {
    let (server, admin, _) = start().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let id = create(&server, &admin, &json!({ "url": format!("http://{free}/") })).await.field("id");
    make_key(&server, &admin).await;

    server.deliver_webhooks().await;

    let log = deliveries(&server, &admin, &id).await;
    assert_eq!(
        (&log[0]["status"], &log[0]["next_attempt_at"]),
        (&json!("pending"), &json!("2030-01-01T00:00:05Z"))
    );
    let attempt = &log[0]["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["answer"]), (&Value::Null, &Value::Null));
    let problem = attempt["problem"].as_str().unwrap();
    assert!(problem.starts_with("No connection: ") && problem.contains("refused"), "{problem}");
    let shown = server.get_as(&admin, &format!("/v1/webhooks/{id}")).await;
    assert_eq!(shown.json["failing_since"], "2030-01-01T00:00:00Z");
}

#[tokio::test]
async fn of_an_answer_the_beginning_is_kept_as_text() {
    let (server, admin, receiver) = start().await;
    let (id, _) = webhook(&server, &admin, &receiver).await;
    make_key(&server, &admin).await;
    let mut answer = b"\0\xff".to_vec();
    answer.resize(5_000_000, b'x');
    receiver.answer(200, &answer);

    server.deliver_webhooks().await;

    let log = deliveries(&server, &admin, &id).await;
    let expected = format!("\u{fffd}\u{fffd}{}", "x".repeat(1022));
    assert_eq!(log[0]["attempts"][0]["answer"], expected.as_str());
    assert_eq!(log[0]["status"], "delivered");
}

#[tokio::test]
async fn two_workers_at_once_deliver_once() {
    let (server, admin, receiver) = start().await;
    webhook(&server, &admin, &receiver).await;
    for _ in 0..9 {
        make_key(&server, &admin).await;
    }

    let (one, other) = tokio::join!(server.deliver_webhooks(), server.deliver_webhooks());

    assert_eq!(one + other, 9);
    let mut ids: Vec<_> =
        receiver.received().iter().map(|heard| heard.header("webhook-id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((receiver.received().len(), ids.len()), (9, 9));
}

#[tokio::test]
async fn during_a_rotation_both_secrets_sign() {
    let (server, admin, receiver) = start().await;
    let (id, old) = webhook(&server, &admin, &receiver).await;
    let path = format!("/v1/webhooks/{id}/rotate");
    let rotated = server.send_json_as(&admin, "POST", &path, &json!({ "overlap_seconds": 3600 })).await;
    let new = rotated.field("secret");

    make_key(&server, &admin).await;
    server.deliver_webhooks().await;
    let during = receiver.last();
    server.clock.advance(TimeDelta::hours(1));
    make_key(&server, &admin).await;
    server.deliver_webhooks().await;
    let after = receiver.last();

    assert_eq!((rotated.status, rotated.header("cache-control")), (200, Some("no-store")));
    assert_eq!(rotated.json["previous_until"], "2030-01-01T01:00:00Z");
    assert_ne!(new, old);
    let both = format!("{} {}", standard_by(&new, &during), standard_by(&old, &during));
    assert_eq!(during.header("webhook-signature"), both);
    assert_eq!(
        during.header("x-countersign-signature"),
        hex_by(&new, &during),
        "one signature: the new secret's"
    );
    assert_eq!(after.header("webhook-signature"), standard_by(&new, &after));
}

#[tokio::test]
async fn without_an_overlap_the_old_secret_ends_at_once() {
    let (server, admin, receiver) = start().await;
    let (id, _) = webhook(&server, &admin, &receiver).await;
    make_key(&server, &admin).await;

    let rotated = post(&server, &admin, &format!("/v1/webhooks/{id}/rotate")).await;
    server.deliver_webhooks().await;

    let heard = receiver.last();
    assert_eq!(rotated.json["previous_until"], Value::Null, "{}", rotated.text);
    assert_eq!(heard.header("webhook-signature"), standard_by(&rotated.field("secret"), &heard));
}

#[tokio::test]
async fn a_delivered_event_is_sent_again_on_request() {
    let (server, admin, receiver) = start().await;
    let (id, _) = webhook(&server, &admin, &receiver).await;
    make_key(&server, &admin).await;
    server.deliver_webhooks().await;
    let delivery = deliveries(&server, &admin, &id).await[0]["id"].as_str().unwrap().to_owned();
    server.clock.advance(TimeDelta::days(3));

    let answer = post(&server, &admin, &format!("/v1/webhooks/{id}/deliveries/{delivery}/redeliver")).await;
    let count = server.deliver_webhooks().await;

    assert_eq!((answer.status, &answer.json["status"]), (202, &json!("pending")), "{}", answer.text);
    assert_eq!((count, receiver.received().len()), (1, 2));
    let heard = receiver.received();
    assert_eq!(heard[0].body, heard[1].body);
    assert_eq!(heard[0].header("webhook-id"), heard[1].header("webhook-id"));
    let log = deliveries(&server, &admin, &id).await;
    assert_eq!((log.len(), log[0]["attempts"].as_array().unwrap().len()), (1, 2));
    assert_eq!(log[0]["delivered_at"], "2030-01-04T00:00:00Z");
}

#[tokio::test]
async fn a_test_event_goes_to_one_endpoint_and_only_once() {
    let (server, admin, receiver) = start().await;
    let other = Receiver::start().await;
    let body = json!({ "url": receiver.url, "events": ["grant.created"] });
    let id = create(&server, &admin, &body).await.field("id");
    webhook(&server, &admin, &other).await;
    receiver.answer(500, b"");

    let answer = post(&server, &admin, &format!("/v1/webhooks/{id}/test")).await;
    server.deliver_webhooks().await;
    server.clock.advance(TimeDelta::days(2));
    server.deliver_webhooks().await;

    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!((receiver.received().len(), other.received().len()), (1, 0));
    let heard = receiver.last().json();
    assert_eq!((&heard["type"], &heard["data"]), (&json!("webhook.test"), &json!({ "endpoint": id })));
    assert_eq!(deliveries(&server, &admin, &id).await[0]["status"], "failed");
    let shown = server.get_as(&admin, &format!("/v1/webhooks/{id}")).await;
    assert_eq!((&shown.json["status"], &shown.json["failing_since"]), (&json!("enabled"), &Value::Null));
}

#[tokio::test]
async fn the_log_comes_in_pages() {
    let (server, admin, receiver) = start().await;
    let (id, _) = webhook(&server, &admin, &receiver).await;
    for _ in 0..5 {
        make_key(&server, &admin).await;
    }

    let path = format!("/v1/webhooks/{id}/deliveries?limit=3");
    let first = server.get_as(&admin, &path).await.json;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server.get_as(&admin, &format!("{path}&cursor={cursor}")).await.json;

    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|one| one["event"]["id"].to_string()).collect()
    };
    let all = [ids(&first), ids(&second)].concat();
    let mut sorted = all.clone();
    sorted.sort();
    sorted.reverse();
    assert_eq!((all.len(), &all), (5, &sorted), "the newest first");
    assert_eq!(second["next_cursor"], Value::Null);
    for cursor in ["x", "%00", "dlv_1"] {
        assert_eq!(server.get_as(&admin, &format!("{path}&cursor={cursor}")).await.status, 400, "{cursor}");
    }
}
