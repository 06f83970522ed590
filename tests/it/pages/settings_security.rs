//! `/settings/api/security`: the IP allowlist, by hand.

use serde_json::Value;
use serde_json::json;

use countersign::organizations::member::Role;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::form_of;

const PAGE: &str = "/settings/api/security";

async fn start_on(plan: &str) -> (TestServer, TestUser, Browser) {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", plan).await;
    let browser = server.browser_of(&ada).await;
    (server, ada, browser)
}

/// What is on the lines.
fn typed(page: &Answer) -> String {
    let text = page.text.split("name=\"cidrs\"").nth(1).and_then(|rest| rest.split_once(">\n"));
    text.unwrap().1.split("</textarea>").next().unwrap().to_owned()
}

async fn kept(server: &TestServer, ada: &TestUser) -> Value {
    let (_, admin) = server.key(ada.organization, "admin").await;
    server.get_as(&admin, "/v1/organization/ip-allowlist").await.json
}

#[tokio::test]
async fn a_list_is_saved_one_per_line_and_shown_again() {
    let (server, ada, browser) = start_on("pro").await;
    let lines = "127.0.0.1\r\n\r\n 10.1.2.3/8 , 2001:db8::/32\r\n";

    let saved = browser.submit(PAGE, PAGE, &[("enabled", "on"), ("cidrs", lines)]).await;

    assert_eq!((saved.status, saved.location()), (303, PAGE), "{}", saved.text);
    let cidrs = ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"];
    assert_eq!(kept(&server, &ada).await, json!({ "enabled": true, "cidrs": cidrs }));
    let page = browser.get(PAGE).await;
    assert_eq!(typed(&page), cidrs.join("\n"));
    assert!(page.text.contains("The allowlist is on. Credentials work from 3 networks."));
    assert!(form_of(&page, PAGE).fields.contains(&("enabled".to_owned(), "on".to_owned())), "still ticked");
}

#[tokio::test]
async fn it_can_be_turned_off_and_keeps_its_list() {
    let (server, ada, browser) = start_on("pro").await;
    browser.submit(PAGE, PAGE, &[("enabled", "on"), ("cidrs", "127.0.0.1")]).await;

    let saved = browser.submit(PAGE, PAGE, &[("enabled", ""), ("cidrs", "127.0.0.1")]).await;

    assert_eq!(saved.status, 303);
    assert_eq!(kept(&server, &ada).await, json!({ "enabled": false, "cidrs": ["127.0.0.1/32"] }));
}

#[tokio::test]
async fn my_address_is_added_and_nothing_saved_yet() {
    let (server, ada, browser) = start_on("pro").await;

    let page = browser
        .submit(PAGE, PAGE, &[("enabled", "on"), ("cidrs", "192.0.2.1, nonsense"), ("do", "add")])
        .await;
    let again = browser.submit(PAGE, PAGE, &[("cidrs", "127.0.0.1"), ("do", "add")]).await;

    assert_eq!((page.status, typed(&page)), (200, "192.0.2.1\nnonsense\n127.0.0.1".to_owned()));
    assert!(form_of(&page, PAGE).fields.contains(&("enabled".to_owned(), "on".to_owned())));
    assert_eq!(typed(&again), "127.0.0.1", "once");
    assert_eq!(kept(&server, &ada).await, json!({ "enabled": false, "cidrs": [] }));
}

