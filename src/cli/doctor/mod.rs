//! `countersign doctor`: says in plain words what is wrong, and what to do.

mod mcp;

use std::process::ExitCode;

use anyhow::Context;
use chrono::TimeDelta;
use clap::Args;
use clap::Subcommand;
use jsonwebtoken::Algorithm;
use sqlx::PgPool;

use crate::app::config::Config;
use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::base::db;
use crate::base::redis::Redis;
use crate::base::telemetry;
use crate::server::database::Database;
use crate::server::secret;
use crate::server::tls;
use crate::signing::jwt;
use crate::signing::key;

/// Tokens are judged by the second; what differs more will be seen by somebody.
const MAX_CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(2);

#[derive(Args)]
pub(super) struct Doctor {
    #[command(subcommand)]
    visit: Option<Visit>,
}

#[derive(Subcommand)]
enum Visit {
    /// Play the habits of MCP clients (Claude, ChatGPT, VS Code, Cursor) against a live server, this one or another
    Mcp(mcp::Mcp),
}

enum Finding {
    Good(String),
    /// Worth knowing; nothing is broken.
    Note(String),
    Bad(String),
}

impl Doctor {
    /// Exit code 1 if anything is broken.
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        match self.visit {
            None => examine(settings).await,
            Some(Visit::Mcp(mcp)) => mcp.run().await,
        }
    }
}

