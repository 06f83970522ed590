//! Several nodes count together in Redis; and what they do while it is away.

use std::time::Duration;
use std::time::Instant;

use chrono::TimeDelta;
use countersign::base::clock::Timestamp;
use countersign::base::redis::Redis;
use countersign::base::secret::Secret;
use countersign::organizations::rate_limit::Decision;
use countersign::organizations::rate_limit::Limits;
use countersign::organizations::rate_limit::RateLimiter;
use countersign::organizations::rate_limit::Subject;

use crate::support::Answer;
use crate::support::Folder;
use crate::support::Program;
use crate::support::TestRedis;
use crate::support::TestServer;

const PATH: &str = "/v1/auth/test";
/// So long that a busy machine is never taken for a Redis that is away.
const PATIENCE: i64 = 10_000;

async fn start_with(redis: &TestRedis) -> TestServer {
    TestServer::start_with(|settings| {
        settings.redis_url = Some(Secret::new(redis.url()));
        settings.redis_timeout_milliseconds = PATIENCE;
    })
    .await
}

fn remaining(answer: &Answer) -> u32 {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-ratelimit-remaining").unwrap().parse().unwrap()
}

fn metric(server: &TestServer, name: &str) -> u64 {
    let text = server.app.metrics.to_text().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// A node tries again by itself each second.
async fn until_redis_is(server: &TestServer, is_up: bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.app.rate_limiter.is_redis_up() != Some(is_up) {
        assert!(Instant::now() < deadline, "Redis is not seen to be up: {is_up}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn two_nodes_keep_one_limit_exactly() {
    let Some(redis) = TestRedis::start() else { return };
    let one = start_with(&redis).await;
    let other = one.second_node().await;
    let ada = one.user_on_plan("ada", "free").await;
    let (_, key) = one.key(ada.organization, "read").await;

    let requests = (0..50).map(|number| {
        let node = if number % 2 == 0 { &one } else { &other };
        node.request("GET", PATH).bearer_auth(&key)
    });
    let answers = Answer::of_all(requests).await;

    let (allowed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    let mut left: Vec<u32> = allowed.into_iter().map(remaining).collect();
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<_>>(), "each number is told once");
    assert_eq!(refused.len(), 40);
    assert!(refused.iter().all(|answer| answer.status == 429));
}

#[tokio::test]
async fn one_node_with_redis_keeps_the_limit_exactly() {
    let Some(redis) = TestRedis::start() else { return };
    let server = start_with(&redis).await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;

    let answers = Answer::of_all((0..50).map(|_| server.request("GET", PATH).bearer_auth(&key))).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 40);
}

#[tokio::test]
async fn all_nodes_tell_the_same_at_the_same_time() {
    let Some(redis) = TestRedis::start() else { return };
    let one = start_with(&redis).await;
    let other = one.second_node().await;
    let ada = one.user_on_plan("ada", "free").await;
    let (_, key) = one.key(ada.organization, "read").await;
    for _ in 0..5 {
        one.get_as(&key, PATH).await;
        other.get_as(&key, PATH).await;
    }

    let refused = [one.get_as(&key, PATH).await, other.get_as(&key, PATH).await];
    one.clock.advance(TimeDelta::minutes(1));
    let after = [one.get_as(&key, PATH).await, other.get_as(&key, PATH).await];

    for answer in &refused {
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("60")), "{}", answer.text);
        assert_eq!(answer.header("ratelimit"), Some("\"minute\";r=0;t=60, \"hour\";r=90;t=3600"));
    }
    assert_eq!(refused[0].json, refused[1].json);
    assert_eq!(after.each_ref().map(remaining), [9, 8]);
}

