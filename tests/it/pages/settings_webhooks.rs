//! `/settings/webhooks`

use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Receiver;
use crate::support::TestServer;
use crate::support::field_of;
use crate::support::form_of;

const WEBHOOKS: &str = "/settings/webhooks";

async fn start() -> (TestServer, String, Browser, Receiver) {
    let server = Box::pin(TestServer::start_with(|settings| settings.outgoing_to_private = true)).await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let browser = server.browser_of(&ada).await;
    (server, admin, browser, Receiver::start().await)
}

async fn add(browser: &Browser, fields: &[(&str, &str)]) -> Answer {
    browser.submit(WEBHOOKS, WEBHOOKS, fields).await
}

/// The page of a new webhook.
async fn webhook(browser: &Browser, receiver: &Receiver) -> String {
    let shown = add(browser, &[("url", &receiver.url), ("description", "Billing")]).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let mut links = shown.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.find(|link| link.starts_with("/settings/webhooks/whk_")).unwrap().to_owned()
}

/// Presses the button whose form is posted to `action`, and follows to where it leads.
async fn press(browser: &Browser, page: &str, action: &str) -> Answer {
    let answer = browser.submit(page, action, &[]).await;
    assert_eq!((answer.status, answer.location()), (303, page), "{}", answer.text);
    browser.get(page).await
}

#[tokio::test]
async fn a_new_webhook_is_shown_with_its_secret_once() {
    let (_server, _, browser, receiver) = start().await;

    let shown = add(&browser, &[("url", &receiver.url), ("event", "grant.created")]).await;

    assert_eq!((shown.status, shown.header("cache-control")), (200, Some("no-store")), "{}", shown.text);
    let secret = field_of(&shown, "secret").unwrap();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let list = browser.get(WEBHOOKS).await;
    assert!(list.text.contains(&receiver.url) && list.text.contains("grant.created"), "{}", list.text);
    assert!(!list.text.contains(&secret));
}

#[tokio::test]
async fn a_form_that_will_not_do_says_so_beside_its_field() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let long = "x".repeat(201);

    for (fields, mark) in [
        (vec![("url", "http://hooks.example/")], "url-problem"),
        (vec![("url", "")], "url-problem"),
        (vec![("url", "https://169.254.169.254/latest")], "url-problem"),
        (vec![("url", "https://hooks.example/"), ("description", &long)], "description-problem"),
        (vec![("url", "https://hooks.example/"), ("event", "no.such")], "event-problem"),
    ] {
        let answer = add(&browser, &fields).await;

        assert_eq!(answer.status, 422, "{fields:?}: {}", answer.text);
        assert!(answer.text.contains(&format!("id=\"{mark}\"")), "{fields:?}: {}", answer.text);
        assert!(answer.text.contains(fields[0].1), "what was typed is still there");
    }
    assert!(browser.get(WEBHOOKS).await.text.contains("No webhooks yet"));
}

#[tokio::test]
async fn a_test_event_and_its_answer_are_shown_as_text() {
    let (server, _, browser, receiver) = start().await;
    let page = webhook(&browser, &receiver).await;
    receiver.answer(500, b"<script>alert(1)</script>");

    let waiting = press(&browser, &page, &format!("{page}/test")).await;
    server.deliver_webhooks().await;
    let after = browser.get(&page).await;

    assert!(waiting.text.contains("A test event is on its way") && waiting.text.contains("Not tried yet"));
    for part in ["webhook.test", "not delivered", "1 attempt", "500", "alert(1)"] {
        assert!(after.text.contains(part), "{part}: {}", after.text);
    }
    assert!(!after.text.contains("<script>"), "{}", after.text);
}

#[tokio::test]
async fn an_event_is_sent_again() {
    let (server, admin, browser, receiver) = start().await;
    let page = webhook(&browser, &receiver).await;
    server.send_json_as(&admin, "POST", "/v1/api-keys", &json!({ "label": "x", "scopes": ["read"] })).await;
    server.deliver_webhooks().await;
    let shown = browser.get(&page).await;
    let mut actions = shown.text.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let action = actions.find(|action| action.ends_with("/redeliver")).unwrap();

    press(&browser, &page, action).await;
    server.deliver_webhooks().await;

    let heard = receiver.received();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].body, heard[1].body);
    assert!(browser.get(&page).await.text.contains("2 attempts"));
}

#[tokio::test]
async fn a_rotation_shows_the_new_secret_and_until_when_the_old_one_signs() {
    let (server, _, browser, receiver) = start().await;
    let page = webhook(&browser, &receiver).await;
    let rotate = format!("{page}/rotate");

    let shown = browser.submit(&rotate, &rotate, &[("overlap_seconds", "86400")]).await;
    let nonsense = browser.submit(&rotate, &rotate, &[("overlap_seconds", "5")]).await;
    press(&browser, &page, &format!("{page}/test")).await;
    server.deliver_webhooks().await;

    assert_eq!((shown.status, nonsense.status), (200, 400), "{}", shown.text);
    assert!(field_of(&shown, "secret").unwrap().starts_with("whsec_"));
    assert!(shown.text.contains("The old secret ends in 24 hours."), "{}", shown.text);
    assert!(browser.get(&rotate).await.text.contains("X-Countersign-Signature"));
    assert!(browser.get(&page).await.text.contains("The old secret signs beside the new one"));
    assert_eq!(receiver.last().header("webhook-signature").split(' ').count(), 2);
}

#[tokio::test]
async fn a_webhook_is_changed_disabled_and_enabled() {
    let (server, _, browser, receiver) = start().await;
    let page = webhook(&browser, &receiver).await;

    let changed =
        [("url", "https://hooks.example/new"), ("description", "Audit"), ("event", "user.registered")];
    let saved = browser.submit(&page, &page, &changed).await;
    let refused = browser.submit(&page, &page, &[("url", "gopher://x")]).await;
    let disabled = press(&browser, &page, &format!("{page}/disable")).await;
    let csrf = browser.csrf(&page).await;
    let test = browser.post(&format!("{page}/test"), &[("csrf", &csrf)]).await;
    let enabled = press(&browser, &page, &format!("{page}/enable")).await;

    assert_eq!((saved.status, saved.location()), (303, page.as_str()), "{}", saved.text);
    assert_eq!(refused.status, 422);
    assert!(disabled.text.contains("Audit") && disabled.text.contains("hooks.example/new"));
    assert!(disabled.text.contains("Somebody of the organization disabled it"), "{}", disabled.text);
    assert!(!disabled.text.contains("Send a test event</button>"));
    assert_eq!(test.status, 400, "nothing is sent to it");
    assert!(
        enabled.text.contains("The webhook is enabled.")
            && enabled.text.contains("Send a test event</button>")
    );
    assert_eq!(server.deliver_webhooks().await, 0);
}

#[tokio::test]
async fn deleting_is_asked_first() {
    let (_server, _, browser, receiver) = start().await;
    let page = webhook(&browser, &receiver).await;
    let path = format!("{page}/delete");

    let asked = browser.get(&path).await;
    let answer = browser.send(&form_of(&asked, &path), &[]).await;

    assert_eq!((asked.status, answer.status, answer.location()), (200, 303, WEBHOOKS));
    assert!(browser.get(WEBHOOKS).await.text.contains("The webhook “Billing” was deleted."));
    assert_eq!(browser.get(&page).await.status, 404);
}
