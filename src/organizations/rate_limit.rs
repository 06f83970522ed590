//! How often a credential may ask: two windows by its organization's plan, an hour and a minute, and both
//! hold. Counted in memory, by each node for itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::base::clock::Timestamp;
use crate::organizations::plan::Plan;

const HOUR: i64 = 3600;
const MINUTE: i64 = 60;

/// Counters are looked through for dead ones when a shard has grown to this many.
const SWEEP_AT: usize = 4096;
/// Requests of different credentials seldom wait for each other.
const SHARDS: usize = 64;

/// Cheap to clone; clones count together.
#[derive(Clone)]
pub struct RateLimiter {
    shards: Arc<[Mutex<Counters>]>,
}

/// By the id of a credential.
type Counters = HashMap<[u8; 16], Counter>;

#[derive(Clone, Copy, Default)]
struct Counter {
    hour: Window,
    minute: Window,
}

#[derive(Clone, Copy, Default)]
struct Window {
    /// Epoch seconds.
    start: i64,
    used: u32,
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
    pub hour: WindowState,
    pub minute: WindowState,
}

impl Decision {
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

impl Default for RateLimiter {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl RateLimiter {
    /// Counts a request of the credential with this id, unless it is refused.
    pub fn count(&self, credential: [u8; 16], plan: &Plan, now: Timestamp) -> Decision {
        let seconds = now.timestamp();
        // The last byte of a UUIDv7 is random. The lock is held for a few additions.
        let shard = &self.shards[usize::from(credential[15]) % SHARDS];
        let mut counters = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= SWEEP_AT && !counters.contains_key(&credential) {
            counters.retain(|_, counter| counter.hour.start + HOUR > seconds);
        }
        let counter = counters.entry(credential).or_default();
        counter.hour.begin(seconds, HOUR);
        counter.minute.begin(seconds, MINUTE);
        let is_allowed =
            counter.hour.used < plan.requests_per_hour && counter.minute.used < plan.requests_per_minute;
        if is_allowed {
            counter.hour.used += 1;
            counter.minute.used += 1;
        }
        Decision {
            is_allowed,
            hour: counter.hour.state("hour", HOUR, plan.requests_per_hour),
            minute: counter.minute.state("minute", MINUTE, plan.requests_per_minute),
        }
    }
}

impl Window {
    fn begin(&mut self, seconds: i64, length: i64) {
        let start = seconds - seconds.rem_euclid(length);
        if self.start != start {
            *self = Self { start, used: 0 };
        }
    }

    fn state(self, name: &'static str, length: i64, limit: u32) -> WindowState {
        let remaining = limit.saturating_sub(self.used);
        WindowState { name, length, limit, remaining, resets_at: self.start + length }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn plan() -> Plan {
        Plan {
            name: "test".to_owned(),
            requests_per_hour: 5,
            requests_per_minute: 2,
            has_oauth_apps: false,
            has_ip_allowlist: false,
        }
    }

    #[test]
    fn both_windows_hold() {
        let limiter = RateLimiter::default();
        let start = Timestamp::default();
        let at = |minutes| limiter.count([7; 16], &plan(), start + TimeDelta::minutes(minutes));

        assert!(at(0).is_allowed && at(0).is_allowed);
        assert!(!at(0).is_allowed, "two a minute");
        assert!(at(1).is_allowed && at(1).is_allowed && at(2).is_allowed);
        let refused = at(3);
        assert!(!refused.is_allowed, "five an hour");
        assert_eq!(refused.tightest().name, "hour");
        assert_eq!(refused.retry_after(start + TimeDelta::minutes(3)), 57 * 60);
        assert!(at(60).is_allowed);
    }

    #[test]
    fn credentials_do_not_share_a_window() {
        let limiter = RateLimiter::default();
        for credential in [[1; 16], [2; 16]] {
            assert!(limiter.count(credential, &plan(), Timestamp::default()).is_allowed);
            assert!(limiter.count(credential, &plan(), Timestamp::default()).is_allowed);
        }
    }
}
