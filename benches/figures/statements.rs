//! What the server asks PostgreSQL for one request, learned from PostgreSQL's own log, and asked again by pgbench as
//! fast as it goes: the same statements without a server.

use std::fs;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::ensure;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::PgConnection;
use tokio::process::Command;
use uuid::Uuid;

use crate::bench::Bench;
use crate::connection::Connection;
use crate::fill;
use crate::fill::Series;
use crate::postgres;
use crate::server;
use crate::server::Server;

/// Backends read a changed setting before their next statement, once they have heard of it.
const HEARD_WITHIN: Duration = Duration::from_millis(300);
const LOGGED_WITHIN: Duration = Duration::from_secs(5);

/// Marks in the log where a request begins and ends.
const MARK: &str = "select 'figures: ";

/// One statement with its parameters, of which none stands for null.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    text: String,
    parameters: Vec<Option<String>>,
}

/// What pgbench does again and again.
pub struct Script {
    statements: Vec<Statement>,
    /// The row that the learned request was about.
    id: String,
    /// Whose the row may be.
    clients: Vec<String>,
    series: Series,
}

impl Script {
    /// Learns from one of several requests, each about a row of its own: that with the fewest statements, because what
    /// the server does beside requests may fall into others.
    pub async fn learn(
        bench: &Bench,
        server: &Server,
        series: Series,
        requests: &[(u64, Vec<u8>)],
    ) -> anyhow::Result<Self> {
        let mut db = bench.postgres.connect().await?;
        let mut connection = Connection::open(server.address).await?;
        log_statements(&mut db, "all").await?;
        let mut learned = Vec::new();
        for (number, request) in requests {
            mark(&mut db, *number, "begins").await?;
            connection.succeed(request).await?;
            mark(&mut db, *number, "ends").await?;
            let statements = read_log(&bench.postgres.log(), *number).await?;
            let id = Uuid::from_bytes(fill::grant_id(series, *number).to_bytes()).to_string();
            let clients =
                bench.tenants.iter().map(|tenant| Uuid::from_bytes(tenant.client.to_bytes()).to_string());
            learned.push(Self { statements, id, clients: clients.collect(), series });
        }
        log_statements(&mut db, "none").await?;
        let script = learned.into_iter().min_by_key(|script| script.statements.len());
        script.context("nothing was asked")
    }

    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().map(|statement| statement.text.as_str())
    }

    /// Transactions a second over as many connections as the server has. `number` says in pgbench's language which row
    /// is the one with the place `:place`.
    pub async fn replay(&self, bench: &Bench, number: &str) -> anyhow::Result<f64> {
        let path = bench.scratch.join("pgbench.sql");
        fs::write(&path, self.in_pgbench(number))?;
        let connections = server::DATABASE_CONNECTIONS.to_string();
        let mut command = Command::new(bench.postgres.pgbench());
        command.args(["-n", "-M", "prepared", "-D", "turn=0", "-c", &connections, "-j", "1"]);
        command.args(["-T", &bench.seconds.as_secs().to_string(), "-f"]).arg(&path);
        command.args(["-h", &bench.postgres.socket(), "-U", "countersign", "countersign"]);
        let mut db = bench.postgres.connect().await?;
        let before = updates(&mut db).await?;
        let answer = command.kill_on_drop(true).output().await.context("running pgbench")?;
        let (said, complaint) =
            (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
        ensure!(answer.status.success(), "pgbench failed: {complaint}");
        let done =
            said.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "));
        let done: i64 = done.and_then(|done| done.parse().ok()).context("pgbench does not say how many")?;
        let updated = updates(&mut db).await? - before;
        ensure!(updated * 10 >= done * 9, "pgbench changed {updated} rows in {done} transactions");
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        rate.and_then(|rate| rate.parse().ok()).with_context(|| format!("pgbench said: {said}{complaint}"))
    }

    fn in_pgbench(&self, number: &str) -> String {
        let connections = server::DATABASE_CONNECTIONS;
        let mut script = format!(
            "\\set place :turn * {connections} + :client_id\n\\set turn :turn + 1\n\\set number {number}\n"
        );
        for statement in &self.statements {
            script.push_str(&self.with_values(statement));
            script.push_str(";\n");
        }
        script
    }

    fn with_values(&self, statement: &Statement) -> String {
        let mut text = statement.text.trim_end_matches([';', ' ', '\n']).to_owned();
        // From the last on, because `$1` begins `$10`.
        for (place, value) in statement.parameters.iter().enumerate().rev() {
            let value = match value {
                None => "null".to_owned(),
                Some(value) if *value == self.id => self.series.id_in_sql(":number::bigint"),
                // That of the row; else nothing would be found to be changed.
                Some(value) if self.clients.contains(value) => {
                    let (all, count) = (self.clients.join(","), self.clients.len());
                    format!("('{{{all}}}'::uuid[])[1 + :number::bigint % {count}]")
                }
                Some(value) => format!("'{}'", value.replace('\'', "''")),
            };
            text = text.replace(&format!("${}", place + 1), &value);
        }
        text
    }
}

