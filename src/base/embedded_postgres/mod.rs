//! A real PostgreSQL that we start and stop ourselves, for when no database is configured, and for the tests.
//!
//! It speaks through a Unix socket only, and ends with this process however that ends. One folder holds it all:
//!
//! | entry | what it is |
//! | --- | --- |
//! | `cluster` | the data |
//! | `socket` | unless the path is too long for one: then `/tmp/countersign-…` |
//! | `postgres.log`, `postgres.log.old` | what PostgreSQL said in this run and the one before |
//! | `server.lock` | held by the one server that uses the folder |
//! | `postgres.lock` | held by every process of PostgreSQL, so that nothing starts before the last of them is gone |
//! | `installation` | PostgreSQL itself, where the machine has none |

mod binaries;
mod cluster;
mod home;

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgSslMode;
use tokio::task::spawn_blocking;

use self::cluster::Cluster;
use self::home::Home;

/// The user and the database.
const NAME: &str = "countersign";

/// A first start takes a second; recovering a busy cluster after a crash can take many.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// What survives a crash of the machine. A crash of this process or of PostgreSQL loses nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every committed transaction.
    Full,
    /// Perhaps nothing, and perhaps the cluster is beyond repair: for tests.
    None,
}

/// Dropping it stops PostgreSQL too, but does not wait.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    cluster: Cluster,
    /// Stops PostgreSQL when its standard input closes.
    supervisor: Child,
}

impl EmbeddedPostgres {
    /// Starts the cluster in `dir`, made at first use, and returns when its database can be used.
    ///
    /// `dir` should hold nothing else. An error if another server, in this process or another, is using it.
    pub async fn start(dir: &Path, durability: Durability) -> anyhow::Result<Self> {
        let dir = dir.to_owned();
        let (home, found) = spawn_blocking(move || {
            let home = Home::open(&dir)?;
            let found = binaries::find(&home)?;
            anyhow::Ok((home, found))
        })
        .await??;
        let binaries = match found {
            Some(binaries) => binaries,
            None => binaries::fetch(&home).await?,
        };
        let mut started = spawn_blocking(move || {
            let cluster = Cluster::open(home, binaries)?;
            cluster.end_previous()?;
            cluster.initialize()?;
            let supervisor = cluster.spawn(durability)?;
            anyhow::Ok(Self { cluster, supervisor })
        })
        .await??;
        started.wait_until_ready().await?;
        Ok(started)
    }

    /// As the owner of the database `countersign`, and of everything else in the cluster.
    pub fn connect_options(&self) -> PgConnectOptions {
        options(&self.cluster.socket)
    }

    /// How to reach the cluster in `dir` that another process has started; `None` if none has.
    ///
    /// For commands that work beside a running server. An error if it is another user's.
    pub fn find_running(dir: &Path) -> anyhow::Result<Option<PgConnectOptions>> {
        let found = dir.canonicalize().and_then(|home| {
            let socket = cluster::socket_folder(&home);
            UnixStream::connect(socket.join(format!(".s.PGSQL.{}", cluster::PORT))).map(|_| socket)
        });
        match found {
            Ok(socket) => Ok(Some(options(&socket))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("opening the database in {}", dir.display())),
        }
    }

    /// Ends all connections and waits until PostgreSQL is down.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        spawn_blocking(move || {
            drop(self.supervisor.stdin.take());
            // Not the supervisor alone: if it was killed, PostgreSQL is no child of it any more.
            self.cluster.end_previous()?;
            self.supervisor.wait().context("waiting for PostgreSQL to end")?;
            Ok(())
        })
        .await?
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let Err(error) = self.connect_once().await else { return Ok(()) };
            if let Some(status) = self.supervisor.try_wait()? {
                bail!("PostgreSQL did not start ({status}); it said:\n{}", self.cluster.end_of_log());
            }
            if Instant::now() > deadline {
                return Err(error).with_context(|| {
                    format!("PostgreSQL did not answer in time; it said:\n{}", self.cluster.end_of_log())
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn connect_once(&self) -> sqlx::Result<()> {
        let options = self.connect_options();
        match PgConnection::connect_with(&options).await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("3D000") => {
                let mut maintenance = PgConnection::connect_with(&options.database("postgres")).await?;
                sqlx::query("create database countersign").execute(&mut maintenance).await?;
                maintenance.close().await
            }
            answer => answer?.close().await,
        }
    }
}

fn options(socket: &Path) -> PgConnectOptions {
    // Each of these would else be taken from the PG… variables of whoever started us.
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(cluster::PORT)
        .ssl_mode(PgSslMode::Disable)
        .username(NAME)
        .database(NAME)
}
