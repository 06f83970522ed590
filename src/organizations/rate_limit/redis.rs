//! Counters in Redis or Valkey, which all nodes share: one atomic script for each request.
//!
//! While it is away nobody waits for it. A request that it fails closes the connection, and until a new one is there
//! and has counted a trial, `count` answers `None` at once.

use std::fmt;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::Weak;
use std::time::Duration;

use anyhow::Context;
use redis::AsyncConnectionConfig;
use redis::Client;
use redis::RedisResult;
use redis::Script;
use redis::aio::MultiplexedConnection;

use crate::base::secret::Secret;
use crate::organizations::rate_limit::Attempt;
use crate::organizations::rate_limit::Counted;
use crate::organizations::rate_limit::HOUR;
use crate::organizations::rate_limit::Limits;
use crate::organizations::rate_limit::MINUTE;
use crate::organizations::rate_limit::Subject;
use crate::organizations::rate_limit::Used;
use crate::organizations::rate_limit::Windows;

const SCRIPT: &str = include_str!("count.lua");
/// Between attempts to reach it again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// No request waits for that.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Counters outlive their window, in seconds, for nodes whose clocks are late.
const AFTERLIFE: i64 = 60;

pub(super) struct SharedCounters {
    client: Client,
    script: Script,
    patience: Duration,
    connection: RwLock<Connection>,
}

/// Requests fail on a connection, not on its successor.
#[derive(Default)]
struct Connection {
    number: u64,
    /// `None` while Redis is away.
    open: Option<MultiplexedConnection>,
}

/// Neither the URL, which may hold a password, nor anything else.
impl fmt::Debug for SharedCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedCounters")
    }
}

impl SharedCounters {
    /// Tries to connect once, and goes on trying if that fails. Fails only if `url` is none.
    pub(super) async fn open(url: &Secret, patience: Duration) -> anyhow::Result<Arc<Self>> {
        // The error would repeat the URL, and with it the password.
        let client =
            Client::open(url.expose()).map_err(|_| anyhow::anyhow!("redis_url is not a Redis URL"))?;
        let script = Script::new(SCRIPT);
        let shared = Arc::new(Self { client, script, patience, connection: RwLock::default() });
        if let Err(error) = shared.connect().await {
            Self::say_gone(&error);
            tokio::spawn(Self::reconnect(Arc::downgrade(&shared)));
        }
        Ok(shared)
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).open.is_some()
    }

    /// `None` if Redis is away. `known` is what this node knows to be used: Redis may have forgotten.
    pub(super) async fn count(self: &Arc<Self>, attempt: Attempt, known: Used) -> Option<Counted> {
        let (number, connection) = {
            let connection = self.connection.read().unwrap_or_else(PoisonError::into_inner);
            (connection.number, connection.open.clone()?)
        };
        match self.run(connection, attempt, known).await {
            Ok(counted) => Some(counted),
            Err(error) => {
                self.lose(number, &error);
                None
            }
        }
    }

    async fn run(
        &self,
        mut connection: MultiplexedConnection,
        attempt: Attempt,
        known: Used,
    ) -> anyhow::Result<Counted> {
        let Attempt { subject, limits, windows } = attempt;
        // Braces: in a cluster both keys are to lie on one node.
        let mut call = self.script.key(format!("countersign:rate:{{{subject}}}:hour:{}", windows.hour));
        call.key(format!("countersign:rate:{{{subject}}}:minute:{}", windows.minute));
        call.arg(limits.per_hour).arg(known.hour).arg(HOUR + AFTERLIFE);
        call.arg(limits.per_minute).arg(known.minute).arg(MINUTE + AFTERLIFE);
        let answer = call.invoke_async(&mut connection);
        let answer: RedisResult<(u32, u32, bool, bool)> =
            tokio::time::timeout(self.patience, answer).await.context("no answer in time")?;
        let (hour, minute, is_allowed, is_first_refusal) = answer?;
        Ok(Counted { used: Used { hour, minute }, is_allowed, is_first_refusal })
    }

    /// Many requests may fail on one connection; the first closes it.
    fn lose(self: &Arc<Self>, number: u64, error: &anyhow::Error) {
        let mut connection = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        if connection.number != number || connection.open.take().is_none() {
            return;
        }
        drop(connection);
        Self::say_gone(error);
        tokio::spawn(Self::reconnect(Arc::downgrade(self)));
    }

    fn say_gone(error: &anyhow::Error) {
        let error = format!("{error:#}");
        tracing::warn!(error, "Redis is away: this node counts rate limits by itself");
    }

    /// Until it is there again, or nobody counts any more.
    async fn reconnect(shared: Weak<Self>) {
        loop {
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
            let Some(shared) = shared.upgrade() else { return };
            if shared.connect().await.is_ok() {
                tracing::info!("Redis is back: all nodes count rate limits together");
                return;
            }
        }
    }

    /// A Redis that answers but cannot count, because it is loading, full, or a replica, is still away.
    async fn connect(&self) -> anyhow::Result<()> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_PATIENCE))
            // Each call has our own.
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let opened =
            tokio::time::timeout(CONNECT_PATIENCE, connecting).await.context("no connection in time")??;
        let trial = Attempt {
            subject: Subject::Credential([0; 16]),
            limits: Limits { per_hour: u32::MAX, per_minute: u32::MAX },
            windows: Windows { hour: 0, minute: 0 },
        };
        self.run(opened.clone(), trial, Used::default()).await?;
        let mut connection = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        connection.number += 1;
        connection.open = Some(opened);
        Ok(())
    }
}
