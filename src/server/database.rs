//! The database that the configuration means: a given one, or the embedded PostgreSQL.

use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::app::config::Config;
use crate::base::db;
use crate::base::embedded_postgres::Durability;
use crate::base::embedded_postgres::EmbeddedPostgres;
use crate::server::secret::create_data_dir;

/// How often, at half a second each, a start waits for a database that is starting, too.
const ATTEMPTS: u32 = 60;

const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

pub struct Database {
    pub pool: PgPool,
    /// If we started it, we stop it.
    embedded: Option<EmbeddedPostgres>,
}

impl Database {
    /// For the server: the embedded PostgreSQL is its own.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        match given(config)? {
            Some(options) => Ok(Self { pool: pool(config, options), embedded: None }),
            None => Self::start_embedded(config).await,
        }
    }

    /// For the command line: beside a running server, its PostgreSQL.
    pub async fn open_beside_server(config: &Config) -> anyhow::Result<Self> {
        if let Some(options) = given(config)? {
            return Ok(Self { pool: pool(config, options), embedded: None });
        }
        match EmbeddedPostgres::find_running(&config.data_dir.join("postgres"))? {
            Some(options) => Ok(Self { pool: pool(config, options), embedded: None }),
            None => Self::start_embedded(config).await,
        }
    }

    async fn start_embedded(config: &Config) -> anyhow::Result<Self> {
        create_data_dir(&config.data_dir)?;
        let embedded = EmbeddedPostgres::start(&config.data_dir.join("postgres"), Durability::Full).await?;
        let pool = pool(config, embedded.connect_options());
        Ok(Self { pool, embedded: Some(embedded) })
    }

    /// Brings the schema up to date; several nodes may do so at once.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let mut connection = self.pool.acquire().await?.detach();
        db::migrate(&mut connection).await.context("the database could not be migrated")
    }

    /// Waits for a database that is starting, too.
    pub async fn wait_until_reachable(&self) -> anyhow::Result<()> {
        for attempt in 1..=ATTEMPTS {
            match self.pool.acquire().await {
                Ok(_) => return Ok(()),
                Err(error) if attempt < ATTEMPTS && db::is_unavailable(&error) => {
                    if attempt == 1 {
                        tracing::warn!(%error, "the database cannot be reached yet");
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(error).context("the database cannot be reached"),
            }
        }
        Ok(())
    }

    pub async fn close(self) -> anyhow::Result<()> {
        // A request that was given up may still hold a connection.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, self.pool.close()).await;
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
}

fn given(config: &Config) -> anyhow::Result<Option<PgConnectOptions>> {
    let Some(url) = &config.database_url else { return Ok(None) };
    // The error would repeat the URL, and with it the password.
    let options = url.expose().parse::<PgConnectOptions>();
    options.map(Some).map_err(|_| anyhow::anyhow!("database_url is not a PostgreSQL URL"))
}

fn pool(config: &Config, options: PgConnectOptions) -> PgPool {
    db::pool(options, config.database_connections)
}
