//! Codes and refresh tokens that come twice: retries, replays and races (RFC 6749 §10.5, RFC 9700 §4.14.2).

use chrono::TimeDelta;

use crate::oauth::Scene;
use crate::oauth::Tokens;
use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;

const RACERS: usize = 8;

#[tokio::test]
async fn a_replayed_code_is_refused_and_its_tokens_are_dead() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let tokens = Tokens::of(&scene.exchange(&code, &pkce).await);
    assert!(scene.is_accepted(&tokens.access).await);

    let replay = scene.exchange(&code, &pkce).await;

    assert_refused(&replay, 400, "invalid_grant");
    assert!(!scene.is_accepted(&tokens.access).await);
    assert_refused(&scene.refresh(&tokens.refresh).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_code_replayed_long_after_it_expired_ends_the_grant_all_the_same() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let first = Tokens::of(&scene.exchange(&code, &pkce).await);
    scene.server.clock.advance(TimeDelta::minutes(5));
    let second = Tokens::of(&scene.refresh(&first.refresh).await);

    let replay = scene.exchange(&code, &pkce).await;

    assert_refused(&replay, 400, "invalid_grant");
    assert!(!scene.is_accepted(&second.access).await);
    assert_refused(&scene.refresh(&second.refresh).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_used_code_in_the_hands_of_a_stranger_revokes_nothing() {
    let scene = Scene::new().await;
    let thief = scene.other_client().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let tokens = Tokens::of(&scene.exchange(&code, &pkce).await);

    let by_another_client = thief.exchange(&scene.server, &code, &pkce).await;
    let without_the_verifier = scene.exchange(&code, &Pkce::default()).await;

    assert_refused(&by_another_client, 400, "invalid_grant");
    assert_refused(&without_the_verifier, 400, "invalid_grant");
    assert!(scene.is_accepted(&tokens.access).await);
    assert_eq!(scene.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_exchanges_of_one_code_at_once_one_wins_and_the_grant_is_revoked() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &pkce.verifier),
    ];

    let racers = (0..RACERS).map(|_| scene.client.request(&scene.server, "/oauth/token", &form));
    let answers = at_once(racers).await;

    let (won, lost): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert_refused(answer, 400, "invalid_grant");
    }
    let tokens = Tokens::of(won[0]);
    assert!(!scene.is_accepted(&tokens.access).await);
    assert_refused(&scene.refresh(&tokens.refresh).await, 400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refreshes_with_one_token_at_once_all_get_the_same_successor() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &first)];

    let racers = (0..RACERS).map(|_| scene.client.request(&scene.server, "/oauth/token", &form));
    let answers = at_once(racers).await;

    let successor = answers[0].field("refresh_token");
    for answer in &answers {
        assert_eq!((answer.status, answer.field("refresh_token")), (200, successor.clone()));
        assert!(scene.is_accepted(&answer.field("access_token")).await);
    }
    assert_eq!(scene.refresh(&successor).await.status, 200);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_with_the_same_successor() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;

    let lost = scene.refresh(&first).await;
    let retried = scene.refresh(&first).await;

    assert_eq!(retried.status, 200);
    assert_eq!(lost.field("refresh_token"), retried.field("refresh_token"));
    assert_ne!(lost.field("access_token"), retried.field("access_token"));
}

/// Both came while the token was the current one: neither is a copy, window or not.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_retry_window_a_lost_race_is_no_replay() {
    let scene =
        Scene::with_client(|registration| registration.lifetimes.retry_window = TimeDelta::zero()).await;
    let first = scene.tokens().await.refresh;
    let form = [("grant_type", "refresh_token"), ("refresh_token", first.as_str())];
    let mut lock = scene.server.app.db.begin().await.unwrap();
    sqlx::query("select from grants for update").execute(&mut *lock).await.unwrap();
    let waiting = "select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'";
    let unlock = async {
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&scene.server.app.db).await.unwrap() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        lock.commit().await.unwrap();
    };

    let racers = (0..2).map(|_| scene.client.request(&scene.server, "/oauth/token", &form));
    let (answers, ()) = tokio::join!(at_once(racers), unlock);

    let successor = answers[0].field("refresh_token");
    for answer in &answers {
        assert_eq!((answer.status, answer.field("refresh_token")), (200, successor.clone()));
    }
}