#[tokio::test]
async fn whoever_would_be_locked_out_is_asked_again() {
    let (server, ada, browser) = start_on("pro").await;
    let list = [("enabled", "on"), ("cidrs", "192.0.2.0/24")];

    let asked = browser.submit(PAGE, PAGE, &list).await;

    assert_eq!(asked.status, 409);
    assert!(asked.text.contains("Your own address, 127.0.0.1, is in none of these."), "{}", asked.text);
    assert_eq!(
        (typed(&asked), kept(&server, &ada).await["enabled"].clone()),
        ("192.0.2.0/24".to_owned(), json!(false))
    );
    assert!(asked.text.contains("name=\"force\""));
    let form = form_of(&asked, PAGE);
    let saved = browser.send(&form, &[list[1], ("force", "on")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    assert_eq!(browser.get(PAGE).await.status, 200, "the pages stay open");
    let (_, key) = server.key(ada.organization, "read").await;
    assert_eq!(server.get_as(&key, "/v1/auth/test").await.error(), "ip_not_allowed");
}

#[tokio::test]
async fn what_is_no_address_is_pointed_out() {
    let (server, ada, browser) = start_on("pro").await;
    let many = "10.0.0.1\n".repeat(201);

    for (cidrs, problem) in [
        ("127.0.0.1\nlocalhost", "localhost"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("<script>", "&#60;script&#62;"),
        (&many, "at most 200"),
    ] {
        let answer = browser.submit(PAGE, PAGE, &[("enabled", "on"), ("cidrs", cidrs)]).await;

        assert_eq!(answer.status, 422, "{cidrs}");
        let shown = answer.text.split("id=\"cidrs-problem\"").nth(1).unwrap().split("</p>").next().unwrap();
        assert!(shown.contains(problem), "{cidrs}: {shown}");
        assert!(!answer.text.contains("<script>"));
    }
    assert_eq!(kept(&server, &ada).await, json!({ "enabled": false, "cidrs": [] }));
}

#[tokio::test]
async fn a_plan_without_it_is_told_which_has_it() {
    let (server, ada, browser) = start_on("free").await;
    let sentence = "ada Inc is on the plan free, which has no IP allowlist. It is part of the plan pro.";

    let page = browser.get(PAGE).await;
    let refused = browser.submit(PAGE, PAGE, &[("enabled", "on"), ("cidrs", "127.0.0.1")]).await;
    let off = browser.submit(PAGE, PAGE, &[("enabled", ""), ("cidrs", "127.0.0.1")]).await;

    assert!(page.text.contains(sentence), "{}", page.text);
    assert_eq!(refused.status, 402);
    assert_eq!(refused.text.matches(sentence).count(), 1, "said once");
    assert_eq!(
        (off.status, kept(&server, &ada).await),
        (303, json!({ "enabled": false, "cidrs": ["127.0.0.1/32"] }))
    );
}

#[tokio::test]
async fn only_who_manages_the_organization_may() {
    let (server, ada, browser) = start_on("pro").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let bobs = server.browser_of(&bob).await;
    let csrf = bobs.csrf("/settings/account").await;

    let seen = bobs.get(PAGE).await;
    let posted = bobs.post(PAGE, &[("csrf", &csrf), ("enabled", "on"), ("cidrs", "127.0.0.1")]).await;
    let forged = browser.post(PAGE, &[("csrf", "x"), ("enabled", "on"), ("cidrs", "127.0.0.1")]).await;
    let stranger = server.browser().get(PAGE).await;

    assert_eq!((seen.status, posted.status, forged.status), (403, 403, 403));
    assert_eq!(stranger.status, 303);
    assert_eq!(kept(&server, &ada).await, json!({ "enabled": false, "cidrs": [] }));
    assert!(
        browser.get("/settings/api").await.text.contains("href=\"/settings/api/security\""),
        "the way there"
    );
}

#[tokio::test]
async fn a_key_with_a_list_of_its_own_shows_it() {
    let (server, ada, browser) = start_on("pro").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let four = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];

    for (list, shown) in [(&four[..2], "Only from 10.0.0.1/32, 10.0.0.2/32"), (&four, "Only from 4 networks")]
    {
        let body = json!({ "label": "x", "scopes": ["read"], "ip_allowlist": list });
        assert_eq!(server.send_json_as(&admin, "POST", "/v1/api-keys", &body).await.status, 201);
        assert!(browser.get("/settings/api").await.text.contains(shown), "{shown}");
    }
}
