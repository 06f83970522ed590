//! Webhooks that are not to be delivered to: those that fail for a day, and those that lead where only this server
//! gets.

use chrono::TimeDelta;
use countersign::organizations::member::Role;
use serde_json::Value;
use serde_json::json;

use crate::api::webhook_deliveries::deliveries;
use crate::api::webhooks::create;
use crate::api::webhooks::make_key;
use crate::api::webhooks::post;
use crate::api::webhooks::start;
use crate::support::Receiver;
use crate::support::TestServer;

/// From one attempt to the next, in seconds.
const STEPS: [i64; 13] = [5, 25, 90, 480, 1200, 1800, 3600, 7200, 14_400, 14_400, 14_400, 14_400, 14_400];

#[tokio::test]
async fn after_a_day_of_failures_an_endpoint_is_disabled_and_its_managers_hear_of_it() {
    let server = TestServer::start_with(|settings| settings.outgoing_to_private = true).await;
    let ada = server.user("ada").await;
    server.colleague("bob", ada.organization, Role::Admin).await;
    server.colleague("carl", ada.organization, Role::Member).await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let receiver = Receiver::start().await;
    receiver.answer(503, b"later");
    let id = create(&server, &admin, &json!({ "url": format!("{}?token=hunter2", receiver.url) }))
        .await
        .field("id");
    let path = format!("/v1/webhooks/{id}");
    make_key(&server, &admin).await;

    let mut count = server.deliver_webhooks().await;
    for step in STEPS {
        assert_eq!(server.get_as(&admin, &path).await.json["status"], "enabled");
        server.clock.advance(TimeDelta::seconds(step));
        count += server.deliver_webhooks().await;
    }

    assert_eq!(count, 14);
    let shown = server.get_as(&admin, &path).await.json;
    assert_eq!(
        (&shown["status"], &shown["disabled_at"]),
        (&json!("disabled"), &json!("2030-01-02T00:00:00Z"))
    );
    assert_eq!(shown["disabled_because"], "Every delivery failed for 24 hours");
    assert_eq!(deliveries(&server, &admin, &id).await[0]["status"], "failed");
    let mails = server.mails();
    let mut told: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["ada@example.com", "bob@example.com"]);
    assert!(mails[0].text.contains(&format!("/settings/webhooks/{id}")), "{}", mails[0].text);
    assert!(!mails[0].text.contains("hunter2"), "{}", mails[0].text);
    let actor: String =
        sqlx::query_scalar("select actor_kind from audit_log where action = 'webhook.disabled'")
            .fetch_one(&server.app.db)
            .await
            .unwrap();
    assert_eq!(actor, "server");
}

#[tokio::test]
async fn one_success_makes_the_day_begin_anew() {
    let (server, admin, receiver) = start().await;
    let id = create(&server, &admin, &json!({ "url": receiver.url })).await.field("id");
    for hours in [0, 20, 40, 60] {
        receiver.answer(500, b"");
        make_key(&server, &admin).await;
        server.deliver_webhooks().await;
        server.clock.advance(TimeDelta::hours(20));
        receiver.answer(200, b"");
        assert_eq!(server.deliver_webhooks().await, 1, "after {hours} hours");
    }

    let shown = server.get_as(&admin, &format!("/v1/webhooks/{id}")).await.json;
    assert_eq!((&shown["status"], &shown["failing_since"]), (&json!("enabled"), &Value::Null));
}

