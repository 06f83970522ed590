//! `/admin`: the whole server, for superadmins.

use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::PageForm;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::form_of;

const PAGES: [&str; 6] =
    ["/admin", "/admin/organizations", "/admin/people", "/admin/apps", "/admin/keys", "/admin/audit-log"];

async fn superadmin(server: &TestServer) -> (TestUser, Browser) {
    let root = server.superadmin().await;
    let browser = server.browser_of(&root).await;
    (root, browser)
}

/// Whether a key of the organization is accepted.
async fn status_of(server: &TestServer, key: &str) -> u16 {
    server.get_as(key, "/v1/auth/test").await.status
}

#[tokio::test]
async fn for_everybody_else_there_is_nothing_here() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (browser, stranger) = (server.browser_of(&ada).await, server.browser());
    let organization = format!("/admin/organizations/{}", ada.organization);
    let csrf = browser.csrf("/settings/api").await;

    for page in PAGES.into_iter().chain([organization.as_str()]) {
        assert_eq!(browser.get(page).await.status, 404, "{page}");
        let answer = stranger.get(page).await;
        assert_eq!((answer.status, answer.location().starts_with("/login")), (303, true), "{page}");
    }
    for form in ["plan", "credits", "operator", "suspend", "resume"] {
        let answer = browser.post(&format!("{organization}/{form}"), &[("csrf", &csrf)]).await;
        assert_eq!(answer.status, 404, "{form}");
    }
    assert_eq!(browser.post("/admin/keys/rotate", &[("csrf", &csrf)]).await.status, 404);
}

#[tokio::test]
async fn a_suspended_organization_is_refused_at_once_and_resumed_at_once() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let ada = server.user("ada").await;
    let client = server.confidential_client(ada.organization).await;
    let tokens = client.tokens(&server, &server.browser_of(&ada).await).await;
    let (access, refresh) = (tokens.field("access_token"), tokens.field("refresh_token"));
    let (_, key) = server.key(ada.organization, "read").await;
    let url = format!("/admin/organizations/{}", ada.organization);

    browser.submit(&format!("{url}/suspend"), &format!("{url}/suspend"), &[]).await;

    let refused = server.get_as(&key, "/v1/auth/test").await;
    assert_eq!(
        (refused.status, &refused.json["error"]),
        (403, &json!({ "code": "forbidden", "message": "This organization is suspended" }))
    );
    assert_eq!(status_of(&server, &access).await, 403);
    let refreshing = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let answer = client.post(&server, "/oauth/token", &refreshing).await;
    assert_eq!((answer.status, answer.error()), (401, "invalid_client"));

    browser.submit(&url, &format!("{url}/resume"), &[]).await;

    assert_eq!(status_of(&server, &key).await, 200);
    assert_eq!(client.post(&server, "/oauth/token", &refreshing).await.status, 200);
}

#[tokio::test]
async fn the_plan_and_own_limits_count_from_the_next_request() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let url = format!("/admin/organizations/{}", ada.organization);
    let policy = async || {
        let answer = server.get_as(&key, "/v1/auth/test").await;
        answer.header("ratelimit-policy").unwrap().to_owned()
    };
    assert_eq!(policy().await, "\"minute\";q=10;w=60, \"hour\";q=100;w=3600");

    let changes = [("plan", "pro"), ("requests_per_hour", ""), ("requests_per_minute", "7")];
    let answer = browser.submit(&url, &format!("{url}/plan"), &changes).await;

    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(policy().await, "\"minute\";q=7;w=60, \"hour\";q=10000;w=3600");
}

#[tokio::test]
async fn nonsense_in_the_plan_form_changes_nothing() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let ada = server.user_on_plan("ada", "free").await;
    let url = format!("/admin/organizations/{}", ada.organization);

    for change in [
        ("plan", "gold"),
        ("plan", ""),
        ("requests_per_hour", "0"),
        ("requests_per_hour", "-1"),
        ("requests_per_minute", "many"),
        ("requests_per_minute", "99999999999"),
    ] {
        let fields = [("plan", "pro"), change];
        let fields = if change.0 == "plan" { &fields[1..] } else { &fields[..] };
        let answer = browser.submit(&url, &format!("{url}/plan"), fields).await;
        assert_eq!(answer.status, 400, "{change:?}");
    }
    let (_, key) = server.key(ada.organization, "read").await;
    let answer = server.get_as(&key, "/v1/profile").await;
    assert_eq!(answer.json["plan"]["name"], "free");
}

