//! `/settings/organization`

use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::form_of;

const ORGANIZATION: &str = "/settings/organization";

fn member(user: &TestUser, action: &str) -> String {
    format!("{ORGANIZATION}/members/{}/{action}", user.id)
}

/// Confirms on the page that asks.
async fn confirm(browser: &Browser, path: &str) -> Answer {
    browser.submit(path, path, &[]).await
}

#[tokio::test]
async fn it_shows_plan_use_credits_and_members() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    server.colleague("bob", ada.organization, Role::Member).await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let debit = json!({ "amount_cents": 120, "reason": "calls <in> May" });
    server.send_json_as(&admin, "POST", "/v1/organization/credits/debit", &debit).await;

    let page = server.browser_of(&ada).await.get(ORGANIZATION).await;

    assert_eq!(page.status, 200);
    for words in [
        "ada Inc",
        "<span class=\"tag\">pro</span>",
        "10,000 requests an hour, 500 a minute",
        "2 members, 1 API key, 0 apps, 0 webhooks",
        "380 cents",
        "−120 cents",
        "calls &#60;in&#62; May",
        "bob@example.com",
        "You are the owner.",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
}

#[tokio::test]
async fn a_member_sees_it_and_can_change_nothing() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let carol = server.colleague("carol", ada.organization, Role::Member).await;
    let browser = server.browser_of(&bob).await;

    let page = browser.get(ORGANIZATION).await;

    assert_eq!(page.status, 200);
    assert!(page.text.contains("carol@example.com") && page.text.contains("you see it as a member"));
    for part in ["/members/", "/invitations", "name=\"name\"", "/organization/credits"] {
        assert!(!page.text.contains(part), "{part}: {}", page.text);
    }
    let csrf = browser.csrf(ORGANIZATION).await;
    let invitations = format!("{ORGANIZATION}/invitations");
    for (path, fields) in [
        (ORGANIZATION.to_owned(), vec![("name", "Mine")]),
        (invitations, vec![("email", "eve@example.com"), ("role", "admin")]),
        (member(&carol, "role"), vec![("role", "admin")]),
        (member(&carol, "remove"), vec![]),
        (member(&carol, "transfer"), vec![]),
        (member(&bob, "role"), vec![("role", "admin")]),
    ] {
        let fields = [fields, vec![("csrf", csrf.as_str())]].concat();
        assert_eq!(browser.post(&path, &fields).await.status, 403, "{path}");
    }
    assert_eq!(browser.get(&format!("{ORGANIZATION}/credits")).await.status, 403);
    assert!(server.mails().is_empty());
    assert_eq!(browser.get(ORGANIZATION).await.text, page.text);
}

#[tokio::test]
async fn it_is_renamed() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;

    let bad = browser.submit(ORGANIZATION, ORGANIZATION, &[("name", "Ac\u{202e}me")]).await;
    let good = browser.submit(ORGANIZATION, ORGANIZATION, &[("name", "Zoë & <b>Co</b>")]).await;

    assert_eq!(bad.status, 422);
    assert!(bad.text.contains("id=\"name-problem\""), "{}", bad.text);
    assert_eq!((good.status, good.location()), (303, ORGANIZATION));
    let page = browser.get(ORGANIZATION).await;
    assert!(page.text.contains("Zoë &#38; &#60;b&#62;Co&#60;/b&#62;") && !page.text.contains("<b>Co"));
}

#[tokio::test]
async fn an_admin_changes_roles_and_removes_after_a_question() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    let carol = server.colleague("carol", ada.organization, Role::Member).await;
    let session = server.session_of(&carol).await;
    let browser = server.browser_of(&bob).await;

    let promoted = browser.submit(ORGANIZATION, &member(&carol, "role"), &[]).await;
    let shown = browser.get(ORGANIZATION).await;
    let asked = browser.get(&member(&carol, "remove")).await;
    let still = server.get_as(&session.access_token, "/v1/organization").await.status;
    let removed = browser.send(&form_of(&asked, &member(&carol, "remove")), &[]).await;

    assert_eq!((promoted.status, promoted.location()), (303, ORGANIZATION));
    assert!(shown.text.contains("carol@example.com is an admin now."), "{}", shown.text);
    assert_eq!((asked.status, still), (200, 200), "carol is an admin until she is gone");
    assert_eq!((removed.status, removed.location()), (303, ORGANIZATION));
    assert_eq!(server.get_as(&session.access_token, "/v1/auth/test").await.status, 401);
    let gone = browser.get(&member(&carol, "remove")).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn the_owner_hands_over_and_then_may_leave() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let (of_ada, of_bob) = (server.browser_of(&ada).await, server.browser_of(&bob).await);

    let early = of_ada.get(&format!("{ORGANIZATION}/leave")).await;
    let handed = confirm(&of_ada, &member(&bob, "transfer")).await;
    let page = of_ada.get(ORGANIZATION).await;
    let again = of_ada.get(&member(&bob, "transfer")).await;
    let left = confirm(&of_ada, &format!("{ORGANIZATION}/leave")).await;

    assert_eq!(early.status, 403);
    assert_eq!((handed.status, handed.location()), (303, ORGANIZATION));
    assert!(page.text.contains("bob@example.com is the owner now."), "{}", page.text);
    assert_eq!(again.status, 403);
    assert_eq!(left.status, 303);
    let page = of_bob.get(ORGANIZATION).await;
    assert!(page.text.contains("You are the owner.") && !page.text.contains("ada@example.com"));
}

