//! `/invitations/{token}`

use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::form_of;

const ORGANIZATION: &str = "/settings/organization";

/// Invites somebody for ada, and returns the path of the link.
async fn invite(server: &TestServer, ada: &TestUser, email: &str, role: &str) -> String {
    let (_, admin) = server.key(ada.organization, "admin").await;
    let body = json!({ "email": email, "role": role });
    let answer = server.send_json_as(&admin, "POST", "/v1/organization/invitations", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    server.invitation_path()
}

async fn role_of(server: &TestServer, ada: &TestUser, email: &str) -> Option<String> {
    let (_, admin) = server.key(ada.organization, "admin").await;
    let members = server.get_as(&admin, "/v1/organization/members").await.json["data"].clone();
    let found = members.as_array().unwrap().iter().find(|member| member["user"]["email"] == email).cloned();
    found.map(|member| member["role"].as_str().unwrap().to_owned())
}

async fn accept(browser: &Browser, path: &str) -> Answer {
    browser.submit(path, path, &[]).await
}

#[tokio::test]
async fn somebody_without_an_account_makes_one_and_joins_at_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let path = invite(&server, &ada, "bob@example.com", "admin").await;
    let browser = server.browser();

    let page = browser.get(&path).await;
    let joined = browser.submit(&path, &format!("{path}/register"), &[("password", PASSWORD)]).await;

    assert!(page.status == 200 && page.text.contains("Join ada Inc") && page.text.contains("as an admin"));
    assert_eq!((joined.status, joined.location()), (303, ORGANIZATION));
    let settings = browser.get(ORGANIZATION).await;
    assert!(settings.text.contains("You belong to ada Inc now."), "{}", settings.text);
    assert_eq!(role_of(&server, &ada, "bob@example.com").await.as_deref(), Some("admin"));
    assert_eq!(server.browser().get(&path).await.status, 404, "it works once");
    for action in ["invitation.accepted", "member.added", "user.registered"] {
        let [newest, ..] = &server.audit_of(ada.organization, action).await[..] else { panic!("{action}") };
        assert_eq!(newest.actor_name.as_deref(), Some("bob@example.com"), "{action}");
    }
    let organizations: i64 =
        sqlx::query_scalar("select count(*) from organizations").fetch_one(&server.app.db).await.unwrap();
    assert_eq!(organizations, 1, "nobody who is invited has to make one");
}

#[tokio::test]
async fn a_password_that_will_not_do_leaves_the_invitation_open() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let path = invite(&server, &ada, "bob@example.com", "member").await;
    let browser = server.browser();

    for password in ["short", "", &"x".repeat(3000)] {
        let form = [("password", password)];
        let answer = browser.submit(&path, &format!("{path}/register"), &form).await;

        assert_eq!(answer.status, 422, "{password:.10}");
        assert!(answer.text.contains("id=\"password-problem\""), "{}", answer.text);
    }
    assert_eq!(browser.get(&path).await.status, 200);
}

#[tokio::test]
async fn somebody_with_an_account_signs_in_on_the_way() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let path = invite(&server, &ada, "BOB@example.com", "member").await;
    let browser = server.browser();

    let taken = browser.submit(&path, &format!("{path}/register"), &[("password", "another password")]).await;
    let login = format!("/login?next={}", path.replace('/', "%2F"));
    let signed_in = browser.submit(&login, "/login", &[("email", &bob.email), ("password", PASSWORD)]).await;
    let joined = accept(&browser, &path).await;

    assert_eq!(taken.status, 422);
    assert!(taken.text.contains("There is an account with this email already"), "{}", taken.text);
    assert_eq!((signed_in.status, signed_in.location()), (303, path.as_str()));
    assert_eq!((joined.status, joined.location()), (303, ORGANIZATION));
    let page = browser.get(ORGANIZATION).await;
    assert!(page.text.contains("What ada Inc has and uses"), "the page is about the new one: {}", page.text);
    assert_eq!(role_of(&server, &ada, &bob.email).await.as_deref(), Some("member"));
}

