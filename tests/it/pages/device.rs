//! `/device`: the page at which people let devices in (RFC 8628 §3.3).

use chrono::TimeDelta;
use countersign::organizations::member::Role;
use countersign::scopes::Scopes;
use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::DeviceCodes;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::field_of;
use crate::support::for_devices;
use crate::support::form_of;

struct Setting {
    server: TestServer,
    ada: TestUser,
    browser: Browser,
    app: OAuthClient,
}

impl Setting {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let ada = server.user("ada").await;
        let browser = server.browser_of(&ada).await;
        let app = server.client(ada.organization, for_devices).await;
        Self { server, ada, browser, app }
    }

    async fn codes(&self) -> DeviceCodes {
        self.app.device_codes(&self.server, &[("scope", "read write")]).await
    }

    async fn scope_of(&self, codes: &DeviceCodes) -> String {
        self.app.poll(&self.server, &codes.device).await.field("scope")
    }

    async fn grants(&self) -> Vec<serde_json::Value> {
        let (_, admin) = self.server.key(self.ada.organization, "admin").await;
        self.server.get_as(&admin, "/v1/grants").await.json["data"].as_array().unwrap().clone()
    }
}

#[track_caller]
fn assert_unknown(page: &Answer) {
    assert_eq!(page.status, 422, "{}", page.text);
    assert!(page.text.contains("No device waits with this code"), "{}", page.text);
    assert!(!page.text.contains("Test app"), "{}", page.text);
}

#[tokio::test]
async fn a_stranger_signs_in_first_and_comes_back_with_the_code() {
    let setting = Setting::start().await;

    let bare = setting.server.browser().get("/device").await;
    let with_code = setting.server.browser().get("/device?user_code=BCDF-GHJK").await;

    assert_eq!((bare.status, bare.location()), (303, "/login?next=%2Fdevice"));
    assert_eq!(with_code.location_params()["next"], "/device?user_code=BCDF-GHJK");
}

