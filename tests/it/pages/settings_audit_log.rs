//! `/settings/audit-log`: who changed what that matters to security.

use chrono::TimeDelta;
use countersign::audit::act::Act;
use countersign::audit::act::Actor;
use countersign::audit::act::ActorKind;
use countersign::audit::log;
use countersign::audit::log::Change;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;
use crate::support::TestUser;

const PATH: &str = "/settings/audit-log";

async fn record(
    server: &TestServer,
    user: &TestUser,
    action: &str,
    (before, after): (Option<Value>, Option<Value>),
) {
    let act = Act {
        actor: Actor { kind: ActorKind::User, id: Some(user.id.clone()), name: Some(user.email.clone()) },
        address: Some("203.0.113.9".parse().unwrap()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
        at: server.clock.now(),
    };
    let change = Change {
        organization: Some(user.organization),
        action,
        target: ("thing", "thing_1".to_owned()),
        before,
        after,
    };
    let mut tx = server.app.db.begin().await.unwrap();
    log::record(&mut tx, &act, &change).await.unwrap();
    tx.commit().await.unwrap();
}

fn rows(page: &Answer) -> usize {
    page.text.matches("<li class=\"row\">").count()
}

#[tokio::test]
async fn a_change_is_shown_with_who_what_and_from_where() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let before = json!({ "scopes": ["read", "write"], "requests_per_hour": null });
    let after = json!({ "scopes": ["read"], "requests_per_hour": 5 });

    record(&server, &ada, "thing.changed", (Some(before), Some(after))).await;

    let page = browser.get(&format!("{PATH}?action=thing.changed")).await;
    for words in [
        "Thing changed",
        "thing.changed",
        "ada@example.com",
        "203.0.113.9, Firefox on Linux",
        "1 January 2030, 00:00:00 UTC",
        "thing_1",
        "<dt>requests per hour</dt>",
        "<del><span class=\"hidden\">Before: </span>read, write</del>",
        "<ins><span class=\"hidden\">After: </span>read</ins>",
        "<del><span class=\"hidden\">Before: </span>nothing</del>",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
}

#[tokio::test]
async fn filters_and_older_pages() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    for _ in 0..60 {
        record(&server, &ada, "thing.changed", (None, Some(json!({ "name": "x" })))).await;
    }
    server.clock.advance(TimeDelta::days(1));
    record(&server, &ada, "thing.removed", (Some(json!({ "name": "x" })), None)).await;

    for (query, count) in [
        ("action=thing.removed".to_owned(), 1),
        (format!("actor={}&target=thing_1&action=thing.removed", ada.id), 1),
        ("target=thing_2".to_owned(), 0),
        ("target=thing_1&since=2030-01-02&until=2030-01-02".to_owned(), 1),
        ("target=thing_1&until=2030-01-01".to_owned(), 50),
    ] {
        let page = browser.get(&format!("{PATH}?{query}")).await;
        assert_eq!((page.status, rows(&page)), (200, count), "{query}: {}", page.text);
    }
    let first = browser.get(&format!("{PATH}?action=thing.changed")).await;
    let older = first.text.split("class=\"older\"><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let older = browser.get(&older.replace("&#38;", "&")).await;
    assert_eq!((rows(&first), rows(&older)), (50, 10));
}

#[tokio::test]
async fn a_filter_that_means_nothing_says_so_at_its_field() {
    let server = TestServer::start().await;
    let browser = server.browser_of(&server.user("ada").await).await;

    for (query, words) in [
        ("action=%00", "This is no text."),
        ("actor=a%0Ab", "This is no text."),
        ("since=now", "This is no day."),
        ("until=2030-13-01", "This is no day."),
    ] {
        let page = browser.get(&format!("{PATH}?{query}")).await;

        assert_eq!(page.status, 400, "{query}");
        assert!(page.text.contains(words), "{query}: {}", page.text);
    }
    assert_eq!(browser.get(&format!("{PATH}?before=x")).await.status, 400);
}

#[tokio::test]
async fn another_organizations_changes_are_not_there_and_what_people_wrote_is_text() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    record(&server, &ada, "thing.changed", (None, Some(json!({ "name": "<script>" })))).await;

    let own = server.browser_of(&ada).await.get(&format!("{PATH}?target=thing_1")).await;
    let foreign = server.browser_of(&eve).await.get(&format!("{PATH}?target=thing_1")).await;

    assert!(own.text.contains("&#60;script&#62;") && !own.text.contains("<script>"), "{}", own.text);
    assert!(foreign.text.contains("No changes"), "{}", foreign.text);
}
