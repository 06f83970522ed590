//! A PostgreSQL for the bench alone: durable as in production, and gone at the end.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::ensure;
use countersign::base::embedded_postgres::Durability;
use countersign::base::embedded_postgres::EmbeddedPostgres;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use crate::machine;

/// As an operator of so large a database would set it. The log is read to learn what the server asks for.
const SETTINGS: [(&str, &str); 8] = [
    ("shared_buffers", "1GB"),
    ("max_wal_size", "1GB"),
    ("checkpoint_timeout", "30min"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("logging_collector", "on"),
    ("log_destination", "jsonlog"),
    ("log_filename", "figures.log"),
];

/// Of a session that fills tables; nothing is measured meanwhile.
const FILLING: [&str; 4] = [
    "set synchronous_commit = off",
    "set session_replication_role = replica", // Foreign keys are not checked one by one.
    "set maintenance_work_mem = '512MB'",
    "set work_mem = '256MB'",
];

pub struct Postgres {
    embedded: EmbeddedPostgres,
    pub postmaster: u32,
    /// The folder of its programs.
    binaries: PathBuf,
    /// Of the data.
    folder: PathBuf,
}

/// What a table has counted since it was made.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TableCounts {
    pub name: String,
    pub inserted: i64,
    pub updated: i64,
    pub updated_in_place: i64,
    pub deleted: i64,
}

impl Postgres {
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let embedded = EmbeddedPostgres::start(folder, Durability::Full).await?;
        let mut db = PgConnection::connect_with(&embedded.connect_options()).await?;
        for (name, value) in SETTINGS {
            execute(&mut db, &format!("alter system set {name} = '{value}'")).await?;
        }
        db.close().await?;
        embedded.stop().await?;

        let embedded = EmbeddedPostgres::start(folder, Durability::Full).await?;
        let mut db = PgConnection::connect_with(&embedded.connect_options()).await?;
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut db)
            .await?;
        ensure!(version >= 150_000, "PostgreSQL 15 or newer is needed, whose log can be read by programs");
        let folder: String = sqlx::query_scalar("show data_directory").fetch_one(&mut db).await?;
        let folder = PathBuf::from(folder);
        let pid_file = std::fs::read_to_string(folder.join("postmaster.pid"))?;
        let postmaster = pid_file.lines().next().context("postmaster.pid is empty")?.parse()?;
        let program = std::fs::read_link(format!("/proc/{postmaster}/exe"))?;
        let binaries = program.parent().context("a program lies in a folder")?.to_owned();
        let postgres = Self { embedded, postmaster, binaries, folder };
        ensure!(postgres.pgbench().exists(), "{} is needed", postgres.pgbench().display());
        Ok(postgres)
    }

    pub fn options(&self) -> PgConnectOptions {
        self.embedded.connect_options()
    }

    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.options()).await?)
    }

    /// For what fills tables, with both cores.
    pub async fn connect_to_fill(&self) -> anyhow::Result<PgConnection> {
        let mut db = self.connect().await?;
        for setting in FILLING {
            execute(&mut db, setting).await?;
        }
        let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut db).await?;
        machine::let_loose(pid.unsigned_abs())?;
        Ok(db)
    }

    pub fn url(&self) -> String {
        let socket = self.socket();
        let socket: String = url::form_urlencoded::byte_serialize(socket.as_bytes()).collect();
        format!("postgres://countersign@localhost/countersign?host={socket}")
    }

    /// The folder with its socket.
    pub fn socket(&self) -> String {
        self.options().get_socket().map(|path| path.display().to_string()).unwrap_or_default()
    }

    pub fn pgbench(&self) -> PathBuf {
        self.binaries.join("pgbench")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log/figures.json")
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.embedded.stop().await
    }
}

pub async fn execute(db: &mut PgConnection, sql: &str) -> anyhow::Result<()> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(db).await;
    done.map(drop).with_context(|| sql.to_owned())
}

/// Of what was reported so far: a connection reports at its end, or when it rests.
pub async fn counts(db: &mut PgConnection) -> anyhow::Result<Vec<TableCounts>> {
    let counts = sqlx::query_as(
        r"
        select relname::text as name, n_tup_ins as inserted, n_tup_upd as updated,
               n_tup_hot_upd as updated_in_place, n_tup_del as deleted
          from pg_stat_user_tables
         order by relname
        ",
    );
    Ok(counts.fetch_all(db).await?)
}