#[tokio::test]
async fn somebody_is_invited_again_and_not_after_all() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let action = format!("{ORGANIZATION}/invitations");

    let bad = browser.submit(ORGANIZATION, &action, &[("email", "nobody")]).await;
    let own = browser.submit(ORGANIZATION, &action, &[("email", "ADA@example.com")]).await;
    let form = [("email", "bob@example.com"), ("role", "admin")];
    let good = browser.submit(ORGANIZATION, &action, &form).await;
    let page = browser.get(ORGANIZATION).await;
    let row = |page: &Answer, action: &str| {
        let mut actions = page.text.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
        actions.find(|found| found.ends_with(action)).map(str::to_owned)
    };
    let again = row(&page, "/resend").unwrap();
    let resent = browser.send(&form_of(&page, &again), &[]).await;
    let withdraw = row(&page, "/withdraw").unwrap();
    let withdrawn = browser.send(&form_of(&page, &withdraw), &[]).await;

    assert_eq!((bad.status, own.status), (422, 422));
    assert!(bad.text.contains("id=\"email-problem\"") && bad.text.contains("value=\"nobody\""));
    assert!(own.text.contains("belongs to the organization already."), "{}", own.text);
    assert_eq!((good.status, resent.status, withdrawn.status), (303, 303, 303));
    assert!(page.text.contains("An invitation is on its way to bob@example.com."), "{}", page.text);
    assert_eq!(server.mails().len(), 2);
    let after = browser.get(ORGANIZATION).await;
    assert_eq!(row(&after, "/resend"), None);
    assert_eq!(server.get(&server.invitation_path()).await.status, 404);
}

#[tokio::test]
async fn what_belongs_to_another_organization_is_not_there() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let of_ada = server.browser_of(&ada).await;
    let action = format!("{ORGANIZATION}/invitations");
    of_ada.submit(ORGANIZATION, &action, &[("email", "carol@example.com"), ("role", "member")]).await;
    let page = of_ada.get(ORGANIZATION).await;
    let (_, rest) = page.text.split_once(&format!("{action}/")).unwrap();
    let invitation = rest.split('/').next().unwrap();
    let browser = server.browser_of(&eve).await;
    let csrf = browser.csrf(ORGANIZATION).await;

    for id in [bob.id.as_str(), "x", "%00"] {
        for ending in ["remove", "transfer", "role"] {
            let path = format!("{ORGANIZATION}/members/{id}/{ending}");
            let answer = browser.post(&path, &[("csrf", &csrf), ("role", "admin")]).await;
            assert_eq!(answer.status, 404, "{path}");
        }
    }
    for ending in ["resend", "withdraw"] {
        let path = format!("{action}/{invitation}/{ending}");
        assert_eq!(browser.post(&path, &[("csrf", &csrf)]).await.status, 404, "{path}");
    }
    assert_eq!(server.mails().len(), 1);
    assert!(!browser.get(ORGANIZATION).await.text.contains("carol@example.com"));
}