#[tokio::test]
async fn nobody_accepts_what_is_for_somebody_else() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let path = invite(&server, &ada, "bob@example.com", "member").await;
    let browser = server.browser_of(&eve).await;

    let page = browser.get(&path).await;
    let csrf = browser.csrf("/settings/account").await;
    let forced = browser.post(&path, &[("csrf", &csrf)]).await;
    let stranger = server.browser().post(&path, &[]).await;

    assert!(page.text.contains("You are signed in as <strong>eve@example.com</strong>"), "{}", page.text);
    assert_eq!(forced.status, 403);
    assert!([303, 403].contains(&stranger.status));
    assert_eq!(role_of(&server, &ada, &eve.email).await, None);
    assert_eq!(browser.get(&path).await.status, 200, "it stays open");
    let login = browser.get(&format!("/login?next={path}")).await;
    assert!(login.status == 200 && login.text.contains("Sign in"), "there is a way to be somebody else");
}

#[tokio::test]
async fn of_two_acceptances_at_once_one_counts() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let path = invite(&server, &ada, &bob.email, "admin").await;
    let browser = server.browser_of(&bob).await;
    let csrf = browser.csrf(&path).await;

    let requests = (0..2).map(|_| browser.request("POST", &path).form(&[("csrf", &csrf)]));
    let answers = Answer::of_all(requests).await;

    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    // The second finds it gone before it looks, or after.
    assert!([[303, 403], [303, 404]].contains(&statuses[..].try_into().unwrap()), "{statuses:?}");
    assert_eq!(server.audit_of(ada.organization, "invitation.accepted").await.len(), 1);
    assert_eq!(server.audit_of(ada.organization, "member.added").await.len(), 2, "ada herself, and bob once");
}

#[tokio::test]
async fn a_member_whom_the_operator_let_in_meanwhile_keeps_their_role() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let path = invite(&server, &ada, &bob.email, "admin").await;
    server.join(&bob, ada.organization, Role::Member).await;

    let answer = accept(&server.browser_of(&bob).await, &path).await;

    assert_eq!((answer.status, answer.location()), (303, ORGANIZATION));
    assert_eq!(role_of(&server, &ada, &bob.email).await.as_deref(), Some("member"));
}

#[tokio::test]
async fn a_token_that_is_none_is_a_page_like_any_other_that_is_gone() {
    let server = TestServer::start().await;
    let browser = server.browser();

    for token in ["x", "%00", "%FF", "..%2F..", "'", &"a".repeat(32), &"a".repeat(5000), "%F0%9F%94%91"] {
        let answer = browser.get(&format!("/invitations/{token}")).await;

        assert!([400, 404].contains(&answer.status), "{token:.40}: {}", answer.status);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    }
}

#[tokio::test]
async fn where_registration_is_closed_the_invited_can_only_sign_in() {
    let server = TestServer::start_with(|settings| settings.registration = false).await;
    let ada = server.user("ada").await;
    let path = invite(&server, &ada, "bob@example.com", "member").await;
    let browser = server.browser();

    let page = browser.get(&path).await;
    let csrf = browser.csrf("/login").await;
    let forced = browser.post(&format!("{path}/register"), &[("csrf", &csrf), ("password", PASSWORD)]).await;

    assert!(
        page.text.contains("Sign in to accept") && !page.text.contains("Create account"),
        "{}",
        page.text
    );
    assert_eq!(forced.status, 403);
}

#[tokio::test]
async fn names_in_an_invitation_are_shown_as_text() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let hostile = json!({ "name": "<script>alert(1)</script> & \"Co\"" });
    server.send_json_as(&admin, "PUT", "/v1/organization", &hostile).await;

    let path = invite(&server, &ada, "bob@example.com", "member").await;

    let page = server.browser().get(&path).await;
    assert!(!page.text.contains("<script"), "{}", page.text);
    assert_eq!(server.mails()[0].subject, "Join <script>alert(1)</script> & \"Co\"");
    let form = form_of(&page, &format!("{path}/register"));
    assert_eq!(form.action, format!("{path}/register"));
}
