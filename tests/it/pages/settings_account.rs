//! `/settings/account`

use chrono::TimeDelta;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::PASSWORD;
use crate::support::TestServer;
use crate::support::field_of;

const NEW_PASSWORD: &str = "an even better horse";
const ACCOUNT: &str = "/settings/account";

async fn change_password(browser: &Browser, current: &str, new: &str) -> Answer {
    let form = [("current_password", current), ("new_password", new)];
    browser.submit(ACCOUNT, "/settings/account/password", &form).await
}

/// The addresses to which a page's forms that end a session are posted.
fn ends(page: &Answer) -> Vec<String> {
    let actions = page.text.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    actions.filter(|action| action.ends_with("/end")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_person_sees_where_they_are_signed_in() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let browser = server.browser_of(&ada).await;
    server.clock.advance(TimeDelta::hours(3));
    server.browser_of(&ada).await;
    server.browser_of(&bob).await;

    let page = browser.get(ACCOUNT).await;

    assert_eq!(page.status, 200);
    assert!(page.text.contains("ada@example.com") && page.text.contains("ada Inc"));
    assert_eq!(page.text.matches("Signed in <time").count(), 2, "{}", page.text);
    assert_eq!(page.text.matches("127.0.0.1").count(), 2);
    assert_eq!(page.text.matches("this device").count(), 1);
    assert!(!page.text.contains("bob"));
}

#[tokio::test]
async fn a_session_elsewhere_can_be_ended() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (here, there) = (server.browser_of(&ada).await, server.browser_of(&ada).await);
    let page = here.get(ACCOUNT).await;
    let [action] = &ends(&page)[..] else { panic!("one other session: {}", page.text) };

    let answer = here.send(&crate::support::form_of(&page, action), &[]).await;

    assert_eq!((answer.status, answer.location()), (303, ACCOUNT));
    assert_eq!(there.get(ACCOUNT).await.status, 303);
    let after = here.get(ACCOUNT).await;
    assert!(after.text.contains("That device is signed out."), "{}", after.text);
    assert!(ends(&after).is_empty());
}

#[tokio::test]
async fn nobody_ends_the_session_of_somebody_else() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (here, there) = (server.browser_of(&ada).await, server.browser_of(&ada).await);
    let action = ends(&here.get(ACCOUNT).await).remove(0);
    let foreign = server.browser_of(&eve).await;
    let csrf = foreign.csrf(ACCOUNT).await;

    for action in [action.as_str(), "/settings/account/sessions/x/end", "/settings/account/sessions/%FF/end"]
    {
        let answer = foreign.post(action, &[("csrf", &csrf)]).await;

        assert!([400, 404].contains(&answer.status), "{action}: {}", answer.status);
    }
    assert_eq!((here.get(ACCOUNT).await.status, there.get(ACCOUNT).await.status), (200, 200));
}

#[tokio::test]
async fn all_other_sessions_can_be_ended_at_once() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let here = server.browser_of(&ada).await;
    let others = [server.browser_of(&ada).await, server.browser_of(&ada).await];
    let front_end = server.session_of(&ada).await;
    let stranger = server.browser_of(&bob).await;

    let answer = here.submit(ACCOUNT, "/settings/account/sessions/end-others", &[]).await;

    assert_eq!((answer.status, answer.location()), (303, ACCOUNT));
    for other in &others {
        assert_eq!(other.get(ACCOUNT).await.status, 303);
    }
    assert_eq!(server.get_as(&front_end.access_token, "/api/auth/me").await.status, 401);
    assert_eq!((here.get(ACCOUNT).await.status, stranger.get(ACCOUNT).await.status), (200, 200));
}

