//! Redis or Valkey, which all nodes share.
//!
//! While it is away nobody waits for it. A request that it fails closes the connection, and until a new one is there
//! and has passed a trial, `ask` answers `None` at once.

use std::fmt;
use std::future::Future;
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

/// Between attempts to reach it again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// No request waits for that.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// A Redis that answers but cannot do this, because it is loading, full, or a replica, is still away.
const TRIAL: &str = "return redis.call('SET', KEYS[1], 1, 'EX', 120)";
const TRIAL_KEY: &str = "countersign:trial";

pub struct Redis {
    client: Client,
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
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Tries to connect once, and goes on trying if that fails. Fails only if `url` is none: a Redis that is away may
    /// come. A request waits for it no longer than `patience`.
    pub async fn open(url: &Secret, patience: Duration) -> anyhow::Result<Arc<Self>> {
        // The error would repeat the URL, and with it the password.
        let client =
            Client::open(url.expose()).map_err(|_| anyhow::anyhow!("redis_url is not a Redis URL"))?;
        let shared = Arc::new(Self { client, patience, connection: RwLock::default() });
        if let Err(error) = shared.connect().await {
            Self::say_gone(&error);
            tokio::spawn(Self::reconnect(Arc::downgrade(&shared)));
        }
        Ok(shared)
    }

    pub fn is_up(&self) -> bool {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).open.is_some()
    }

    /// The answer to one question; `None` if Redis is away.
    pub async fn ask<T, F>(self: &Arc<Self>, question: impl FnOnce(MultiplexedConnection) -> F) -> Option<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (number, connection) = {
            let connection = self.connection.read().unwrap_or_else(PoisonError::into_inner);
            (connection.number, connection.open.clone()?)
        };
        match self.in_time(question(connection)).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.lose(number, &error);
                None
            }
        }
    }

    async fn in_time<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> anyhow::Result<T> {
        Ok(tokio::time::timeout(self.patience, answer).await.context("no answer in time")??)
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
        tracing::warn!(error, "Redis is away: this node goes by what it knows itself");
    }

    /// Until it is there again, or nobody asks any more.
    async fn reconnect(shared: Weak<Self>) {
        loop {
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
            let Some(shared) = shared.upgrade() else { return };
            if shared.connect().await.is_ok() {
                tracing::info!("Redis is back: all nodes go by it together");
                return;
            }
        }
    }

    async fn connect(&self) -> anyhow::Result<()> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_PATIENCE))
            // Each question has our own.
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let opened =
            tokio::time::timeout(CONNECT_PATIENCE, connecting).await.context("no connection in time")??;
        let (script, mut tried) = (Script::new(TRIAL), opened.clone());
        let trial = script.key(TRIAL_KEY);
        self.in_time::<()>(trial.invoke_async(&mut tried)).await?;
        let mut connection = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        connection.number += 1;
        connection.open = Some(opened);
        Ok(())
    }
}