#[tokio::test]
async fn the_page_says_which_app_on_which_device_asks_for_what() {
    let setting = Setting::start().await;
    let request =
        setting.app.request(&setting.server, "/oauth/device_authorization", &[("scope", "read write")]);
    let asked = Answer::of(request.header("user-agent", "living-room-tv/2.1")).await;
    setting.server.clock.advance(TimeDelta::seconds(120));

    let page = setting.browser.type_code(&asked.field("user_code")).await;

    assert_eq!(page.status, 200);
    for said in [
        "Test app asks for access on a device",
        "by ada Inc",
        "ada@example.com",
        "See your organization",
        "Create new data",
        "living-room-tv/2.1",
        "127.0.0.1",
        "2 minutes ago",
        "Go on only if you started this yourself",
        &format!(">{}</p>", asked.field("user_code")),
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(!page.text.contains("Delete data") && !page.text.contains("not the network"), "{}", page.text);
}

#[tokio::test]
async fn a_device_in_another_network_than_the_person_is_marked() {
    let server = TestServer::start_with(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let ada = server.user("ada").await;
    let app = server.client(ada.organization, for_devices).await;
    let request = app.request(&server, "/oauth/device_authorization", &[]);
    let request = request.header("x-forwarded-for", "203.0.113.9").header("x-forwarded-proto", "https");
    let asked = Answer::of(request).await;

    let page = server.browser_of(&ada).await.type_code(&asked.field("user_code")).await;

    assert!(page.text.contains("203.0.113.9"), "{}", page.text);
    assert!(page.text.contains("not the network that you are in"), "{}", page.text);
}

#[tokio::test]
async fn what_a_device_says_of_itself_is_no_markup() {
    let setting = Setting::start().await;
    let request = setting.app.request(&setting.server, "/oauth/device_authorization", &[]);
    let asked = Answer::of(request.header("user-agent", "<script>alert(1)</script>")).await;

    let page = setting.browser.type_code(&asked.field("user_code")).await;

    assert_eq!(page.status, 200);
    assert!(!page.text.contains("<script"), "{}", page.text);
}

#[tokio::test]
async fn a_link_with_the_code_still_asks_the_person_to_compare_it() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;
    let link = format!("/device?user_code={}&decision=approve", codes.user);

    let page = setting.browser.get(&link).await;

    assert_eq!(page.status, 200);
    assert_eq!(field_of(&page, "user_code"), Some(codes.user.clone()));
    assert!(page.text.contains("Compare the code") && !page.text.contains("Test app"), "{}", page.text);
    let consent = setting.browser.send(&form_of(&page, "/device"), &[]).await;
    assert!(consent.text.contains("Does your device show this code"), "{}", consent.text);
    assert_eq!(setting.app.poll(&setting.server, &codes.device).await.error(), "authorization_pending");
    let done = setting.browser.send(&form_of(&consent, "/device"), &[("decision", "approve")]).await;
    assert_eq!((done.status, done.header("location")), (200, None));
    assert!(done.text.contains("You can go back to your device"), "{}", done.text);
    assert_eq!(setting.scope_of(&codes).await, "read write");
}

#[tokio::test]
async fn whatever_a_link_carries_is_no_code_unless_it_looks_like_one() {
    let setting = Setting::start().await;

    for query in ["user_code=%3Cscript%3E", "user_code=1", "user_code=", "x=y", "user_code=%F0%9F%94%91"] {
        let page = setting.browser.get(&format!("/device?{query}")).await;

        assert_eq!((page.status, field_of(&page, "user_code")), (200, Some(String::new())), "{query}");
        assert!(page.text.contains("Type the code"), "{query}");
    }
    for query in ["user_code=%FF", "user_code=a&user_code=b"] {
        assert!(setting.browser.get(&format!("/device?{query}")).await.status <= 400, "{query}");
    }
}

#[tokio::test]
async fn a_code_may_be_typed_in_any_case_with_or_without_its_dash() {
    let setting = Setting::start().await;

    for spell in [
        |code: &str| code.to_lowercase(),
        |code: &str| code.replace('-', ""),
        |code: &str| format!("  {} ", code.replace('-', " ").to_lowercase()),
    ] {
        let codes = setting.codes().await;
        setting.browser.allow_device(&spell(&codes.user)).await;

        assert_eq!(setting.scope_of(&codes).await, "read write");
    }
}

#[tokio::test]
async fn a_code_that_is_not_there_is_told_so_and_nothing_more() {
    let setting = Setting::start().await;
    let (used, refused, old) = (setting.codes().await, setting.codes().await, setting.codes().await);
    setting.browser.allow_device(&used.user).await;
    setting.browser.decide_on_device(&refused.user, &[("decision", "deny")]).await;
    setting.server.clock.advance(TimeDelta::minutes(10));

    for code in ["BCDF-GHJK", &used.user, &refused.user, &old.user, "", "ABCD-EFGH", "%00", &"B".repeat(9000)]
    {
        let page = setting.browser.type_code(code).await;

        assert_unknown(&page);
        // Past what slows guessing down.
        setting.server.clock.advance(TimeDelta::minutes(16));
    }
}

#[tokio::test]
async fn user_codes_cannot_be_tried_out() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;
    for _ in 0..5 {
        assert_unknown(&setting.browser.type_code("BCDF-GHJK").await);
    }

    let slowed = setting.browser.type_code(&codes.user).await;
    let decided = {
        let csrf = setting.browser.csrf("/device").await;
        let form = [("csrf", csrf.as_str()), ("user_code", &codes.user), ("decision", "approve")];
        setting.browser.post("/device", &form).await
    };

    assert_eq!((slowed.status, slowed.header("retry-after")), (429, Some("1")));
    assert_eq!(decided.status, 429);
    setting.server.clock.advance(TimeDelta::seconds(1));
    assert_eq!(setting.browser.type_code(&codes.user).await.status, 200, "nobody is locked out for good");
    let bob = setting.server.user("bob").await;
    let other = setting.server.browser_of(&bob).await;
    assert_eq!(other.type_code(&codes.user).await.status, 200, "nor is anybody else slowed down");
}

#[tokio::test]
async fn one_network_cannot_try_codes_under_many_names() {
    let setting = Setting::start().await;
    for name in ["bob", "eve", "joe", "liz"] {
        let user = setting.server.user(name).await;
        let browser = setting.server.browser_of(&user).await;
        for _ in 0..5 {
            assert_unknown(&browser.type_code("BCDF-GHJK").await);
        }
    }

    let answer = setting.browser.type_code("BCDF-GHJK").await;

    assert_eq!(answer.status, 429);
}

#[tokio::test]
async fn a_good_code_costs_nothing() {
    let setting = Setting::start().await;

    for _ in 0..8 {
        let codes = setting.codes().await;
        setting.browser.allow_device(&codes.user).await;
    }
}

