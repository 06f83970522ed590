//! Hears what other nodes, the command line and this node itself announce to have changed.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use sqlx::postgres::PgListener;
use sqlx::postgres::PgNotification;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::app::App;
use crate::app::cache;
use crate::app::cache::Waiting;
use crate::base::db;
use crate::signing::key;

/// How often the connection is tried, on which nothing else would show that it is dead.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// For how long after a trial what is kept in memory is believed: the longest for which a node that is cut off, and
/// does not know it yet, can answer from it.
const LEASE: Duration = Duration::from_secs(1);
/// The keys are read again this often even if nothing was heard: shorter than a new key is announced.
const RELOAD_KEYS_EVERY: Duration = Duration::from_mins(1);
/// How long an announcement of its own may take to arrive.
const TRIAL_PATIENCE: Duration = Duration::from_secs(2);
const TRIAL: &str = "trial ";
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// Of the connection, for whoever looks at the database.
const NAME: &str = "countersign announcements";

/// Runs until the process ends. Returns when it listens, or cannot for now.
pub async fn start(app: &App) {
    let first = Listener::open(app).await;
    let app = app.clone();
    tokio::spawn(async move {
        let mut opened = first;
        loop {
            let why = match opened {
                Ok(mut listener) => {
                    let why = listener.follow(&app).await;
                    // Before those who wait are let go.
                    app.cache.end();
                    why
                }
                Err(error) => error,
            };
            if app.db.is_closed() {
                return;
            }
            let error = format!("{why:#}");
            tracing::warn!(error, "changes cannot be heard: the database is asked instead");
            tokio::time::sleep(RECONNECT_AFTER).await;
            opened = Listener::open(&app).await;
        }
    });
}

struct Listener {
    connection: PgListener,
    /// Where others ask to be told when all has been heard.
    asking: UnboundedReceiver<Waiting>,
    waiting: Vec<Waiting>,
    tried_at: Instant,
    keys_loaded_at: Instant,
}

impl Listener {
    async fn open(app: &App) -> anyhow::Result<Self> {
        // A connection of its own, not one of those that requests wait for.
        let options = app.db.connect_options().as_ref().clone().application_name(NAME);
        let own = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let mut connection = PgListener::connect_with(&own).await?;
        // Or what is announced meanwhile would be lost without anybody knowing.
        connection.eager_reconnect(false);
        connection.listen_all([cache::CHANNEL, key::CHANNEL]).await?;
        try_out(app, &mut connection).await?;
        let (asking, now) = (app.cache.begin(), Instant::now());
        let mut listener =
            Self { connection, asking, waiting: Vec::new(), tried_at: now, keys_loaded_at: now };
        let ready = async {
            reload_keys(app).await?;
            listener.catch_up(app).await
        };
        ready.await.inspect_err(|_| app.cache.end())?;
        Ok(listener)
    }

    /// Until it cannot any more; says why.
    async fn follow(&mut self, app: &App) -> anyhow::Error {
        loop {
            if let Err(error) = self.step(app).await {
                return error;
            }
        }
    }

    async fn step(&mut self, app: &App) -> anyhow::Result<()> {
        let left = TRY_EVERY.saturating_sub(self.tried_at.elapsed());
        tokio::select! {
            heard = timeout(left, self.connection.try_recv()) => {
                if let Ok(heard) = heard {
                    heed(app, &heard?.context("the connection was lost")?).await?;
                    if self.tried_at.elapsed() < TRY_EVERY {
                        return Ok(());
                    }
                }
            }
            Some(first) = self.asking.recv() => self.waiting.push(first),
        }
        self.catch_up(app).await?;
        if self.keys_loaded_at.elapsed() >= RELOAD_KEYS_EVERY {
            self.keys_loaded_at = Instant::now();
            reload_keys(app).await?;
        }
        Ok(())
    }

    /// Asks something on the connection: the database sends what it has to announce before it answers. So all has been
    /// heard that was committed before, and those who waited for that may go on.
    async fn catch_up(&mut self, app: &App) -> anyhow::Result<()> {
        while let Ok(another) = self.asking.try_recv() {
            self.waiting.push(another);
        }
        self.tried_at = Instant::now();
        timeout(LEASE, db::ask(&mut self.connection)).await.context("the database does not answer")??;
        while let Some(heard) = self.connection.next_buffered() {
            heed(app, &heard).await?;
        }
        app.cache.lease().renew(self.tried_at + LEASE);
        for waiter in self.waiting.drain(..) {
            let _ = waiter.send(());
        }
        Ok(())
    }
}

/// Through a pooler that lends connections to transactions one could listen for ever and hear nothing.
async fn try_out(app: &App, connection: &mut PgListener) -> anyhow::Result<()> {
    let payload = format!("{TRIAL}{:016x}", rand::random::<u64>());
    db::notify(&mut *app.db.acquire().await?, cache::CHANNEL, &payload).await?;
    let arrival = async {
        while let Some(heard) = connection.try_recv().await? {
            if heard.payload() == payload {
                return Ok(());
            }
        }
        anyhow::bail!("the connection was lost")
    };
    let arrived = timeout(TRIAL_PATIENCE, arrival).await;
    arrived.context(
        "an announcement did not arrive; a pooler must lend this server a connection for a session",
    )?
}

async fn heed(app: &App, heard: &PgNotification) -> anyhow::Result<()> {
    match heard.channel() {
        // Of another node.
        cache::CHANNEL if heard.payload().starts_with(TRIAL) => {}
        cache::CHANNEL => app.cache.forget(heard.payload()),
        _ => reload_keys(app).await?,
    }
    Ok(())
}

async fn reload_keys(app: &App) -> anyhow::Result<()> {
    let mut db = app.db.acquire().await?;
    app.keys.reload(&mut db).await
}
