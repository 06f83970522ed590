//! Counters in Redis or Valkey, which all nodes share: one atomic script for each request.

use std::sync::Arc;

use redis::Script;

use crate::base::redis::Redis;
use crate::organizations::rate_limit::Attempt;
use crate::organizations::rate_limit::Counted;
use crate::organizations::rate_limit::HOUR;
use crate::organizations::rate_limit::MINUTE;
use crate::organizations::rate_limit::Used;

const SCRIPT: &str = include_str!("count.lua");
/// Counters outlive their window, in seconds, for nodes whose clocks are late.
const AFTERLIFE: i64 = 60;

#[derive(Debug)]
pub(super) struct SharedCounters {
    redis: Arc<Redis>,
    script: Script,
}

impl SharedCounters {
    pub(super) fn new(redis: Arc<Redis>) -> Self {
        Self { redis, script: Script::new(SCRIPT) }
    }

    pub(super) fn is_up(&self) -> bool {
        self.redis.is_up()
    }

    /// `None` if Redis is away. `known` is what this node knows to be used: Redis may have forgotten.
    pub(super) async fn count(&self, attempt: Attempt, known: Used) -> Option<Counted> {
        let Attempt { subject, limits, windows } = attempt;
        // Braces: in a cluster both keys are to lie on one node.
        let mut call = self.script.key(format!("countersign:rate:{{{subject}}}:hour:{}", windows.hour));
        call.key(format!("countersign:rate:{{{subject}}}:minute:{}", windows.minute));
        call.arg(limits.per_hour).arg(known.hour).arg(HOUR + AFTERLIFE);
        call.arg(limits.per_minute).arg(known.minute).arg(MINUTE + AFTERLIFE);
        let (hour, minute, is_allowed, is_first_refusal): (u32, u32, bool, bool) =
            self.redis.ask(async |mut connection| call.invoke_async(&mut connection).await).await?;
        Some(Counted { used: Used { hour, minute }, is_allowed, is_first_refusal })
    }
}
