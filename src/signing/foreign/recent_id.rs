//! JWTs that count once and come with every request: no row is written for them. Their ids are remembered for a short
//! while by this node and, if there is a Redis, by all nodes together.
//!
//! Without Redis, or while it is away, each other node takes such a JWT once more. And a node that is given more than
//! it can remember forgets the oldest first: it must not be brought down by being given many.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use chrono::TimeDelta;

use crate::base::clock::Timestamp;
use crate::base::redis::Redis;
use crate::signing::foreign::used_id::UsedId;

/// How many are remembered at the least; some 20 MB at the most.
const MOST: usize = 500_000;

/// Cheap to clone; clones remember together.
#[derive(Clone)]
pub struct RecentIds {
    memory: Arc<Mutex<Memory>>,
    redis: Option<Arc<Redis>>,
    /// No JWT counts for longer.
    lifetime: TimeDelta,
}

/// Two sets that take turns: what is in the older one is older than anything that still counts, when it is emptied.
#[derive(Default)]
struct Memory {
    newer: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
    turned_at: Timestamp,
}

impl fmt::Debug for RecentIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecentIds")
    }
}

impl RecentIds {
    pub fn new(lifetime: TimeDelta, redis: Option<Arc<Redis>>) -> Self {
        Self { memory: Arc::default(), redis, lifetime }
    }

    /// `false` if it was used before, as far as is remembered.
    pub async fn use_once(&self, id: UsedId<'_>, now: Timestamp) -> bool {
        // Half of the hash is enough to tell one from another.
        let mut half = [0; 16];
        half.copy_from_slice(&id.hash()[..16]);
        let is_first_here = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.note(half, self.lifetime, MOST, now)
        };
        if !is_first_here {
            return false;
        }
        let Some(redis) = &self.redis else { return true };
        let mut call = redis::cmd("SET");
        call.arg(format!("countersign:jwt:{:032x}", u128::from_be_bytes(half)));
        call.arg(1).arg("NX").arg("EX").arg(self.lifetime.num_seconds());
        let set: Option<Option<String>> =
            redis.ask(async |mut connection| call.query_async(&mut connection).await).await;
        // Nothing is set where there was something.
        set.is_none_or(|set| set.is_some())
    }
}

impl Memory {
    /// `false` if it was noted before.
    fn note(&mut self, id: [u8; 16], lifetime: TimeDelta, most: usize, now: Timestamp) -> bool {
        // Also if the clock was set back.
        let is_time = !(self.turned_at..self.turned_at + lifetime).contains(&now);
        if is_time || self.newer.len() >= most {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
            self.turned_at = now;
        }
        !self.older.contains(&id) && self.newer.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> [u8; 16] {
        number.to_be_bytes()
    }

    #[test]
    fn what_was_noted_is_known_for_as_long_as_it_may_count() {
        let mut memory = Memory::default();
        let mut note = |number, seconds| {
            let now = Timestamp::default() + TimeDelta::seconds(seconds);
            memory.note(id(number), TimeDelta::seconds(60), 10, now)
        };

        assert!(note(1, 100));
        assert!(!note(1, 100) && !note(1, 159));
        assert!(note(2, 159));
        assert!(!note(2, 161) && !note(2, 218), "noted shortly before they took turns");
        assert!(note(1, 300), "long over");
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut memory = Memory::default();
        let mut note = |number| memory.note(id(number), TimeDelta::seconds(60), 10, Timestamp::default());

        assert!((0..25).all(&mut note));

        assert!((10..25).all(|number| !note(number)));
        assert!(note(0));
        assert!(memory.newer.len() + memory.older.len() <= 20);
    }
}