#[tokio::test]
async fn while_redis_is_away_each_node_counts_by_itself_from_what_it_knew() {
    let Some(mut redis) = TestRedis::start() else { return };
    let one = start_with(&redis).await;
    let other = one.second_node().await;
    let ada = one.user_on_plan("ada", "free").await;
    let (_, key) = one.key(ada.organization, "read").await;
    let mut left = Vec::new();
    for node in [&one, &one, &one, &other] {
        left.push(remaining(&node.get_as(&key, PATH).await));
    }
    assert_eq!(left, [9, 8, 7, 6]);

    redis.stop();
    let alone = [remaining(&one.get_as(&key, PATH).await), remaining(&other.get_as(&key, PATH).await)];
    let is_up = [metric(&one, "countersign_redis_up"), metric(&other, "countersign_redis_up")];
    // It comes back empty: what the nodes know is all there is.
    redis.start_again();
    until_redis_is(&one, true).await;
    until_redis_is(&other, true).await;
    let together = [remaining(&one.get_as(&key, PATH).await), remaining(&other.get_as(&key, PATH).await)];

    assert_eq!(alone, [6, 5], "one knew of three, the other of four");
    assert_eq!(is_up, [0, 0]);
    assert_eq!(together, [5, 4]);
    assert_eq!(metric(&one, "countersign_redis_up"), 1);
    assert_eq!(metric(&one, "countersign_rate_limit_fallbacks_total"), 1);
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_waited_for_once() {
    let Some(redis) = TestRedis::start() else { return };
    let patience = Duration::from_secs(1);
    let server = TestServer::start_with(|settings| {
        settings.redis_url = Some(Secret::new(redis.url()));
        settings.redis_timeout_milliseconds = 1000;
    })
    .await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    server.get_as(&key, PATH).await;

    redis.freeze();
    let first = Instant::now();
    assert_eq!(remaining(&server.get_as(&key, PATH).await), 498);
    let first = first.elapsed();
    let others = Instant::now();
    for _ in 0..20 {
        assert_eq!(server.get_as(&key, PATH).await.status, 200);
    }
    let others = others.elapsed();
    redis.thaw();

    assert!(first >= patience, "{first:?}");
    assert!(others < patience * 10, "twenty requests took {others:?}");
    until_redis_is(&server, true).await;
}

/// Counts `number` requests of one subject, taking turns.
async fn count(limiters: &[RateLimiter], number: usize, now: Timestamp) -> Vec<Decision> {
    let limits = Limits { per_hour: 30, per_minute: 5 };
    let mut decisions = Vec::new();
    for limiter in limiters.iter().cycle().take(number) {
        decisions.push(limiter.count(Subject::Credential([7; 16]), limits, now).await);
    }
    decisions
}

#[tokio::test]
async fn a_refusal_is_the_first_on_one_node_only() {
    let Some(redis) = TestRedis::start() else { return };
    let url = Secret::new(redis.url());
    let patience = Duration::from_secs(10);
    let limiter = async || RateLimiter::new(Some(Redis::open(&url, patience).await.unwrap()));
    let limiters = [limiter().await, limiter().await];
    let start: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();

    for minute in 0..2 {
        let decisions = count(&limiters, 12, start + TimeDelta::minutes(minute)).await;

        let first: Vec<usize> = (0..12).filter(|index| decisions[*index].is_first_refusal).collect();
        assert_eq!(decisions.iter().filter(|decision| decision.is_allowed).count(), 5);
        assert_eq!(first, [5], "minute {minute}");
    }
}

#[tokio::test]
async fn what_is_kept_in_redis_goes_by_itself() {
    let Some(redis) = TestRedis::start() else { return };
    let shared = Redis::open(&Secret::new(redis.url()), Duration::from_secs(10)).await.unwrap();

    count(&[RateLimiter::new(Some(shared))], 12, "2030-01-01T00:00:00Z".parse().unwrap()).await;

    let mut live = redis.times_to_live().await;
    live.sort_unstable();
    // That of the trial that a connection begins with, and ours: an hour and a minute.
    assert_eq!(live.len(), 3, "{live:?}");
    assert!(live.iter().all(|seconds| (60..=3660).contains(seconds)), "{live:?}");
    assert!(live[1] <= 120, "{live:?}");
}

#[tokio::test]
async fn a_change_is_logged_once_and_not_with_each_request() {
    let Some(mut redis) = TestRedis::start() else { return };
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let folder = Folder::new();
    let program = Program::beside(&server.database, &folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("REDIS_URL", &redis.url())
        .with("COUNTERSIGN_REDIS_TIMEOUT_MILLISECONDS", "5000");
    redis.stop();
    let mut running = program.serve(&["serve"]);
    let url = running.url().await;
    let said = |what: &str| running.stderr().matches(what).count();
    let ask = async || {
        let requests = (0..5).map(|_| reqwest::Client::new().get(format!("{url}{PATH}")).bearer_auth(&key));
        assert!(Answer::of_all(requests).await.iter().all(|answer| answer.status == 200));
    };
    let until_back = async |times| {
        while said("Redis is back") < times {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };

    ask().await;
    assert_eq!(said("Redis is away"), 1, "{}", running.stderr());
    redis.start_again();
    until_back(1).await;
    ask().await;
    redis.stop();
    ask().await;
    redis.start_again();
    until_back(2).await;

    assert_eq!((said("Redis is away"), said("Redis is back")), (2, 2), "{}", running.stderr());
}

#[tokio::test]
async fn an_address_that_is_none_stops_the_start_and_is_not_repeated() {
    let server = TestServer::start().await;
    let folder = Folder::new();
    let program = Program::beside(&server.database, &folder).with("COUNTERSIGN_LISTEN", "127.0.0.1:0");

    let outcome = program.with("REDIS_URL", "mysql://me:hunter2@host").run(&["serve"]).await;

    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("redis_url is not a Redis URL"), "{outcome:?}");
    assert!(!outcome.stderr.contains("hunter2"), "{outcome:?}");
}

#[tokio::test]
async fn addresses_are_counted_together_too() {
    let Some(redis) = TestRedis::start() else { return };
    let one = start_with(&redis).await;
    let other = one.second_node().await;
    for _ in 0..30 {
        one.get("/api/auth/me").await;
        other.get("/api/auth/me").await;
    }

    let refused = [one.get("/api/auth/me").await.status, other.get("/api/auth/me").await.status];

    assert_eq!(refused, [429, 429]);
}