#[tokio::test]
async fn credit_is_granted_and_taken_but_never_more_than_there_is() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let ada = server.user("ada").await;
    let url = format!("/admin/organizations/{}", ada.organization);
    let action = format!("{url}/credits");
    let credit = async || -> i64 {
        let (_, key) = server.key(ada.organization, "admin").await;
        server.get_as(&key, "/v1/organization").await.json["credits"]["balance_cents"].as_i64().unwrap()
    };

    for (amount, after) in [("2.50", 750), ("-7", 50), ("-0.51", 50), ("-0.50", 0)] {
        let fields = [("amount", amount), ("reason", "An invoice")];
        assert_eq!(browser.submit(&url, &action, &fields).await.status, 303, "{amount}");
        assert_eq!(credit().await, after, "{amount}");
    }
    for amount in ["", "0", "1e9", "1,5", "99999999999999999999"] {
        let fields = [("amount", amount), ("reason", "An invoice")];
        assert_eq!(browser.submit(&url, &action, &fields).await.status, 400, "{amount}");
    }
}

#[tokio::test]
async fn an_app_is_reviewed_until_it_changes_and_disabled_at_once() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let ada = server.user("ada").await;
    let client = server.confidential_client(ada.organization).await;
    let url = format!("/admin/apps/{}", client.id);
    let csrf = browser.csrf("/admin/apps").await;
    let change = async |change: &str| browser.post(&url, &[("csrf", &csrf), ("change", change)]).await.status;
    let page = async || browser.get("/admin/apps?q=Test").await.text;
    assert!(page().await.contains("not reviewed"));

    assert_eq!(change("review").await, 303);
    assert!(!page().await.contains("not reviewed"));
    let form = [("grant_type", "client_credentials")];
    assert_eq!(client.post(&server, "/oauth/token", &form).await.status, 200);

    assert_eq!(change("disable").await, 303);
    assert_eq!(client.post(&server, "/oauth/token", &form).await.status, 401);
    assert_eq!(change("enable").await, 303);
    assert_eq!(client.post(&server, "/oauth/token", &form).await.status, 200);
    assert_eq!(change("delete").await, 400);
}

#[tokio::test]
async fn an_app_that_is_disabled_while_its_organization_is_suspended_stays_so() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let ada = server.user("ada").await;
    let client = server.confidential_client(ada.organization).await;
    let url = format!("/admin/organizations/{}", ada.organization);
    browser.submit(&format!("{url}/suspend"), &format!("{url}/suspend"), &[]).await;
    let csrf = browser.csrf("/admin/apps").await;

    let disable = [("csrf", csrf.as_str()), ("change", "disable")];
    browser.post(&format!("/admin/apps/{}", client.id), &disable).await;
    browser.submit(&url, &format!("{url}/resume"), &[]).await;

    let form = [("grant_type", "client_credentials")];
    assert_eq!(client.post(&server, "/oauth/token", &form).await.status, 401);
}

#[tokio::test]
async fn a_superadmin_makes_another_one_but_does_not_unmake_themselves() {
    let server = TestServer::start().await;
    let (root, browser) = superadmin(&server).await;
    let ada = server.user("ada").await;
    let adas = server.browser_of(&ada).await;
    let url = |user: &TestUser| format!("/admin/people/{}/superadmin", user.id);

    browser.submit(&url(&ada), &url(&ada), &[]).await;
    assert_eq!(adas.get("/admin/people").await.status, 200);
    assert_eq!(browser.get(&url(&root)).await.status, 400);

    adas.submit(&url(&root), &url(&root), &[]).await;
    assert_eq!(browser.get("/admin/people").await.status, 404);
}

