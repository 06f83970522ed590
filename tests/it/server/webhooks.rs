//! Webhooks of a process that works by itself, and that dies.

use serde_json::json;

use crate::support::Answer;
use crate::support::Folder;
use crate::support::Program;
use crate::support::Receiver;
use crate::support::TestServer;

/// A server whose database a process works on, too, and a key that may do everything.
async fn start() -> (TestServer, String, Folder, Program) {
    let server = TestServer::start_with(|settings| settings.outgoing_to_private = true).await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let folder = Folder::new();
    let program = Program::beside(&server.database, &folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_OUTGOING_TO_PRIVATE", "true");
    (server, admin, folder, program)
}

async fn webhook(server: &TestServer, admin: &str, receiver: &Receiver) -> String {
    server.send_json_as(admin, "POST", "/v1/webhooks", &json!({ "url": receiver.url })).await.field("id")
}

async fn make_key(url: &str, admin: &str) {
    let body = json!({ "label": "CI", "scopes": ["read"] });
    let request = reqwest::Client::new().post(format!("{url}/v1/api-keys")).bearer_auth(admin).json(&body);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn an_event_whose_process_is_killed_before_it_is_taken_arrives_after_the_restart() {
    let (server, admin, _folder, program) = start().await;
    let receiver = Receiver::start().await;
    let id = webhook(&server, &admin, &receiver).await;
    receiver.be_silent(true);
    let mut first = program.serve(&["serve"]);
    make_key(&first.url().await, &admin).await;
    receiver.wait_for(1).await;
    let path = format!("/v1/webhooks/{id}/deliveries");
    assert_eq!(server.get_as(&admin, &path).await.json["data"][0]["status"], "pending");

    first.signal("KILL");
    first.end().await;
    receiver.be_silent(false);
    let mut second = program.serve(&["serve"]);
    second.url().await;

    receiver.wait_for(2).await;
    let heard = receiver.received();
    assert_eq!(heard[0].body, heard[1].body);
    assert_eq!(heard[0].header("webhook-id"), heard[1].header("webhook-id"));
    for _ in 0..500 {
        if server.get_as(&admin, &path).await.json["data"][0]["status"] == "delivered" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{}", server.get_as(&admin, &path).await.text);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_holds_up_no_other() {
    let (server, admin, _folder, program) = start().await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.be_silent(true);
    webhook(&server, &admin, &slow).await;
    let mut process = program.serve(&["serve"]);
    let url = process.url().await;
    // As much as may be under way to one endpoint at once, and more.
    for _ in 0..8 {
        make_key(&url, &admin).await;
    }
    slow.wait_for(1).await;

    webhook(&server, &admin, &quick).await;
    for _ in 0..8 {
        make_key(&url, &admin).await;
    }

    quick.wait_for(8).await;
    assert!(slow.received().len() < 8, "it was still waited for");
}

#[tokio::test]
async fn an_organization_whose_endpoints_do_not_answer_holds_up_no_other() {
    let (server, admin, _folder, program) = start().await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.be_silent(true);
    for _ in 0..20 {
        webhook(&server, &admin, &slow).await;
    }
    let bob = server.user("bob").await;
    let (_, other) = server.key(bob.organization, "admin").await;
    webhook(&server, &other, &quick).await;
    let mut process = program.serve(&["serve"]);
    let url = process.url().await;
    // More than may be under way in all.
    for _ in 0..4 {
        make_key(&url, &admin).await;
    }
    slow.wait_for(16).await;

    make_key(&url, &other).await;

    quick.wait_for(1).await;
    assert_eq!(slow.received().len(), 16, "they were still waited for");
}