#[tokio::test]
async fn the_retry_window_ends_after_sixty_seconds() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;
    let second = Tokens::of(&scene.refresh(&first).await);

    scene.server.clock.advance(TimeDelta::seconds(59));
    let in_time = scene.refresh(&first).await;
    scene.server.clock.advance(TimeDelta::seconds(1));
    let too_late = scene.refresh(&first).await;

    assert_eq!(in_time.field("refresh_token"), second.refresh);
    assert_refused(&too_late, 400, "invalid_grant");
    assert!(!scene.is_accepted(&second.access).await);
    assert_refused(&scene.refresh(&second.refresh).await, 400, "invalid_grant");
}

#[tokio::test]
async fn retrying_does_not_lengthen_the_window() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;
    scene.refresh(&first).await;
    scene.server.clock.advance(TimeDelta::seconds(40));
    assert_eq!(scene.refresh(&first).await.status, 200);

    scene.server.clock.advance(TimeDelta::seconds(40));
    let answer = scene.refresh(&first).await;

    assert_refused(&answer, 400, "invalid_grant");
}

#[tokio::test]
async fn a_retry_after_the_successor_was_used_is_a_replay_and_ends_the_grant_at_once() {
    let scene = Scene::new().await;
    let first = scene.tokens().await;
    let second = Tokens::of(&scene.refresh(&first.refresh).await);
    let third = Tokens::of(&scene.refresh(&second.refresh).await);

    let replay = scene.refresh(&first.refresh).await;

    assert_refused(&replay, 400, "invalid_grant");
    for tokens in [first, second, third] {
        assert!(!scene.is_accepted(&tokens.access).await);
        assert_refused(&scene.refresh(&tokens.refresh).await, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_client_without_a_retry_window_may_use_a_refresh_token_once() {
    let scene =
        Scene::with_client(|registration| registration.lifetimes.retry_window = TimeDelta::zero()).await;
    let first = scene.tokens().await.refresh;
    let second = scene.refresh(&first).await;

    let replay = scene.refresh(&first).await;

    assert_eq!(second.status, 200);
    assert_refused(&replay, 400, "invalid_grant");
    assert!(!scene.is_accepted(&second.field("access_token")).await);
}

#[tokio::test]
async fn a_clients_own_retry_window_counts() {
    let scene =
        Scene::with_client(|registration| registration.lifetimes.retry_window = TimeDelta::minutes(30)).await;
    let first = scene.tokens().await.refresh;
    let second = scene.refresh(&first).await.field("refresh_token");

    scene.server.clock.advance(TimeDelta::seconds(1799));
    let retried = scene.refresh(&first).await;

    assert_eq!(retried.field("refresh_token"), second);
}

#[tokio::test]
async fn a_retry_that_asks_for_less_gets_the_same_successor() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;
    let second = scene.refresh(&first).await;

    let retried = scene
        .post_token(&[("grant_type", "refresh_token"), ("refresh_token", &first), ("scope", "read")])
        .await;

    assert_eq!(retried.field("refresh_token"), second.field("refresh_token"));
    assert_eq!((&second.json["scope"], &retried.json["scope"]), (&"read write".into(), &"read".into()));
}

#[tokio::test]
async fn a_replay_ends_its_own_grant_only() {
    let scene = Scene::new().await;
    let other_device = scene.tokens().await;
    let first = scene.tokens().await.refresh;
    let second = scene.refresh(&first).await.field("refresh_token");
    scene.refresh(&second).await;

    let replay = scene.refresh(&first).await;

    assert_refused(&replay, 400, "invalid_grant");
    assert!(scene.is_accepted(&other_device.access).await);
    assert_eq!(scene.refresh(&other_device.refresh).await.status, 200);
}
