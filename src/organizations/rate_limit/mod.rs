//! How often somebody may ask: two windows, an hour and a minute, and both hold.
//!
//! Counted in Redis, if there is one, over all nodes; else in memory, by each node for itself. While Redis is away
//! a node goes on by itself from what it last knew: a limit that is kept less exactly is better than no answer,
//! and better than no limit.

mod memory;
mod redis;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::base::clock::Timestamp;
use crate::base::network;
use crate::base::redis::Redis;
use crate::organizations::plan::Plan;
use crate::organizations::rate_limit::memory::Memory;
use crate::organizations::rate_limit::redis::SharedCounters;

const HOUR: i64 = 3600;
const MINUTE: i64 = 60;

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// By its id.
    Credential([u8; 16]),
    /// Where a caller without a credential comes from; see [`Subject::address`].
    Network(IpAddr),
    /// The same, for apps that register themselves; see [`Subject::registration`].
    Registration(IpAddr),
}

impl Subject {
    /// All addresses that one subscriber has are one subject.
    pub fn address(ip: IpAddr) -> Self {
        Self::Network(network::subscriber(ip))
    }

    pub fn registration(ip: IpAddr) -> Self {
        Self::Registration(network::subscriber(ip))
    }
}

/// As keys in Redis name it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(id) => Uuid::from_bytes(*id).simple().fmt(f),
            Self::Network(ip) => ip.fmt(f),
            Self::Registration(ip) => write!(f, "registration {ip}"),
        }
    }
}

/// How many requests each window has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub per_hour: u32,
    pub per_minute: u32,
}

impl From<&Plan> for Limits {
    fn from(plan: &Plan) -> Self {
        Self { per_hour: plan.requests_per_hour, per_minute: plan.requests_per_minute }
    }
}

/// Where one window stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowState {
    pub name: &'static str,
    /// Seconds.
    pub length: i64,
    pub limit: u32,
    pub remaining: u32,
    /// Epoch seconds.
    pub resets_at: i64,
}

/// Whether a request may go on, and what is left.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    pub is_allowed: bool,
    /// Whether nothing was refused before in the window that refuses now.
    pub is_first_refusal: bool,
    /// Whether this node counted by itself because Redis is away.
    pub is_fallback: bool,
    pub hour: WindowState,
    pub minute: WindowState,
}

impl Decision {
    fn new(counted: Counted, attempt: Attempt, is_fallback: bool) -> Self {
        let Attempt { limits, windows, .. } = attempt;
        let state = |name, length, start, limit: u32, used| WindowState {
            name,
            length,
            limit,
            remaining: limit.saturating_sub(used),
            resets_at: start + length,
        };
        Self {
            is_allowed: counted.is_allowed,
            is_first_refusal: counted.is_first_refusal,
            is_fallback,
            hour: state("hour", HOUR, windows.hour, limits.per_hour, counted.used.hour),
            minute: state("minute", MINUTE, windows.minute, limits.per_minute, counted.used.minute),
        }
    }

    /// The window that will stop the caller first: the one with the least left.
    pub fn tightest(&self) -> WindowState {
        if self.hour.remaining < self.minute.remaining { self.hour } else { self.minute }
    }

    /// Seconds until a refused caller may ask again; at least one.
    pub fn retry_after(&self, now: Timestamp) -> i64 {
        let exhausted = [self.hour, self.minute].into_iter().filter(|window| window.remaining == 0);
        exhausted.map(|window| window.resets_at - now.timestamp()).max().unwrap_or(1).max(1)
    }
}

/// When the windows began that a moment lies in, in epoch seconds.
#[derive(Debug, Clone, Copy)]
struct Windows {
    hour: i64,
    minute: i64,
}

impl Windows {
    fn at(now: Timestamp) -> Self {
        let seconds = now.timestamp();
        Self { hour: seconds - seconds.rem_euclid(HOUR), minute: seconds - seconds.rem_euclid(MINUTE) }
    }
}

/// A request to be counted.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    subject: Subject,
    limits: Limits,
    windows: Windows,
}

