//! `/settings/access-log`: what was asked with the organization's credentials.

use chrono::TimeDelta;
use countersign::base::ids::AccessEntryId;
use countersign::organizations::access_log::AccessEntry;
use countersign::organizations::access_log::Via;
use countersign::organizations::credential::Credential;

use crate::support::Answer;
use crate::support::TestServer;

const PATH: &str = "/settings/access-log";

/// The paths of the requests that a page lists, in its order.
fn listed(page: &Answer) -> Vec<String> {
    let rows = page.text.split("<li class=\"row\">").skip(1);
    let code = |row: &str| {
        let code = row.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
        code.split_once(' ').unwrap().1.to_owned()
    };
    rows.map(code).collect()
}

/// Where a page's link with these words leads.
fn link(page: &Answer, words: &str) -> String {
    let before = page.text.split(&format!(">{words}</a>")).next().unwrap();
    let address = before.rsplit("href=\"").next().unwrap().split('"').next().unwrap();
    address.replace("&#38;", "&")
}

#[tokio::test]
async fn requests_are_listed_with_who_asked_and_what_came_of_it() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    assert!(browser.get(PATH).await.text.contains("No requests"));
    let (_, key) = server.key(ada.organization, "read").await;
    let token = server.public_client(ada.organization).await.tokens(&server, &browser).await;
    let session = server.session_of(&ada).await.access_token;

    for (credential, path) in [
        (&key, "/v1/profile?x=1"),
        (&key, "/v1/api-keys"),
        (&token.field("access_token"), "/v1/profile"),
        (&session, "/v1/grants"),
    ] {
        let request = server.request("GET", path).bearer_auth(credential).header("user-agent", "dialer/2.1");
        Answer::of(request).await;
    }
    server.write_access_log().await;

    let page = browser.get(PATH).await;
    assert_eq!(listed(&page), ["/v1/grants", "/v1/profile", "/v1/api-keys", "/v1/profile"]);
    for words in [
        "Key test",
        "Test app for ada@example.com",
        "ada@example.com, signed in",
        "<a class=\"small\" href=\"/errors/forbidden\">forbidden</a>",
        "1 January 2030, 00:00:00 UTC",
        "127.0.0.1",
        "dialer/2.1",
        "4 requests: 3 let through, 1 refused, 0 over the limit, 0 failed. At most 4 in 1 hour.",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(!page.text.contains("x=1"));
}

#[tokio::test]
async fn the_filter_has_an_address_and_keeps_what_was_typed() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let (id, key) = server.key(ada.organization, "read").await;
    let (_, other) = server.key(ada.organization, "read").await;
    for (credential, path) in [(&key, "/v1/profile"), (&key, "/v1/api-keys"), (&other, "/v1/auth/test")] {
        server.get_as(credential, path).await;
    }
    server.write_access_log().await;

    for (query, paths) in [
        ("status=&method=&path=&via=&credential=&since=&until=".to_owned(), 3),
        ("status=4xx".to_owned(), 1),
        ("status=200&path=/v1/auth".to_owned(), 1),
        ("method=POST".to_owned(), 0),
        ("via=forward_auth".to_owned(), 0),
        (format!("credential={id}"), 2),
        ("since=2030-01-01&until=2030-01-01".to_owned(), 3),
        ("since=2030-01-02".to_owned(), 0),
        ("until=2029-12-31".to_owned(), 0),
    ] {
        let page = browser.get(&format!("{PATH}?{query}")).await;

        assert_eq!((page.status, listed(&page).len()), (200, paths), "{query}: {}", page.text);
    }
    let page = browser.get(&format!("{PATH}?status=404&path=/v1/a%22b")).await;
    assert!(page.text.contains("<option value=\"404\" selected>"), "{}", page.text);
    assert!(page.text.contains("value=\"/v1/a&#34;b\""), "{}", page.text);
    assert!(page.text.contains("None that the filter lets through"));
}