/// Of grants, since the beginning of statistics.
async fn updates(db: &mut PgConnection) -> anyhow::Result<i64> {
    let count = "select n_tup_upd from pg_stat_user_tables where relname = 'grants'";
    Ok(sqlx::query_scalar(count).fetch_one(db).await?)
}

async fn log_statements(db: &mut PgConnection, which: &str) -> anyhow::Result<()> {
    postgres::execute(db, &format!("alter system set log_statement = '{which}'")).await?;
    postgres::execute(db, "select pg_reload_conf()").await?;
    tokio::time::sleep(HEARD_WITHIN).await;
    Ok(())
}

fn mark_text(number: u64, event: &str) -> String {
    format!("{MARK}{number} {event}'")
}

async fn mark(db: &mut PgConnection, number: u64, event: &str) -> anyhow::Result<()> {
    sqlx::query(AssertSqlSafe(mark_text(number, event))).execute(db).await?;
    Ok(())
}

/// What stands between the marks of a request.
async fn read_log(path: &Path, number: u64) -> anyhow::Result<Vec<Statement>> {
    let deadline = Instant::now() + LOGGED_WITHIN;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut statements = entries.filter_map(|entry| statement(&entry));
        let begins = statements.find(|statement| statement.text == mark_text(number, "begins"));
        let mut found = Vec::new();
        for statement in statements {
            if statement.text == mark_text(number, "ends") {
                return Ok(found);
            }
            found.push(statement);
        }
        ensure!(Instant::now() < deadline, "PostgreSQL's log does not tell ({begins:?}): {}", path.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `execute NAME: TEXT` or `statement: TEXT`; the parameters are the detail.
fn statement(entry: &Value) -> Option<Statement> {
    let message = entry["message"].as_str()?;
    let is_statement = message.starts_with("execute ") || message.starts_with("statement: ");
    let (_, text) = message.split_once(": ").filter(|_| is_statement)?;
    let parameters = entry["detail"].as_str().and_then(|detail| detail.split_once(": "));
    Some(Statement {
        text: text.to_owned(),
        parameters: parameters.map(|(_, list)| parameters_of(list)).unwrap_or_default(),
    })
}

/// `$1 = 'it''s', $2 = NULL`
fn parameters_of(mut list: &str) -> Vec<Option<String>> {
    let mut parameters = Vec::new();
    while let Some((_, rest)) = list.split_once(" = ") {
        let Some(mut quoted) = rest.strip_prefix('\'') else {
            parameters.push(None);
            list = rest;
            continue;
        };
        let mut value = String::new();
        while let Some((part, rest)) = quoted.split_once('\'') {
            value.push_str(part);
            quoted = rest;
            match rest.strip_prefix('\'') {
                Some(rest) => {
                    value.push('\'');
                    quoted = rest;
                }
                None => break,
            }
        }
        parameters.push(Some(value));
        list = quoted;
    }
    parameters
}