/// How many requests each window has had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Used {
    hour: u32,
    minute: u32,
}

/// What came of counting one request, wherever it was counted.
#[derive(Debug, Clone, Copy)]
struct Counted {
    /// After this request.
    used: Used,
    is_allowed: bool,
    is_first_refusal: bool,
}

/// Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct RateLimiter {
    memory: Arc<Memory>,
    shared: Option<Arc<SharedCounters>>,
}

impl RateLimiter {
    /// With a Redis, if there is one, in which all nodes count together.
    pub fn new(redis: Option<Arc<Redis>>) -> Self {
        let shared = redis.map(|redis| Arc::new(SharedCounters::new(redis)));
        Self { memory: Arc::default(), shared }
    }

    /// `None` without a Redis.
    pub fn is_redis_up(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| shared.is_up())
    }

    /// Counts a request of the subject, unless it is refused.
    pub async fn count(&self, subject: Subject, limits: Limits, now: Timestamp) -> Decision {
        let attempt = Attempt { subject, limits, windows: Windows::at(now) };
        let Some(shared) = &self.shared else {
            return Decision::new(self.memory.count(attempt), attempt, false);
        };
        // Each tells the other what it knows: then neither a Redis that goes nor one that comes back empty gives
        // anybody a window anew.
        match Box::pin(shared.count(attempt, self.memory.known(attempt))).await {
            Some(counted) => Decision::new(self.memory.learn(attempt, counted), attempt, false),
            None => Decision::new(self.memory.count(attempt), attempt, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const LIMITS: Limits = Limits { per_hour: 5, per_minute: 2 };

    #[tokio::test]
    async fn both_windows_hold() {
        let limiter = RateLimiter::default();
        let start = Timestamp::default();
        let at = async |minutes| {
            let now = start + TimeDelta::minutes(minutes);
            limiter.count(Subject::Credential([7; 16]), LIMITS, now).await
        };

        assert!(at(0).await.is_allowed && at(0).await.is_allowed);
        assert!(!at(0).await.is_allowed, "two a minute");
        assert!(at(1).await.is_allowed && at(1).await.is_allowed && at(2).await.is_allowed);
        let refused = at(3).await;
        assert!(!refused.is_allowed, "five an hour");
        assert_eq!(refused.tightest().name, "hour");
        assert_eq!(refused.retry_after(start + TimeDelta::minutes(3)), 57 * 60);
        assert!(at(60).await.is_allowed);
    }

    #[tokio::test]
    async fn the_first_refusal_of_a_window_is_told_from_the_others() {
        let limiter = RateLimiter::default();
        let mut first = Vec::new();
        for minute in [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 60, 60, 60] {
            let now = Timestamp::default() + TimeDelta::minutes(minute);
            let decision = limiter.count(Subject::Credential([7; 16]), LIMITS, now).await;
            first.push((minute, decision.is_allowed, decision.is_first_refusal));
        }

        let refused: Vec<_> = first.into_iter().filter(|(_, is_allowed, _)| !is_allowed).collect();
        let expected = [
            (0, false, true),
            (0, false, false),
            (1, false, true),
            (2, false, true), // of the hour
            (3, false, false),
            (60, false, true),
        ];
        assert_eq!(refused, expected);
    }

    #[tokio::test]
    async fn subjects_do_not_share_a_window() {
        let limiter = RateLimiter::default();
        let network = |text: &str| Subject::address(text.parse().unwrap());
        for subject in [
            Subject::Credential([1; 16]),
            Subject::Credential([2; 16]),
            network("203.0.113.9"),
            network("2001:db8::1"),
            network("2001:db8:0:1::1"),
        ] {
            assert!(limiter.count(subject, LIMITS, Timestamp::default()).await.is_allowed);
            assert!(limiter.count(subject, LIMITS, Timestamp::default()).await.is_allowed);
        }
        let same = network("2001:db8::ffff:1");
        assert!(!limiter.count(same, LIMITS, Timestamp::default()).await.is_allowed, "one subscriber's /64");
    }
}