#[tokio::test]
async fn somebody_with_several_organizations_switches_between_them() {
    let server = TestServer::start().await;
    let (ada, bob, eve) = (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    let browser = server.browser_of(&ada).await;
    assert!(!browser.get("/settings/api").await.text.contains("/settings/switch"), "there is only one");
    server.join(&ada, bob.organization, Role::Member).await;

    let to_bob = bob.organization.to_string();
    let switched = browser.submit("/settings/api", "/settings/switch", &[("organization", &to_bob)]).await;
    let page = browser.get(ORGANIZATION).await;
    let consent = {
        let client = server.public_client(bob.organization).await;
        browser.get(&client.authorize_path(&Pkce::default(), &[])).await
    };
    let csrf = browser.csrf(ORGANIZATION).await;
    let eves = eve.organization.to_string();
    let mut refused = Vec::new();
    for id in [eves.as_str(), "", "x"] {
        let answer = browser.post("/settings/switch", &[("csrf", &csrf), ("organization", id)]).await;
        refused.push(answer.status);
    }

    assert_eq!((switched.status, switched.location()), (303, ORGANIZATION));
    assert!(page.text.contains("What bob Inc has and uses") && page.text.contains("you see it as a member"));
    assert_eq!(browser.get("/settings/api").await.status, 403, "ada is a member there");
    let first = consent.text.split("name=\"organization\"").nth(1).unwrap();
    assert!(first.split('>').next().unwrap().contains(&to_bob), "the chosen one is offered first");
    assert_eq!(refused, [404, 404, 404]);
    let other = server.browser_of(&ada).await;
    assert!(other.get(ORGANIZATION).await.text.contains("What ada Inc has"), "the choice is this browser's");
}

#[tokio::test]
async fn a_front_end_chooses_the_organization_by_its_number() {
    let server = TestServer::start().await;
    let (ada, bob, eve) = (server.user("ada").await, server.user("bob").await, server.user("eve").await);
    server.join(&ada, bob.organization, Role::Member).await;
    let number = async |user: &TestUser| {
        let (_, admin) = server.key(user.organization, "admin").await;
        server.get_as(&admin, "/v1/organization").await.json["number"].clone()
    };
    let (of_ada, of_bob, of_eve) = (number(&ada).await, number(&bob).await, number(&eve).await);
    let log_in = async |company: serde_json::Value, password: &str| {
        let body = json!({ "email": ada.email, "password": password, "companyId": company });
        server.post_json("/api/auth/login", &body).await
    };

    for (company, expected) in [(json!(null), &of_ada), (of_ada.clone(), &of_ada), (of_bob.clone(), &of_bob)]
    {
        let answer = log_in(company, PASSWORD).await;
        assert_eq!((answer.status, &answer.json["user"]["companyId"]), (200, expected));
    }
    let wrong = log_in(of_ada, "not the password").await;
    for company in [of_eve, json!(0), json!(-1), json!(i64::MAX)] {
        let answer = log_in(company, PASSWORD).await;
        assert_eq!((answer.status, &answer.text), (401, &wrong.text), "like wrong credentials");
    }
    for company in [json!("1"), json!(1.5), json!([])] {
        assert_eq!(log_in(company, PASSWORD).await.status, 422);
    }
}

#[tokio::test]
async fn who_belongs_to_none_is_told_so_and_makes_one() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let browser = server.browser_of(&bob).await;
    let client = server.public_client(ada.organization).await;
    confirm(&browser, &format!("{ORGANIZATION}/leave")).await;

    let there = browser.get("/settings/account").await;
    let authorize = browser.get(&client.authorize_path(&Pkce::default(), &[])).await;
    let again = server.browser_of(&bob).await;
    let page = again.get(there.location()).await;
    let api = server.log_in(&bob.email, PASSWORD).await;
    let bad = again.submit(there.location(), "/settings/organization/new", &[("name", " ")]).await;
    let made = again.submit(authorize.location(), "/settings/organization/new", &[("name", "Bob Ltd")]).await;

    assert_eq!(there.location(), "/settings/organization/new?next=%2Fsettings%2Faccount");
    assert!(page.status == 200 && page.text.contains("You belong to no organization"), "{}", page.text);
    assert_eq!((api.status, api.error()), (403, "FORBIDDEN"));
    assert_eq!(bad.status, 422);
    assert!(made.status == 303 && made.location().starts_with("/oauth/authorize?"), "{}", made.text);
    assert_eq!(again.get(made.location()).await.status, 200, "the consent page");
    assert!(again.get(ORGANIZATION).await.text.contains("What Bob Ltd has and uses"));
    let twice = again.post("/settings/organization/new", &[]).await;
    assert_eq!(twice.status, 403, "a form without its token");
    assert_eq!(again.get("/settings/organization/new").await.status, 303, "there is one now");
}

#[tokio::test]
async fn who_has_an_organization_gets_no_second_one_with_its_credits() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let csrf = browser.csrf(ORGANIZATION).await;
    let form = [("csrf", csrf.as_str()), ("next", ""), ("name", "Second")];

    let requests = (0..3).map(|_| browser.request("POST", "/settings/organization/new").form(&form));
    Answer::of_all(requests).await;

    let organizations: i64 =
        sqlx::query_scalar("select count(*) from organizations").fetch_one(&server.app.db).await.unwrap();
    assert_eq!(organizations, 1);
}