#[tokio::test]
async fn a_changed_password_ends_the_sessions_everywhere_else() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (here, there) = (server.browser_of(&ada).await, server.browser_of(&ada).await);
    let front_end = server.session_of(&ada).await;

    let answer = change_password(&here, PASSWORD, NEW_PASSWORD).await;

    assert_eq!((answer.status, answer.location()), (303, ACCOUNT));
    assert_eq!((here.get(ACCOUNT).await.status, there.get(ACCOUNT).await.status), (200, 303));
    assert_eq!(server.get_as(&front_end.access_token, "/api/auth/me").await.status, 401);
    assert_eq!(server.refresh_session(&front_end.refresh_token).await.status, 401);
    assert_eq!(server.log_in(&ada.email, PASSWORD).await.status, 401);
    assert_eq!(server.log_in(&ada.email, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_password_is_not_changed_without_the_old_one_nor_to_a_weak_one() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (here, there) = (server.browser_of(&ada).await, server.browser_of(&ada).await);
    let long = "x".repeat(3000);

    for (current, new, field) in [
        ("not the password", NEW_PASSWORD, "current_password"),
        ("", NEW_PASSWORD, "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, "", "new_password"),
        (PASSWORD, &long, "new_password"),
    ] {
        let answer = change_password(&here, current, new).await;

        assert_eq!(answer.status, 422, "{current} to {new:.20}");
        assert!(answer.text.contains(&format!("id=\"{field}-problem\"")), "{}", answer.text);
        assert!(!answer.text.contains(PASSWORD) && !answer.text.contains(NEW_PASSWORD));
    }
    assert_eq!(there.get(ACCOUNT).await.status, 200);
    assert_eq!(server.log_in(&ada.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn guessing_the_current_password_has_to_wait_like_signing_in() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;

    let mut refused = None;
    for _ in 0..20 {
        let answer = change_password(&browser, "not the password", NEW_PASSWORD).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }

    let refused = refused.expect("twenty guesses were free");
    assert!(refused.header("retry-after").unwrap().parse::<i64>().unwrap() >= 1);
    assert!(refused.header("content-type").unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_person_says_how_apps_call_them() {
    let server = TestServer::start().await;
    let browser = server.browser_of(&server.user("ada").await).await;
    let name_after = async |name: &str| {
        let answer = browser.submit(ACCOUNT, "/settings/account/name", &[("name", name)]).await;
        assert_eq!((answer.status, answer.location()), (303, ACCOUNT), "{name:?}");
        field_of(&browser.get(ACCOUNT).await, "name").unwrap()
    };

    assert_eq!(name_after("  Ada Lovelace ").await, "Ada Lovelace");
    assert_eq!(name_after("<b>Zoë</b> & \"株\"").await, "<b>Zoë</b> & \"株\"");
    assert_eq!(name_after(&"é".repeat(100)).await, "é".repeat(100));
    assert_eq!(name_after("").await, "");
}

#[tokio::test]
async fn what_is_no_name_is_not_kept() {
    let server = TestServer::start().await;
    let browser = server.browser_of(&server.user("ada").await).await;
    browser.submit(ACCOUNT, "/settings/account/name", &[("name", "Ada")]).await;
    let csrf = browser.csrf(ACCOUNT).await;

    for (name, status) in
        [(&*"x".repeat(101), 422), ("Ada\u{202e}", 422), ("A\nB", 422), ("\u{200b}", 422), ("A\0", 400)]
    {
        let answer = browser.post("/settings/account/name", &[("csrf", &csrf), ("name", name)]).await;

        assert_eq!(answer.status, status, "{name:?}");
        assert_eq!(answer.text.contains("id=\"name-problem\""), status == 422, "{name:?}");
    }
    let without_token = browser.post("/settings/account/name", &[("name", "Eve")]).await;
    let twice =
        browser.post("/settings/account/name", &[("csrf", &csrf), ("name", "a"), ("name", "b")]).await;

    assert_eq!((without_token.status, twice.status), (403, 400));
    assert_eq!(field_of(&browser.get(ACCOUNT).await, "name").as_deref(), Some("Ada"));
}