#[tokio::test]
async fn a_new_signing_key_is_announced_and_a_revoked_one_counts_no_more() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let ada = server.user("ada").await;
    let client = server.confidential_client(ada.organization).await;
    let token = client
        .post(&server, "/oauth/token", &[("grant_type", "client_credentials")])
        .await
        .field("access_token");
    let keys = async || server.get("/oauth/jwks").await.json["keys"].as_array().unwrap().clone();
    let algorithms = async || {
        let mut names: Vec<_> =
            keys().await.iter().map(|key| key["alg"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(algorithms().await, ["ES256", "EdDSA", "RS256"]);
    let old = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();

    browser.submit("/admin/keys", "/admin/keys/rotate", &[("algorithm", "ES256")]).await;
    browser.submit("/admin/keys", "/admin/keys/rotate", &[("algorithm", "EdDSA")]).await;
    assert_eq!(algorithms().await, ["ES256", "ES256", "EdDSA", "EdDSA", "RS256"]);
    assert_eq!(status_of(&server, &token).await, 200);

    let url = format!("/admin/keys/{old}/revoke");
    let answer = browser.submit(&url, &url, &[]).await;

    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(status_of(&server, &token).await, 401);
    assert!(keys().await.iter().all(|key| key["kid"] != old.as_str()));
    assert_eq!(browser.get(&url).await.status, 404);
}

#[tokio::test]
async fn a_rotation_of_no_known_algorithm_is_refused_and_nothing_is_made() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let csrf = browser.csrf("/admin/keys").await;
    let before = server.get("/oauth/jwks").await.json;

    for fields in [
        &[][..],
        &[("algorithm", "")],
        &[("algorithm", "HS256")],
        &[("algorithm", "es256")],
        &[("algorithm", "ES256\0")],
        &[("algorithm", "ES256"), ("algorithm", "EdDSA")],
    ] {
        let fields = [&[("csrf", csrf.as_str())], fields].concat();
        let answer = browser.post("/admin/keys/rotate", &fields).await;
        assert_eq!(answer.status, 400, "{fields:?}: {}", answer.text);
    }
    assert_eq!(server.get("/oauth/jwks").await.json, before);
}

#[tokio::test]
async fn what_a_person_typed_is_text_on_these_pages() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let hostile = "<script>alert(1)</script>";
    let ada = server.user(hostile).await;

    for page in [
        "/admin/organizations".to_owned(),
        format!("/admin/organizations/{}", ada.organization),
        "/admin/people".to_owned(),
        "/admin/organizations?q=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
    ] {
        let answer = browser.get(&page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(!answer.text.contains(hostile), "{page}");
        assert!(answer.text.contains("script"), "{page}");
    }
    for query in ["?q=%00", "?before=x", "?before=%00&q=a", "?q=%27"] {
        for page in &PAGES[1..4] {
            assert_eq!(browser.get(&format!("{page}{query}")).await.status, 200, "{page}{query}");
        }
    }
}

#[tokio::test]
async fn every_change_is_in_the_log_of_the_organization() {
    let server = TestServer::start().await;
    let (root, browser) = superadmin(&server).await;
    let ada = server.user_on_plan("ada", "free").await;
    let url = format!("/admin/organizations/{}", ada.organization);

    browser.submit(&url, &format!("{url}/plan"), &[("plan", "pro")]).await;

    let (_, key) = server.key(ada.organization, "admin").await;
    let log = server.get_as(&key, "/v1/audit-log?action=organization.plan_changed").await;
    let entry = &log.json["data"][0];
    assert_eq!(entry["actor"], json!({ "type": "user", "id": root.id, "name": root.email }));
    assert_eq!((&entry["before"], &entry["after"]), (&json!({ "plan": "free" }), &json!({ "plan": "pro" })));
}

#[tokio::test]
async fn lists_go_on_to_the_next_page_without_loss() {
    let server = TestServer::start().await;
    let (_, browser) = superadmin(&server).await;
    let mut tx = server.app.db.begin().await.unwrap();
    for number in 0..60 {
        let beginning =
            countersign::organizations::organization::Beginning { plan: "free", credits_cents: 0 };
        let name = format!("Many {number:02}");
        countersign::organizations::organization::create(&mut tx, &name, beginning, &server.act())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();

    let first = browser.get("/admin/organizations?q=many").await;
    let older = first.text.split("class=\"older\"><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = browser.get(&older.replace("&#38;", "&").replace("&amp;", "&")).await;

    let count = |page: &Answer| page.text.matches(">Many ").count();
    assert_eq!((count(&first), count(&second)), (50, 10));
    let form: PageForm = form_of(&second, "/admin/organizations");
    assert!(form.fields.contains(&("q".to_owned(), "many".to_owned())));
}
