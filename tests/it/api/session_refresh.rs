//! `POST /api/auth/refresh`

use chrono::TimeDelta;
use serde_json::json;

use crate::support::Answer;
use crate::support::Session;
use crate::support::TestServer;

#[tokio::test]
async fn refreshing_gives_new_tokens_for_the_old() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let first = server.session_of(&ada).await;
    server.clock.advance(TimeDelta::minutes(30));

    let answer = server.refresh_session(&first.refresh_token).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let next = Session::of(&answer);
    assert_eq!(
        answer.json,
        json!({
            "session": {
                "access_token": next.access_token,
                "refresh_token": next.refresh_token,
                "expires_at": first.expires_at + 1800,
            }
        })
    );
    assert!(next.refresh_token.starts_with("v1."));
    assert_ne!(next.refresh_token, first.refresh_token);
    assert_ne!(next.access_token, first.access_token);
    assert_eq!(server.get_as(&next.access_token, "/api/auth/me").await.status, 200);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_with_the_same_successor() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let first = server.session_of(&ada).await;

    let lost = Session::of(&server.refresh_session(&first.refresh_token).await);
    server.clock.advance(TimeDelta::seconds(59));
    let again = Session::of(&server.refresh_session(&first.refresh_token).await);

    assert_eq!(again.refresh_token, lost.refresh_token);
    assert_eq!(server.refresh_session(&again.refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_replay_after_the_successor_was_used_ends_the_session() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let first = server.session_of(&ada).await;
    let second = Session::of(&server.refresh_session(&first.refresh_token).await);
    let third = Session::of(&server.refresh_session(&second.refresh_token).await);

    let replay = server.refresh_session(&first.refresh_token).await;

    assert_eq!((replay.status, replay.error()), (401, "REFRESH_FAILED"));
    assert_eq!(server.refresh_session(&third.refresh_token).await.status, 401);
    assert_eq!(server.get_as(&third.access_token, "/api/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_replay_after_the_window_ends_the_session() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let first = server.session_of(&ada).await;
    let second = Session::of(&server.refresh_session(&first.refresh_token).await);
    server.clock.advance(TimeDelta::seconds(61));

    let replay = server.refresh_session(&first.refresh_token).await;

    assert_eq!((replay.status, replay.error()), (401, "REFRESH_FAILED"));
    assert_eq!(server.refresh_session(&second.refresh_token).await.status, 401);
}

#[tokio::test]
async fn a_replay_leaves_the_persons_other_sessions() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (stolen, other) = (server.session_of(&ada).await, server.session_of(&ada).await);
    server.refresh_session(&stolen.refresh_token).await;
    server.clock.advance(TimeDelta::seconds(61));

    assert_eq!(server.refresh_session(&stolen.refresh_token).await.status, 401);

    assert_eq!(server.get_as(&other.access_token, "/api/auth/me").await.status, 200);
    assert_eq!(server.refresh_session(&other.refresh_token).await.status, 200);
}

#[tokio::test]
async fn many_refreshes_at_once_all_get_the_same_successor() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let first = server.session_of(&ada).await;

    let body = json!({ "refresh_token": first.refresh_token });
    let answers =
        Answer::of_all((0..12).map(|_| server.request("POST", "/api/auth/refresh").json(&body))).await;

    let mut successors: Vec<String> =
        answers.iter().map(|answer| Session::of(answer).refresh_token).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(server.refresh_session(&successors[0]).await.status, 200);
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_without_a_refresh() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (used, unused) = (server.session_of(&ada).await, server.session_of(&ada).await);
    server.clock.advance(TimeDelta::days(29));
    let used = Session::of(&server.refresh_session(&used.refresh_token).await);
    server.clock.advance(TimeDelta::days(2));

    let answer = server.refresh_session(&unused.refresh_token).await;

    assert_eq!((answer.status, answer.error()), (401, "REFRESH_FAILED"));
    assert_eq!(server.refresh_session(&used.refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_session_ends_after_a_year_however_often_it_is_refreshed() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let mut session = server.session_of(&ada).await;
    for _ in 0..14 {
        server.clock.advance(TimeDelta::days(26));
        session = Session::of(&server.refresh_session(&session.refresh_token).await);
    }

    server.clock.advance(TimeDelta::days(2));
    let answer = server.refresh_session(&session.refresh_token).await;

    assert_eq!((answer.status, answer.error()), (401, "REFRESH_FAILED"));
}

#[tokio::test]
async fn what_is_no_refresh_token_of_a_session_is_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await;
    let browser = server.browser_of(&ada).await;
    let app = server.public_client(ada.organization).await;
    let of_an_app = app.tokens(&server, &browser).await.field("refresh_token");
    let token = &session.refresh_token;
    let flipped = if token.ends_with('A') { 'B' } else { 'A' };
    let middle = token.len() / 2;

    for junk in [
        "",
        "v1.",
        "v1.AAAA",
        "v2.AAAA",
        &token[3..],
        &token[..token.len() - 1],
        &format!("{token}A"),
        &format!("{token} "),
        &format!("{}{flipped}", &token[..token.len() - 1]),
        &format!("{}~{}", &token[..middle], &token[middle + 1..]),
        &token.to_uppercase(),
        &session.access_token,
        &of_an_app,
    ] {
        let answer = server.refresh_session(junk).await;

        assert_eq!((answer.status, answer.error()), (401, "REFRESH_FAILED"), "{junk}");
    }
    assert_eq!(server.refresh_session(token).await.status, 200);
    assert_eq!(app.refresh(&server, &of_an_app).await.status, 200);
}