#[tokio::test]
async fn a_person_may_grant_less_than_was_asked_and_never_more() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;

    let ticked = [("scope", "read"), ("scope", "delete"), ("scope", "x"), ("decision", "approve")];
    setting.browser.decide_on_device(&codes.user, &ticked).await;

    assert_eq!(setting.scope_of(&codes).await, "read");
}

#[tokio::test]
async fn what_the_app_cannot_do_without_is_granted_even_if_the_form_leaves_it_out() {
    let setting = Setting::start().await;
    let app = setting
        .server
        .client(setting.ada.organization, |registration| {
            for_devices(registration);
            registration.required_scopes = Scopes::parse("write").unwrap();
        })
        .await;
    let codes = app.device_codes(&setting.server, &[]).await;

    let form = [("scope", "read"), ("decision", "approve")];
    setting.browser.decide_on_device(&codes.user, &form).await;

    assert_eq!(app.poll(&setting.server, &codes.device).await.field("scope"), "read write");
}

#[tokio::test]
async fn a_person_is_asked_for_each_device() {
    let setting = Setting::start().await;
    setting.browser.allow_device(&setting.codes().await.user).await;
    let codes = setting.codes().await;

    let page = setting.browser.type_code(&codes.user).await;

    assert!(page.text.contains("asks for access on a device"), "{}", page.text);
    assert!(!page.text.contains("You gave this app access"), "{}", page.text);
}

#[tokio::test]
async fn a_member_of_several_organizations_chooses_one() {
    let setting = Setting::start().await;
    let bob = setting.server.user("bob").await;
    setting.server.join(&setting.ada, bob.organization, Role::Member).await;
    let (codes, foreign) = (setting.codes().await, setting.codes().await);
    let there = bob.organization.to_string();

    let form = [("organization", there.as_str()), ("decision", "approve")];
    setting.browser.decide_on_device(&codes.user, &form).await;

    let token = setting.app.poll(&setting.server, &codes.device).await.field("access_token");
    let who = setting.server.get_as(&token, "/v1/auth/test").await;
    assert_eq!(who.json["organization"]["id"], json!(there));
    for organization in [setting.server.user("eve").await.organization.to_string(), "nonsense".to_owned()] {
        let form = [("organization", organization.as_str()), ("decision", "approve")];
        assert_eq!(setting.browser.decide_on_device(&foreign.user, &form).await.status, 400);
    }
    assert_eq!(setting.app.poll(&setting.server, &foreign.device).await.error(), "authorization_pending");
}

#[tokio::test]
async fn a_member_cannot_let_a_device_be_an_admin() {
    let setting = Setting::start().await;
    let app = setting
        .server
        .client(setting.ada.organization, |registration| {
            for_devices(registration);
            registration.scopes = Scopes::parse("read admin").unwrap();
            registration.default_scopes = Scopes::parse("admin").unwrap();
        })
        .await;
    let bob = setting.server.colleague("bob", setting.ada.organization, Role::Member).await;
    let browser = setting.server.browser_of(&bob).await;
    let (only, both) = (
        app.device_codes(&setting.server, &[]).await,
        app.device_codes(&setting.server, &[("scope", "read admin")]).await,
    );

    let refused = browser.type_code(&only.user).await;
    let form = [("scope", "read"), ("scope", "admin"), ("decision", "approve")];
    browser.decide_on_device(&both.user, &form).await;

    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(app.poll(&setting.server, &only.device).await.error(), "authorization_pending");
    assert_eq!(app.poll(&setting.server, &both.device).await.field("scope"), "read");
}

#[tokio::test]
async fn somebody_without_an_organization_makes_one_first() {
    let setting = Setting::start().await;
    let bob = setting.server.colleague("bob", setting.ada.organization, Role::Member).await;
    let browser = setting.server.browser_of(&bob).await;
    let csrf = browser.csrf("/device").await;
    browser.submit("/settings/organization/leave", "/settings/organization/leave", &[]).await;

    let visit = browser.get("/device?user_code=bcdfghjk").await;
    let post = browser.post("/device", &[("csrf", &csrf), ("user_code", "bcdf ghjk")]).await;

    for answer in [visit, post] {
        assert!(answer.location().starts_with("/settings/organization/new?"), "{}", answer.location());
        assert_eq!(answer.location_params()["next"], "/device?user_code=BCDF-GHJK");
    }
}

