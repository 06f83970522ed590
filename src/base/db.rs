//! The way to the database, and what its errors mean.

use std::time::Duration;

use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::PgExecutor;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;

use crate::base::clock::Timestamp;

/// The schema. Compiled in, so that one binary is all there is to deploy.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// How long a request waits for a connection before it is told to come back later.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// A statement of ours takes milliseconds; one that hangs becomes a 503, not a request without end.
const STATEMENT_TIMEOUT: &str = "10s";

/// A connection that was idle for longer is tried before a request gets it: trying costs as much as most statements.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// Connects when first used.
pub fn pool(options: PgConnectOptions, max_connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > TRIED_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(
            options.application_name("countersign").options([("statement_timeout", STATEMENT_TIMEOUT)]),
        )
}

/// Whether trying again later may help: the database is away, starting, stopping or full, or two
/// transactions were in each other's way.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => true,
        // Classes of PostgreSQL's appendix A: connection exception, transaction rollback, insufficient
        // resources, operator intervention.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // And by name: the database is gone, has become a standby, or lets nobody in.
            ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))
                || ["3D000", "25006", "55000"].contains(&&*code)
        }),
        _ => false,
    }
}

/// Whether `error` is the violation of the named constraint: an answer, not a failure.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.constraint() == Some(constraint))
}

/// Notes the last use of rows of a table, each with its id; one that is older than what is noted is left. At most one
/// for each row.
macro_rules! note_last_uses {
    ($tx:expr, $table:tt, $uses:expr) => {{
        let (ids, moments): (Vec<_>, Vec<_>) = $uses.iter().copied().unzip();
        sqlx::query!(
            r#"
            update "#
                + $table
                + r#" known
               set last_used_at = used.at
              from unnest($1::uuid[], $2::timestamptz[]) used (id, at)
             where known.id = used.id
               and (known.last_used_at is null or known.last_used_at < used.at)
            "#,
            &ids as &[_],
            &moments,
        )
        .execute(&mut **$tx)
        .await
        .map(drop)
    }};
}
pub(crate) use note_last_uses;

/// Tells all who listen on the channel, when the transaction commits.
pub async fn notify(db: &mut PgConnection, channel: &str, payload: &str) -> sqlx::Result<()> {
    sqlx::query!("select pg_notify($1, $2)", channel, payload).fetch_one(db).await?;
    Ok(())
}

/// Returns when the database has answered.
pub async fn ask(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    // Not prepared: nothing is left behind on a connection that listens.
    sqlx::raw_sql("select 1").execute(db).await?;
    Ok(())
}

/// Whether the schema is the one that this binary was built with.
pub async fn is_migrated(db: &mut PgConnection) -> sqlx::Result<bool> {
    // Checked while running: without migrations there is no such table to check against.
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(db).await?;
    Ok(MIGRATIONS.iter().all(|migration| applied.contains(&migration.version)))
}

/// As in `15.8`.
pub async fn version(db: &mut PgConnection) -> sqlx::Result<String> {
    let version: String = sqlx::query_scalar("show server_version").fetch_one(db).await?;
    Ok(version.split(' ').next().unwrap_or_default().to_owned())
}

/// What time the database thinks it is.
pub async fn clock(db: &mut PgConnection) -> sqlx::Result<Timestamp> {
    sqlx::query_scalar("select clock_timestamp()").fetch_one(db).await
}

/// Brings the schema up to date, however long it takes. The connection is not to be used for anything else.
pub async fn migrate(db: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::query("set statement_timeout = 0").execute(&mut *db).await?;
    Ok(MIGRATIONS.run(db).await?)
}