#[tokio::test]
async fn who_answers_410_is_sent_nothing_more_until_enabled() {
    let (server, admin, receiver) = start().await;
    let id = create(&server, &admin, &json!({ "url": receiver.url })).await.field("id");
    let path = format!("/v1/webhooks/{id}");
    make_key(&server, &admin).await;
    receiver.answer(410, b"gone");
    server.deliver_webhooks().await;
    let disabled = server.get_as(&admin, &path).await.json;
    let delivery = deliveries(&server, &admin, &id).await[0]["id"].as_str().unwrap().to_owned();
    let redeliver = format!("{path}/deliveries/{delivery}/redeliver");

    make_key(&server, &admin).await;
    let unheard = server.deliver_webhooks().await;
    let refused =
        [post(&server, &admin, &redeliver).await, post(&server, &admin, &format!("{path}/test")).await];
    server.send_json_as(&admin, "PATCH", &path, &json!({ "status": "enabled" })).await;
    receiver.answer(200, b"");
    let accepted = post(&server, &admin, &redeliver).await;
    let heard = server.deliver_webhooks().await;

    assert_eq!(
        (&disabled["status"], &disabled["disabled_because"]),
        (&json!("disabled"), &json!("It answered 410 Gone"))
    );
    assert_eq!((unheard, heard), (0, 1));
    for answer in refused {
        assert_eq!((answer.status, answer.error()), (409, "conflict"), "{}", answer.text);
    }
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    assert_eq!(deliveries(&server, &admin, &id).await.len(), 1, "a disabled endpoint misses what happens");
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_disabled_or_deleted_is_not_sent() {
    let (server, admin, receiver) = start().await;
    let [one, other] = [
        create(&server, &admin, &json!({ "url": receiver.url })).await.field("id"),
        create(&server, &admin, &json!({ "url": receiver.url })).await.field("id"),
    ];
    make_key(&server, &admin).await;

    server
        .send_json_as(&admin, "PATCH", &format!("/v1/webhooks/{one}"), &json!({ "status": "disabled" }))
        .await;
    server.request("DELETE", &format!("/v1/webhooks/{other}")).bearer_auth(&admin).send().await.unwrap();

    assert_eq!((server.deliver_webhooks().await, receiver.received().len()), (0, 0));
    assert_eq!(deliveries(&server, &admin, &one).await[0]["status"], "failed");
}

/// A server that sends only to public addresses, and a port of this machine on which nobody must knock.
async fn start_public() -> (TestServer, String, std::net::TcpListener) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    (server, admin, listener)
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
    let (server, admin, listener) = start_public().await;
    let port = listener.local_addr().unwrap().port();
    let id =
        create(&server, &admin, &json!({ "url": format!("https://localhost:{port}/") })).await.field("id");
    make_key(&server, &admin).await;

    server.deliver_webhooks().await;

    let attempt = &deliveries(&server, &admin, &id).await[0]["attempts"][0];
    assert_eq!(attempt["problem"], "The URL leads to an address that is not public");
    assert!(listener.accept().is_err(), "nobody knocked");
}

/// Such as one that was allowed before the configuration changed.
#[tokio::test]
async fn an_address_is_checked_again_whenever_something_is_sent_to_it() {
    let (server, admin, listener) = start_public().await;
    let id = create(&server, &admin, &json!({ "url": "https://hooks.example/" })).await.field("id");
    let port = listener.local_addr().unwrap().port();
    let urls = [format!("https://127.0.0.1:{port}/"), format!("http://127.0.0.1:{port}/")];
    let problems = ["The URL leads to an address that is not public", "The URL must begin with https://"];

    for (url, problem) in urls.iter().zip(problems) {
        sqlx::query("update webhook_endpoints set url = $1").bind(url).execute(&server.app.db).await.unwrap();
        post(&server, &admin, &format!("/v1/webhooks/{id}/test")).await;
        server.deliver_webhooks().await;

        let attempt = &deliveries(&server, &admin, &id).await[0]["attempts"][0];
        assert_eq!(attempt["problem"], problem, "{url}");
    }
    assert!(listener.accept().is_err(), "nobody knocked");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (server, admin, receiver) = start().await;
    let inside = Receiver::start().await;
    receiver.redirect_to(&inside.url);
    let id = create(&server, &admin, &json!({ "url": receiver.url })).await.field("id");
    make_key(&server, &admin).await;

    server.deliver_webhooks().await;

    assert_eq!((receiver.received().len(), inside.received().len()), (1, 0));
    let delivery = &deliveries(&server, &admin, &id).await[0];
    assert_eq!((&delivery["status"], &delivery["attempts"][0]["status"]), (&json!("pending"), &json!(307)));
}