#[tokio::test]
async fn another_account_can_be_used() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;

    let page = setting.browser.type_code(&codes.user).await;

    let path = format!("/login?next=%2Fdevice%3Fuser_code%3D{}", codes.user);
    assert!(page.text.contains(&path), "{}", page.text);
    assert_eq!(setting.browser.get(&path).await.status, 200, "the form, though somebody is signed in");
}

#[tokio::test]
async fn a_decision_without_this_browsers_token_decides_nothing() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;
    let form = form_of(&setting.browser.type_code(&codes.user).await, "/device");
    let foreign = setting.server.browser_of(&setting.ada).await.csrf("/device").await;

    for csrf in ["", "wrong", &foreign] {
        let answer = setting.browser.send(&form, &[("csrf", csrf), ("decision", "approve")]).await;

        assert_eq!(answer.status, 403, "{csrf}");
    }
    let elsewhere = setting.browser.request("POST", "/device").header("origin", "https://evil.example");
    assert_eq!(Answer::of(elsewhere.form(&form.fields)).await.status, 403);
    assert_eq!(setting.app.poll(&setting.server, &codes.device).await.error(), "authorization_pending");
}

#[tokio::test]
async fn a_decision_that_is_neither_yes_nor_no_decides_nothing() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;
    let form = form_of(&setting.browser.type_code(&codes.user).await, "/device");

    for changes in [
        vec![("decision", "maybe")],
        vec![("decision", "approve"), ("decision", "deny")],
        vec![("decision", "approve"), ("user_code", "BCDF-GHJK"), ("user_code", "BCDF-GHJL")],
        vec![("decision", "approve"), ("scope", "re\"ad")],
    ] {
        let answer = setting.browser.send(&form, &changes).await;

        assert_eq!(answer.status, 400, "{changes:?}");
    }
    assert_eq!(setting.app.poll(&setting.server, &codes.device).await.error(), "authorization_pending");
}

#[tokio::test]
async fn of_several_decisions_at_once_one_counts() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;
    let form = form_of(&setting.browser.type_code(&codes.user).await, "/device");
    let post = |decision: &'static str| {
        let mut fields = form.fields.clone();
        fields.push(("decision".to_owned(), decision.to_owned()));
        setting.browser.request("POST", "/device").form(&fields)
    };

    let answers = Answer::of_all(["approve", "deny", "approve", "deny", "approve"].map(post)).await;

    let decided: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(decided.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400 | 422)));
    let is_allowed = decided[0].text.contains("The device has access now");
    let polled = setting.app.poll(&setting.server, &codes.device).await;
    assert_eq!(polled.status == 200, is_allowed, "{}", polled.text);
    assert_eq!(setting.grants().await.len(), usize::from(is_allowed));
}

#[tokio::test]
async fn a_device_that_was_allowed_is_a_connected_app() {
    let setting = Setting::start().await;
    let codes = setting.codes().await;
    setting.browser.allow_device(&codes.user).await;
    let tokens = setting.app.poll(&setting.server, &codes.device).await;

    let page = setting.browser.get("/settings/apps").await;
    let path = format!("/settings/apps/{}/remove", setting.app.id);
    setting.browser.submit(&path, &path, &[]).await;

    assert!(page.text.contains("Test app"), "{}", page.text);
    assert_eq!(setting.server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
    let created = setting.server.audit_of(setting.ada.organization, "grant.created").await;
    assert_eq!(created[0].actor_name.as_deref(), Some("ada@example.com"));
}

#[tokio::test]
async fn an_app_that_registered_itself_is_marked_as_one_that_nobody_knows() {
    let setting = Setting::start().await;
    let metadata = json!({
        "client_name": "Harbour",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": [],
        "token_endpoint_auth_method": "none",
    });
    let registered = setting.server.post_json("/oauth/register", &metadata).await;
    let app = OAuthClient { id: registered.field("client_id"), secret: None };
    let codes = app.device_codes(&setting.server, &[("scope", "read")]).await;

    let page = setting.browser.type_code(&codes.user).await;

    for said in [
        "An unknown app asks for access on a device",
        "It calls itself <strong>Harbour</strong>",
        "Not verified.",
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    setting.browser.send(&form_of(&page, "/device"), &[("decision", "approve")]).await;
    assert_eq!(app.poll(&setting.server, &codes.device).await.field("scope"), "read");
}
