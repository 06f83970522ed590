//! Connections for what is one statement and asked for often.
//!
//! The pool of sqlx has each connection that comes back answer a ping, since it cannot know in what state it was left. That
//! costs the database nearly as much as such a statement. Here a connection comes back only when its statement has ended.

use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::base::db::ACQUIRE_TIMEOUT;

/// A connection that was idle for longer is tried before it is lent: the database may have gone and come back.
const TRIED_AFTER: Duration = Duration::from_millis(50);
/// A process of PostgreSQL grows with what it has done.
const LIFETIME: Duration = Duration::from_mins(30);

/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Lanes(Arc<Inner>);

struct Inner {
    options: PgConnectOptions,
    permits: Arc<Semaphore>,
    free: Mutex<Vec<Open>>,
}

struct Open {
    connection: PgConnection,
    opened_at: Instant,
    used_at: Instant,
}

/// One connection for one statement; closed when dropped, because the statement may not have ended.
pub struct Lane {
    open: Open,
    home: Lanes,
    _permit: OwnedSemaphorePermit,
}

impl Lanes {
    /// As many and to the same database as `pool`; each is opened when it is needed first.
    pub fn beside(pool: &PgPool) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        Self(Arc::new(Inner {
            options: pool.connect_options().as_ref().clone(),
            permits: Arc::new(Semaphore::new(most)),
            free: Mutex::default(),
        }))
    }

    pub async fn take(&self) -> sqlx::Result<Lane> {
        let taken = async {
            let permit =
                Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            Ok(Lane { open: self.open().await?, home: self.clone(), _permit: permit })
        };
        timeout(ACQUIRE_TIMEOUT, taken).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn open(&self) -> sqlx::Result<Open> {
        while let Some(mut open) = self.take_free() {
            let is_fresh = open.used_at.elapsed() < TRIED_AFTER;
            if open.opened_at.elapsed() < LIFETIME && (is_fresh || open.connection.ping().await.is_ok()) {
                return Ok(open);
            }
        }
        let connection = PgConnection::connect_with(&self.0.options).await?;
        Ok(Open { connection, opened_at: Instant::now(), used_at: Instant::now() })
    }

    /// The one that was used last: the others may rest.
    fn take_free(&self) -> Option<Open> {
        self.free().pop()
    }

    fn free(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// The statement has ended, well or with an error of the database: the next one may come.
    pub fn end<T>(mut self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        let mut free = self.home.free();
        match &result {
            Ok(_) | Err(sqlx::Error::Database(_)) => {
                self.open.used_at = Instant::now();
                free.push(self.open);
            }
            // What has broken this connection has broken all.
            Err(_) => free.clear(),
        }
        drop(free);
        result
    }
}

impl Deref for Lane {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.open.connection
    }
}

impl DerefMut for Lane {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.open.connection
    }
}