async fn examine(settings: Settings) -> anyhow::Result<ExitCode> {
    telemetry::init("error", false, std::io::stderr)?;
    let mut findings = Vec::new();
    match Config::try_from(settings) {
        Err(error) => findings.push(Finding::Bad(format!("Configuration: {error:#}."))),
        Ok(config) => {
            findings.push(Finding::Good("Configuration: every key makes sense.".to_owned()));
            issuer(&config, &mut findings);
            proxies(&config, &mut findings);
            certificate(&config, &mut findings);
            metrics(&config, &mut findings);
            redis(&config, &mut findings).await;
            with_database(&config, &mut findings).await;
        }
    }
    let mut is_healthy = true;
    for finding in findings {
        match finding {
            Finding::Good(text) => super::print(&format!("ok    {text}"))?,
            Finding::Note(text) => super::print(&format!("note  {text}"))?,
            Finding::Bad(text) => {
                is_healthy = false;
                super::print(&format!("BAD   {text}"))?;
            }
        }
    }
    Ok(if is_healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn issuer(config: &Config, findings: &mut Vec<Finding>) {
    let issuer = config.links.issuer();
    findings.push(if config.links.is_https() {
        Finding::Good(format!("Issuer: {issuer}. Apps compare it letter by letter."))
    } else if config.links.is_loopback() {
        Finding::Note(format!(
            "Issuer: {issuer} can only be used on this machine. For others, set issuer to an https URL."
        ))
    } else {
        Finding::Bad(format!(
            "Issuer: {issuer} is plain HTTP: passwords and tokens could be read on the way. Use https."
        ))
    });
}

fn is_on_this_machine(listen: &str) -> bool {
    ["127.", "[::1]", "localhost"].iter().any(|own| listen.starts_with(own))
}

fn proxies(config: &Config, findings: &mut Vec<Finding>) {
    let listens_to_all = !is_on_this_machine(&config.listen);
    findings.push(match (config.trusted_proxies.as_slice(), config.links.is_https()) {
        ([], true) if config.tls.is_none() => Finding::Bad(
            "Proxy headers: the issuer is https and no certificate is configured, so a proxy must stand in front, \
             but trusted_proxies is empty: every request seems to come from the proxy, and over plain HTTP."
                .to_owned(),
        ),
        ([], _) => Finding::Good("Proxy headers: none are believed.".to_owned()),
        (networks, _) if networks.iter().any(|network| network.prefix_len() == 0) => Finding::Bad(
            "Proxy headers: trusted_proxies holds every address, so any caller can claim to be any other.".to_owned(),
        ),
        (networks, _) => {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            Finding::Good(format!("Proxy headers: believed from {}.", networks.join(", ")))
        }
    });
    if listens_to_all && config.insecure_http && config.tls.is_none() {
        findings.push(Finding::Note(format!(
            "Plain HTTP: {} takes credentials over plain HTTP from others, as insecure_http says.",
            config.listen
        )));
    }
}

fn certificate(config: &Config, findings: &mut Vec<Finding>) {
    let Some((chain, key)) = &config.tls else { return };
    findings.push(match tls::check(chain, key) {
        Ok(()) => Finding::Good(format!(
            "TLS: {} can be used with its key. Whether it has expired, and names this server, is not looked at.",
            chain.display()
        )),
        Err(error) => Finding::Bad(format!("TLS: {error:#}.")),
    });
}

fn metrics(config: &Config, findings: &mut Vec<Finding>) {
    let Some(listen) = &config.metrics_listen else { return };
    if !is_on_this_machine(listen) {
        findings.push(Finding::Note(format!("Metrics: whoever reaches {listen} can read them.")));
    }
}

async fn redis(config: &Config, findings: &mut Vec<Finding>) {
    let Some(url) = &config.redis_url else { return };
    findings.push(match Redis::open(url, config.redis_timeout).await {
        Ok(redis) if redis.is_up() => {
            Finding::Good("Redis: it counts rate limits over all nodes.".to_owned())
        }
        Ok(_) => Finding::Bad(format!(
            "Redis: it cannot be reached, or does not count within {} ms: each node counts rate limits by itself.",
            config.redis_timeout.as_millis()
        )),
        Err(error) => Finding::Bad(format!("Redis: {error:#}.")),
    });
}

async fn with_database(config: &Config, findings: &mut Vec<Finding>) {
    if config.database_url.is_none() && !config.data_dir.join("postgres").exists() {
        let place = config.data_dir.display();
        let text = format!("Database: none yet; the first start of the server makes one in {place}.");
        return findings.push(Finding::Note(text));
    }
    let database = match Database::open_beside_server(config).await {
        Ok(database) => database,
        Err(error) => return findings.push(Finding::Bad(format!("Database: {error:#}."))),
    };
    match version(&database.pool).await {
        Ok(version) => {
            findings.push(Finding::Good(format!("Database: PostgreSQL {version} answers.")));
            migrations(&database.pool, findings).await;
            clock(&database.pool, findings).await;
            keys(config, &database.pool, findings).await;
        }
        Err(error) => findings.push(Finding::Bad(format!("Database: it does not answer: {error}."))),
    }
    if let Err(error) = database.close().await {
        findings.push(Finding::Bad(format!("Database: {error:#}.")));
    }
}

async fn version(pool: &PgPool) -> sqlx::Result<String> {
    db::version(&mut *pool.acquire().await?).await
}

async fn migrations(pool: &PgPool, findings: &mut Vec<Finding>) {
    let is_migrated = match pool.acquire().await {
        Ok(mut connection) => db::is_migrated(&mut connection).await,
        Err(error) => Err(error),
    };
    findings.push(match is_migrated {
        Ok(true) => Finding::Good("Migrations: the schema is up to date.".to_owned()),
        _ => Finding::Bad("Migrations: the schema is not up to date. Run `countersign migrate`.".to_owned()),
    });
}

async fn clock(pool: &PgPool, findings: &mut Vec<Finding>) {
    let theirs = match pool.acquire().await {
        Ok(mut connection) => db::clock(&mut connection).await,
        Err(error) => Err(error),
    };
    let Ok(theirs) = theirs else { return };
    let difference = (theirs - Clock::System.now()).abs();
    findings.push(if difference <= MAX_CLOCK_DIFFERENCE {
        Finding::Good("Clock: this machine and the database agree.".to_owned())
    } else {
        Finding::Bad(format!(
            "Clock: this machine and the database differ by {} s; codes live 60 s. Set up NTP on both.",
            difference.num_seconds()
        ))
    });
}

/// Only reads: a doctor makes no keys.
async fn keys(config: &Config, pool: &PgPool, findings: &mut Vec<Finding>) {
    let Ok(mut connection) = pool.acquire().await else { return };
    let Ok(known) = key::list(&mut connection).await else { return };
    if known.is_empty() {
        findings.push(Finding::Note("Keys: none yet; the first start of the server makes them.".to_owned()));
        return;
    }
    let now = Clock::System.now();
    let signs = |algorithm: &Algorithm| key::signer(known.iter(), *algorithm, now).is_some();
    let missing = key::ALGORITHMS.into_iter().find(|algorithm| !signs(algorithm)).map(key::algorithm_name);
    let opened = secret::find(config).and_then(|secret| {
        let secret = secret.context("the server secret is not set here: set COUNTERSIGN_SECRET")?;
        let in_force = known.iter().filter(|key| key.revoked_at.is_none());
        in_force.map(|key| key.private_half(&secret)).collect::<anyhow::Result<Vec<_>>>()
    });
    findings.push(match (opened, missing) {
        (Ok(_), None) => {
            Finding::Good(format!("Keys: one signs for each of {}.", jwt::ALGORITHMS.join(", ")))
        }
        (Ok(_), Some(name)) => Finding::Bad(format!(
            "Keys: none signs with {name}. Run `countersign keys rotate --algorithm {name} --now`."
        )),
        (Err(error), _) => Finding::Bad(format!("Keys: {error:#}.")),
    });
}
