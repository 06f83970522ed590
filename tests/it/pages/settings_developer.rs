//! `/settings/developer`: the organization's own OAuth apps.

use crate::support::Answer;
use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::field_of;
use crate::support::form_of;

const APPS: &str = "/settings/developer";
const NEW: &str = "/settings/developer/new";

async fn start() -> (TestServer, TestUser, Browser) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    (server, ada, browser)
}

async fn register(browser: &Browser, changes: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("name", "CRM"),
        ("kind", "confidential"),
        ("redirect_uris", CALLBACK),
        ("scope", "read"),
        ("scope", "write"),
    ];
    fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    fields.extend(changes);
    browser.submit(NEW, NEW, &fields).await
}

async fn confidential(browser: &Browser) -> OAuthClient {
    let shown = register(browser, &[]).await;
    OAuthClient { id: field_of(&shown, "client_id").unwrap(), secret: field_of(&shown, "client_secret") }
}

/// Whether the server takes the client's word for who it is.
async fn is_proved(server: &TestServer, client: &OAuthClient) -> bool {
    client.refresh(server, "junk").await.error() != "invalid_client"
}

fn links(page: &Answer, end: &str) -> Vec<String> {
    let links = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|link| link.starts_with(APPS) && link.ends_with(end)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_confidential_app_is_shown_with_a_secret_once() {
    let (server, _, browser) = start().await;

    let shown = register(&browser, &[]).await;

    assert_eq!(shown.status, 200, "{}", shown.text);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let (id, secret) = (field_of(&shown, "client_id").unwrap(), field_of(&shown, "client_secret").unwrap());
    let client = OAuthClient { id: id.clone(), secret: Some(secret.clone()) };
    client.tokens(&server, &browser).await;
    for path in [APPS.to_owned(), format!("{APPS}/{id}")] {
        let page = browser.get(&path).await;
        assert!(page.text.contains(&id) && page.text.contains("CRM"), "{path}");
        assert!(!page.text.contains(&secret), "{path}: the secret is shown once");
    }
}

#[tokio::test]
async fn a_public_app_has_no_secret() {
    let (server, _, browser) = start().await;

    let answer = register(&browser, &[("kind", "public")]).await;

    assert_eq!(answer.status, 303, "{}", answer.text);
    let page = browser.get(answer.location()).await;
    assert!(page.text.contains("CRM is registered.") && !page.text.contains("Add a secret"));
    let client = OAuthClient { id: field_of(&page, "client_id").unwrap(), secret: None };
    client.tokens(&server, &browser).await;
}

#[tokio::test]
async fn an_app_says_where_people_go_who_leave_and_where_it_hears_of_it() {
    let (server, ada, browser) = start().await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let addresses = "https://app.example/left\n https://app.example/bye ";
    let hears = "https://app.example/logout?x=1";
    let changes = [("post_logout_redirect_uris", addresses), ("backchannel_logout_uri", hears)];
    let answer = register(&browser, &[&[("kind", "public")][..], &changes].concat()).await;

    let shown = server.get_as(&admin, "/v1/clients").await.json["data"][0].clone();
    let expected = ["https://app.example/left", "https://app.example/bye"];
    assert_eq!(shown["post_logout_redirect_uris"], serde_json::json!(expected));
    assert_eq!(shown["backchannel_logout_uri"], hears);
    let page = browser.get(answer.location()).await;
    assert!(page.text.contains(&expected.join("\n")), "{}", page.text);
    assert_eq!(field_of(&page, "backchannel_logout_uri").as_deref(), Some(hears));
}

#[tokio::test]
async fn a_form_that_will_not_do_says_so_beside_its_field() {
    let (server, ada, browser) = start().await;
    let long = "x".repeat(1000);

    for (changes, mark) in [
        (vec![("name", "")], "name-problem"),
        (vec![("name", &long)], "name-problem"),
        (vec![("homepage_url", "javascript:alert(1)")], "homepage_url-problem"),
        (vec![("redirect_uris", "")], "redirect_uris-problem"),
        (vec![("redirect_uris", "https://app.example/cb#x")], "redirect_uris-problem"),
        (vec![("redirect_uris", "https://app.example/cb\njavascript:alert(1)")], "redirect_uris-problem"),
        (vec![("post_logout_redirect_uris", "http://app.example/left")], "post_logout_redirect_uris-problem"),
        (vec![("backchannel_logout_uri", "https://app.example/#x")], "backchannel_logout_uri-problem"),
        (vec![("scope", "fly")], "scopes-problem"),
        (vec![("grant_type", "password")], "grant_type-problem"),
        (vec![("kind", "public"), ("grant_type", "client_credentials")], "grant_type-problem"),
    ] {
        let answer = register(&browser, &changes).await;

        assert_eq!(answer.status, 422, "{changes:?}: {}", answer.text);
        assert!(answer.text.contains(&format!("id=\"{mark}\"")), "{changes:?}: {}", answer.text);
    }
    assert_eq!(register(&browser, &[("kind", "other")]).await.status, 400);
    let (_, admin) = server.key(ada.organization, "admin").await;
    assert!(server.get_as(&admin, "/v1/clients").await.json["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn where_the_plan_has_no_apps_a_notice_stands_instead() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let browser = server.browser_of(&ada).await;

    let list = browser.get(APPS).await;
    let new = browser.get(NEW).await;
    let csrf = browser.csrf(APPS).await;
    let fields = [
        ("csrf", csrf.as_str()),
        ("name", "CRM"),
        ("kind", "public"),
        ("redirect_uris", CALLBACK),
        ("scope", "read"),
    ];
    let posted = browser.post(NEW, &fields).await;

    assert_eq!(list.status, 200);
    assert!(list.text.contains("plan pro") && !list.text.contains(NEW), "{}", list.text);
    assert_eq!((new.status, posted.status), (402, 402));
    assert!(posted.text.contains("plan pro"));
    assert!(browser.get(APPS).await.text.contains("No apps yet"));
}

#[tokio::test]
async fn a_second_secret_works_beside_the_first_and_each_ends_alone() {
    let (server, _, browser) = start().await;
    let first = confidential(&browser).await;
    let page = format!("{APPS}/{}", first.id);

    let form = [("label", "Blue"), ("expires_in", "365")];
    let shown = browser.submit(&page, &format!("{page}/secrets"), &form).await;

    assert_eq!(shown.status, 200, "{}", shown.text);
    let second = OAuthClient { id: first.id.clone(), secret: field_of(&shown, "client_secret") };
    assert!(is_proved(&server, &first).await && is_proved(&server, &second).await);
    let after = browser.get(&page).await;
    assert!(after.text.contains("Blue") && !after.text.contains(second.secret.as_ref().unwrap()));
    let deleting = links(&after, "/delete").into_iter().filter(|link| link.contains("/secrets/"));
    for path in deleting.collect::<Vec<_>>() {
        let asked = browser.get(&path).await;
        if asked.text.contains("Blue") {
            continue;
        }
        let answer = browser.send(&form_of(&asked, &path), &[]).await;
        assert_eq!((answer.status, answer.location()), (303, page.as_str()));
    }
    assert!(!is_proved(&server, &first).await, "the first was deleted");
    assert!(is_proved(&server, &second).await, "the second was not");
}

#[tokio::test]
async fn a_secret_with_a_bad_label_or_expiry_is_not_made() {
    let (_server, _, browser) = start().await;
    let client = confidential(&browser).await;
    let page = format!("{APPS}/{}", client.id);

    for (label, expires_in, status) in [("", "365", 422), ("x", "soon", 400), (&"x".repeat(101), "365", 422)]
    {
        let form = [("label", label), ("expires_in", expires_in)];
        let answer = browser.submit(&page, &format!("{page}/secrets"), &form).await;
        assert_eq!(answer.status, status, "{label:.5} {expires_in}");
    }
    let secrets =
        links(&browser.get(&page).await, "/delete").into_iter().filter(|link| link.contains("/secrets/"));
    assert_eq!(secrets.count(), 1);
}

#[tokio::test]
async fn changed_redirect_uris_hold_from_the_next_request_on() {
    let (server, _, browser) = start().await;
    let client = confidential(&browser).await;
    let page = format!("{APPS}/{}", client.id);

    let form =
        [("name", "CRM 2"), ("redirect_uris", "https://crm.example/back\r\nhttps://crm.example/other")];
    let answer = browser.submit(&page, &page, &form).await;

    assert_eq!((answer.status, answer.location()), (303, page.as_str()));
    let shown = browser.get(&page).await;
    assert!(shown.text.contains("The changes are saved.") && shown.text.contains("CRM 2"));
    let asked = async |redirect_uri| {
        let path = client.authorize_path(&crate::support::Pkce::default(), &[("redirect_uri", redirect_uri)]);
        browser.get(&path).await
    };
    assert!(asked("https://crm.example/other").await.text.contains("CRM 2"));
    let old = asked(CALLBACK).await;
    assert_eq!((old.status, old.header("location")), (400, None), "{}", old.text);
    assert!(is_proved(&server, &client).await, "the secret stays");
}

#[tokio::test]
async fn a_change_that_will_not_do_changes_nothing() {
    let (_server, _, browser) = start().await;
    let client = confidential(&browser).await;
    let page = format!("{APPS}/{}", client.id);

    let answer =
        browser.submit(&page, &page, &[("name", "CRM 2"), ("redirect_uris", "javascript:alert(1)")]).await;

    assert_eq!(answer.status, 422);
    let shown = browser.get(&page).await;
    assert!(shown.text.contains(CALLBACK) && !shown.text.contains("CRM 2"));
}

#[tokio::test]
async fn deleting_an_app_is_asked_first_and_then_ends_its_tokens_at_once() {
    let (server, _, browser) = start().await;
    let client = confidential(&browser).await;
    let token = client.tokens(&server, &browser).await.field("access_token");
    let path = format!("{APPS}/{}/delete", client.id);

    let asked = browser.get(&path).await;
    let before = server.get_as(&token, "/v1/auth/test").await.status;
    let answer = browser.send(&form_of(&asked, &path), &[]).await;

    assert_eq!((asked.status, before), (200, 200));
    assert_eq!((answer.status, answer.location()), (303, APPS));
    assert_eq!(server.get_as(&token, "/v1/auth/test").await.status, 401);
    assert!(!is_proved(&server, &client).await);
    assert!(browser.get(APPS).await.text.contains("CRM was deleted."));
    assert_eq!(browser.get(&format!("{APPS}/{}", client.id)).await.status, 404);
}
