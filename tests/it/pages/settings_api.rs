//! `/settings/api`: a key's whole life, by hand.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::field_of;
use crate::support::form_of;

const KEYS: &str = "/settings/api";

async fn start() -> (TestServer, TestUser, Browser) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    (server, ada, browser)
}

async fn create(browser: &Browser, changes: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("label", "Dialer"), ("expires_in", "never")];
    fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    fields.extend(changes);
    browser.submit(KEYS, KEYS, &fields).await
}

/// The address of the first link to a page about a key.
fn link_to(page: &Answer, what: &str) -> String {
    let mut links = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let found = links.find(|link| link.starts_with("/settings/api/") && link.ends_with(what));
    found.unwrap_or_else(|| panic!("no link to {what}: {}", page.text)).to_owned()
}

async fn status_with(server: &TestServer, key: &str) -> u16 {
    server.get_as(key, "/v1/auth/test").await.status
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_works() {
    let (server, ada, browser) = start().await;

    let shown = create(&browser, &[("scope", "read"), ("scope", "write")]).await;

    assert_eq!(shown.status, 200, "{}", shown.text);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let key = field_of(&shown, "key").unwrap();
    let who = server.get_as(&key, "/v1/auth/test").await;
    assert_eq!(who.json["scopes"], json!(["read", "write"]));
    assert_eq!(who.json["key"]["label"], "Dialer");
    assert_eq!(who.json["organization"]["id"], ada.organization.to_string());
    let list = browser.get(KEYS).await;
    assert!(list.text.contains("Dialer") && list.text.contains(&key[..11]));
    assert!(list.text.contains("by ada@example.com"), "who made it");
    assert!(!list.text.contains(&key[11..]), "the secret is shown once");
}

#[tokio::test]
async fn a_new_keys_expiry_is_chosen() {
    let (server, _, browser) = start().await;
    let key = field_of(&create(&browser, &[("expires_in", "30")]).await, "key").unwrap();

    server.clock.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    assert_eq!(status_with(&server, &key).await, 200);
    server.clock.advance(TimeDelta::seconds(1));
    assert_eq!(status_with(&server, &key).await, 401);
}

#[tokio::test]
async fn a_form_that_will_not_do_makes_no_key() {
    let (server, ada, browser) = start().await;
    let long = "x".repeat(101);

    for (changes, status) in [
        (vec![("label", "")], 422),
        (vec![("label", "  ")], 422),
        (vec![("label", &long)], 422),
        (vec![("scope", "fly")], 422),
        (vec![("expires_in", "tomorrow")], 400),
        (vec![("expires_in", "")], 400),
    ] {
        let answer = create(&browser, &changes).await;

        assert_eq!(answer.status, status, "{changes:?}: {}", answer.text);
        assert!(field_of(&answer, "key").is_none());
    }
    let (_, admin) = server.key(ada.organization, "admin").await;
    assert_eq!(server.get_as(&admin, "/v1/api-keys").await.json["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn rotating_shows_a_new_secret_and_ends_the_old_one() {
    let (server, _, browser) = start().await;
    let old = field_of(&create(&browser, &[]).await, "key").unwrap();
    let page = link_to(&browser.get(KEYS).await, "/rotate");

    let shown = browser.submit(&page, &page, &[("overlap_seconds", "0")]).await;

    assert_eq!(shown.status, 200, "{}", shown.text);
    let new = field_of(&shown, "key").unwrap();
    assert_eq!((status_with(&server, &old).await, status_with(&server, &new).await), (401, 200));
    assert!(!browser.get(KEYS).await.text.contains(&new[11..]));
}

#[tokio::test]
async fn with_an_overlap_both_secrets_work_until_it_ends() {
    let (server, _, browser) = start().await;
    let old = field_of(&create(&browser, &[]).await, "key").unwrap();
    let page = link_to(&browser.get(KEYS).await, "/rotate");

    let shown = browser.submit(&page, &page, &[("overlap_seconds", "3600")]).await;

    let new = field_of(&shown, "key").unwrap();
    assert_eq!((status_with(&server, &old).await, status_with(&server, &new).await), (200, 200));
    assert!(browser.get(KEYS).await.text.contains("The old secret ends"));
    server.clock.advance(TimeDelta::hours(1));
    assert_eq!((status_with(&server, &old).await, status_with(&server, &new).await), (401, 200));
}

#[tokio::test]
async fn an_overlap_that_is_not_offered_rotates_nothing() {
    let (server, _, browser) = start().await;
    let key = field_of(&create(&browser, &[]).await, "key").unwrap();
    let page = link_to(&browser.get(KEYS).await, "/rotate");
    let form = form_of(&browser.get(&page).await, &page);

    for overlap in ["-1", "1", "99999999999", "soon", ""] {
        let answer = browser.send(&form, &[("overlap_seconds", overlap)]).await;

        assert_eq!(answer.status, 400, "{overlap}: {}", answer.text);
    }
    assert_eq!(status_with(&server, &key).await, 200);
}

#[tokio::test]
async fn revoking_is_asked_first_and_then_done_at_once() {
    let (server, _, browser) = start().await;
    let key = field_of(&create(&browser, &[]).await, "key").unwrap();
    assert_eq!(status_with(&server, &key).await, 200);
    server.write_access_log().await;
    let page = link_to(&browser.get(KEYS).await, "/revoke");

    let asked = browser.get(&page).await;
    let before = status_with(&server, &key).await;
    let answer = browser.send(&form_of(&asked, &page), &[]).await;

    assert!(asked.status == 200 && asked.text.contains("Dialer") && asked.text.contains("127.0.0.1"));
    assert_eq!(before, 200, "looking at the question revokes nothing");
    assert_eq!((answer.status, answer.location()), (303, KEYS));
    assert_eq!(status_with(&server, &key).await, 401);
    let list = browser.get(KEYS).await;
    assert!(list.text.contains("The key “Dialer” was revoked."), "{}", list.text);
    assert!(!browser.get(KEYS).await.text.contains("was revoked."), "a notice is shown once");
}

#[tokio::test]
async fn a_revoked_key_can_be_neither_rotated_nor_revoked() {
    let (server, _, browser) = start().await;
    let key = field_of(&create(&browser, &[]).await, "key").unwrap();
    let list = browser.get(KEYS).await;
    let (rotate, revoke) = (link_to(&list, "/rotate"), link_to(&list, "/revoke"));
    let rotating = form_of(&browser.get(&rotate).await, &rotate);
    browser.submit(&revoke, &revoke, &[]).await;

    for page in [&rotate, &revoke] {
        assert_eq!(browser.get(page).await.status, 404, "{page}");
    }
    assert_eq!(browser.send(&rotating, &[("overlap_seconds", "3600")]).await.status, 404);
    assert_eq!(status_with(&server, &key).await, 401);
}

#[tokio::test]
async fn many_keys_are_shown_page_by_page() {
    let (server, ada, browser) = start().await;
    for _ in 0..60 {
        server.key(ada.organization, "read").await;
    }

    let first = browser.get(KEYS).await;
    let older = first.text.split("<p class=\"older\"><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = browser.get(older).await;

    assert_eq!(first.text.matches("/rotate\"").count(), 50);
    assert_eq!(second.text.matches("/rotate\"").count(), 10);
    assert!(!second.text.contains("class=\"older\""));
}

#[tokio::test]
async fn a_page_of_keys_that_cannot_be_is_refused() {
    let (_server, _, browser) = start().await;

    for query in ["before=x", "before=", "before=%00", "before=%FF", "before=key_1&before=key_2"] {
        let answer = browser.get(&format!("{KEYS}?{query}")).await;

        assert!((200..500).contains(&answer.status), "{query}: {}", answer.status);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{query}");
    }
}
