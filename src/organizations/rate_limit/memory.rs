//! Counters in this node's memory.

use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::organizations::rate_limit::Attempt;
use crate::organizations::rate_limit::Counted;
use crate::organizations::rate_limit::HOUR;
use crate::organizations::rate_limit::Limits;
use crate::organizations::rate_limit::MINUTE;
use crate::organizations::rate_limit::Subject;
use crate::organizations::rate_limit::Used;
use crate::organizations::rate_limit::Windows;

/// Requests of different subjects seldom wait for each other.
const SHARDS: usize = 64;
/// A shard with fewer counters is not looked through for dead ones.
const SWEEP_AT: usize = 1024;

#[derive(Debug)]
pub(super) struct Memory(Box<[Mutex<Shard>]>);

#[derive(Debug)]
struct Shard {
    counters: HashMap<Subject, Counter>,
    /// With how many counters it is looked through next: twice as many as were alive, so that looking costs little
    /// for each that comes.
    sweep_at: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    hour: Window,
    minute: Window,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// Epoch seconds.
    start: i64,
    used: u32,
    has_refused: bool,
}

impl Default for Memory {
    fn default() -> Self {
        let shard = || Mutex::new(Shard { counters: HashMap::new(), sweep_at: SWEEP_AT });
        Self((0..SHARDS).map(|_| shard()).collect())
    }
}

impl Memory {
    /// Counts a request, unless it is refused.
    pub(super) fn count(&self, attempt: Attempt) -> Counted {
        let Attempt { subject, limits, windows } = attempt;
        let mut shard = self.shard(subject);
        let counter = shard.counter(subject, windows);
        let is_allowed = counter.hour.used < limits.per_hour && counter.minute.used < limits.per_minute;
        if is_allowed {
            counter.hour.used += 1;
            counter.minute.used += 1;
        }
        let is_first_refusal = !is_allowed && counter.refuse(limits);
        Counted { used: counter.used(), is_allowed, is_first_refusal }
    }

    /// What the subject has used, as far as this node knows.
    pub(super) fn known(&self, attempt: Attempt) -> Used {
        let Attempt { subject, windows, .. } = attempt;
        let shard = self.shard(subject);
        let counter = shard.counters.get(&subject).copied().unwrap_or_default();
        let used = |window: Window, start| if window.start == start { window.used } else { 0 };
        Used { hour: used(counter.hour, windows.hour), minute: used(counter.minute, windows.minute) }
    }

    /// Takes over what all nodes together have counted. What this node has refused before is no first refusal, even if
    /// Redis has forgotten it.
    pub(super) fn learn(&self, attempt: Attempt, told: Counted) -> Counted {
        let Attempt { subject, limits, windows } = attempt;
        let mut shard = self.shard(subject);
        let own = shard.counter(subject, windows);
        own.hour.used = own.hour.used.max(told.used.hour);
        own.minute.used = own.minute.used.max(told.used.minute);
        let is_first_here = !told.is_allowed && own.refuse(limits);
        Counted { is_first_refusal: told.is_first_refusal && is_first_here, ..told }
    }

    fn shard(&self, subject: Subject) -> MutexGuard<'_, Shard> {
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        // The lock is held for a few additions.
        let shard = &self.0[usize::from(hasher.finish().to_le_bytes()[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn counter(&mut self, subject: Subject, windows: Windows) -> &mut Counter {
        if self.counters.len() >= self.sweep_at && !self.counters.contains_key(&subject) {
            self.counters.retain(|_, counter| counter.hour.start >= windows.hour);
            self.sweep_at = SWEEP_AT.max(2 * self.counters.len());
        }
        let counter = self.counters.entry(subject).or_default();
        counter.hour.begin(windows.hour, HOUR);
        counter.minute.begin(windows.minute, MINUTE);
        counter
    }
}

impl Counter {
    const fn used(&self) -> Used {
        Used { hour: self.hour.used, minute: self.minute.used }
    }

    /// Whether it is the first time in the window that refuses: the hour, if both are used up.
    const fn refuse(&mut self, limits: Limits) -> bool {
        let window = if self.hour.used >= limits.per_hour { &mut self.hour } else { &mut self.minute };
        let is_first = !window.has_refused;
        window.has_refused = true;
        is_first
    }
}

impl Window {
    /// A request that was on its way when the next window began counts in that one: it must not begin its own anew.
    /// Only a clock that was set back goes further back.
    const fn begin(&mut self, start: i64, length: i64) {
        if start > self.start || start < self.start - length {
            *self = Self { start, used: 0, has_refused: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::base::clock::Timestamp;

    const SUBJECT: Subject = Subject::Credential([7; 16]);

    /// Five an hour, two a minute.
    fn attempt(subject: Subject, minute: i64) -> Attempt {
        let windows = Windows::at(Timestamp::default() + TimeDelta::minutes(minute));
        Attempt { subject, limits: Limits { per_hour: 5, per_minute: 2 }, windows }
    }

    #[test]
    fn a_late_request_does_not_empty_the_window_that_has_begun() {
        let memory = Memory::default();
        let is_allowed = |minute| memory.count(attempt(SUBJECT, minute)).is_allowed;

        assert!(is_allowed(1) && is_allowed(0));

        assert!(!is_allowed(1));
    }

    #[test]
    fn what_all_have_counted_is_not_counted_anew() {
        let memory = Memory::default();
        let used = Used { hour: 3, minute: 1 };
        memory.learn(attempt(SUBJECT, 0), Counted { used, is_allowed: true, is_first_refusal: false });

        assert_eq!(memory.known(attempt(SUBJECT, 0)), used);
        assert_eq!(memory.known(attempt(SUBJECT, 1)), Used { hour: 3, minute: 0 });
        assert!(memory.count(attempt(SUBJECT, 0)).is_allowed);
        assert!(!memory.count(attempt(SUBJECT, 0)).is_allowed);
    }

    #[test]
    fn dead_counters_are_thrown_away() {
        let memory = Memory::default();
        let subject = |number: usize| Subject::Credential((number as u128).to_be_bytes());
        let many = 2 * SHARDS * SWEEP_AT;
        for number in 0..many {
            memory.count(attempt(subject(number), 0));
        }
        for number in many..3 * many {
            memory.count(attempt(subject(number), 60));
        }

        let dead = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap();
            shard.counters.values().filter(|counter| counter.hour.start < HOUR).count()
        };
        assert_eq!(memory.0.iter().map(dead).sum::<usize>(), 0);
    }
}