#[tokio::test]
async fn a_filter_that_means_nothing_says_so_at_its_field() {
    let server = TestServer::start().await;
    let browser = server.browser_of(&server.user("ada").await).await;

    for (query, words) in [
        ("path=v1", "A path begins with a slash."),
        ("path=%2F%00", "A path begins with a slash."),
        ("credential=Production", "An id begins with key_, cli_ or gra_."),
        ("since=yesterday", "This is no day."),
        ("until=2030-02-30", "This is no day."),
    ] {
        let page = browser.get(&format!("{PATH}?{query}")).await;

        assert_eq!(page.status, 400, "{query}");
        assert!(page.text.contains(words), "{query}: {}", page.text);
    }
    for query in ["status=x", "method=%20", "via=x", "before=x", "since=2030-01-01&since=2030-01-02"] {
        assert_eq!(browser.get(&format!("{PATH}?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_page_leads_to_older_ones_and_to_one_credential_alone() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let (_, key) = server.key(ada.organization, "read").await;
    let (_, other) = server.key(ada.organization, "read").await;
    for _ in 0..60 {
        server.get_as(&key, "/v1/profile").await;
    }
    server.get_as(&other, "/v1/grants").await;
    server.write_access_log().await;

    let first = browser.get(&format!("{PATH}?method=GET")).await;
    let older = browser.get(&link(&first, "Older requests")).await;
    let alone = browser.get(&link(&first, "Key test")).await;

    assert_eq!((listed(&first).len(), listed(&older).len()), (50, 11));
    assert!(first.text.contains("class=\"plot\"") && !older.text.contains("class=\"plot\""));
    assert!(!older.text.contains("Older requests"));
    assert_eq!(listed(&alone), ["/v1/grants"]);
    assert!(alone.text.contains("value=\"GET\" selected"), "the rest of the filter stays");
}

#[tokio::test]
async fn the_chart_tells_kinds_apart_and_draws_what_the_filter_names() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    for status in [200, 403, 429, 500] {
        server.clock.advance(TimeDelta::days(1));
        let at = server.clock.now();
        let entry = AccessEntry {
            id: AccessEntryId::new(at),
            at,
            organization: ada.organization,
            credential: Credential::ApiKey(server.key(ada.organization, "read").await.0),
            client: None,
            user: None,
            via: Via::ForwardAuth,
            method: "GET".to_owned(),
            path: String::new(),
            status,
            reason: None,
            address: "203.0.113.9".parse().unwrap(),
            user_agent: None,
            duration: TimeDelta::zero(),
            is_use: true,
            exceeded: None,
        };
        server.app.access_log.push(entry);
        server.write_access_log().await;
    }

    let day = browser.get(PATH).await;
    let all = browser.get(&format!("{PATH}?since=2030-01-01")).await;
    let future = browser.get(&format!("{PATH}?since=2031-01-01")).await;

    assert!(
        day.text.contains("1 requests: 0 let through, 0 refused, 0 over the limit, 1 failed."),
        "{}",
        day.text
    );
    let summary = "4 requests: 1 let through, 1 refused, 1 over the limit, 1 failed. At most 1 in 1 day.";
    assert!(all.text.contains(summary), "{}", all.text);
    for pattern in ["chart-ok", "chart-refused", "chart-limited", "chart-failed"] {
        assert!(all.text.contains(&format!("fill=\"url(#{pattern})\"/></g>")), "{pattern}");
    }
    assert!(all.text.contains("(not told)") && all.text.contains("Forward-auth"));
    assert!(!future.text.contains("class=\"plot\""));
}

#[tokio::test]
async fn another_organizations_requests_are_not_there() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (id, key) = server.key(ada.organization, "read").await;
    server.get_as(&key, "/v1/profile").await;
    server.write_access_log().await;
    let browser = server.browser_of(&eve).await;

    for query in [String::new(), format!("?credential={id}")] {
        let page = browser.get(&format!("{PATH}{query}")).await;

        assert!(page.text.contains("No requests") && !page.text.contains("/v1/profile"), "{}", page.text);
        assert!(page.text.contains("0 requests:"));
    }
}

#[tokio::test]
async fn what_callers_write_is_shown_as_text() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let (_, key) = server.key(ada.organization, "read").await;

    let request = server.request("GET", "/v1/%3Cscript%3E'%22").bearer_auth(&key);
    Answer::of(request.header("user-agent", "<script>alert(1)</script>")).await;
    server.write_access_log().await;

    let page = browser.get(PATH).await;
    assert!(page.text.contains("&#60;script&#62;alert(1)"), "{}", page.text);
    assert!(!page.text.contains("<script"));
}

/// Every reason that an entry may have leads somewhere.
#[tokio::test]
async fn the_reason_of_a_refusal_is_explained() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let browser = server.browser_of(&ada).await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    for path in ["/v1/nothing", "/v1/api-keys?limit=0"] {
        server.get_as(&admin, path).await;
    }
    for _ in 0..9 {
        server.send_json_as(&admin, "POST", "/v1/api-keys", &serde_json::json!({})).await;
    }
    server.write_access_log().await;

    let page = browser.get(PATH).await;

    let reasons: std::collections::BTreeSet<&str> =
        page.text.split("href=\"/errors/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    for reason in reasons {
        assert_eq!(browser.get(&format!("/errors/{reason}")).await.status, 200, "{reason}");
    }
}
