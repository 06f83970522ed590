//! `countersign keys list|rotate|revoke`

use anyhow::Context;
use anyhow::bail;
use chrono::SecondsFormat;
use clap::Args;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use jsonwebtoken::Algorithm;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::PgTransaction;

use crate::app::config::Config;
use crate::app::config::Settings;
use crate::app::signing_keys;
use crate::app::signing_keys::Revoked;
use crate::audit::act::Act;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::server_secret::ServerSecret;
use crate::server::secret;
use crate::signing::jwt;
use crate::signing::key;
use crate::signing::keyring;
use crate::signing::token_key;

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Print all keys and what each is doing
    List,
    /// Add a key: it is announced before it signs, and the one before of its algorithm goes on verifying
    Rotate(Rotate),
    /// Make everything signed or derived with a key worthless at once
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Rotate {
    /// Rotate the key that derives codes and refresh tokens instead; those of the old one stay good
    #[arg(long)]
    token: bool,
    /// Of the signing key; if absent that of the configuration
    #[arg(long, conflicts_with = "token", value_parser = algorithm())]
    algorithm: Option<Algorithm>,
    /// Sign with the new key at once, without announcing it first
    #[arg(long, conflicts_with = "token")]
    now: bool,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// As `keys list` prints it
    id: String,
}

impl Keys {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (config, database) = super::open(settings).await?;
        let result = self.execute(&config, &database.pool).await;
        database.close().await?;
        super::print(&result?)
    }

    async fn execute(self, config: &Config, pool: &PgPool) -> anyhow::Result<String> {
        let act = Act::of_operator(Clock::System.now());
        let mut tx = pool.begin().await?;
        let text = match self {
            Self::List => list(&mut tx, act.at).await?,
            Self::Rotate(rotate) => {
                let secret = locked(&mut tx, config).await?;
                rotate.run(&mut tx, config, &secret, &act).await?
            }
            Self::Revoke(revoke) => {
                let secret = locked(&mut tx, config).await?;
                revoke.run(&mut tx, &secret, &act).await?
            }
        };
        tx.commit().await?;
        Ok(text)
    }
}

/// Keeps other processes from changing the ring until the transaction ends.
async fn locked(tx: &mut PgTransaction<'_>, config: &Config) -> anyhow::Result<ServerSecret> {
    keyring::lock(tx).await?;
    proven_secret(tx, config).await
}

async fn list(db: &mut PgConnection, now: Timestamp) -> anyhow::Result<String> {
    let signing = key::list(db).await?;
    let mut lines = Vec::new();
    for key in &signing {
        let state = match (key.revoked_at, key.verifies_until) {
            (Some(at), _) => format!("revoked {}", written(at)),
            (None, _) if key::signs(&signing, key, now) => "signs".to_owned(),
            (None, Some(until)) if until <= now => format!("retired {}", written(until)),
            (None, Some(until)) => format!("verifies until {}", written(until)),
            (None, None) => format!("announced, signs from {}", written(key.signs_from)),
        };
        lines.push(format!("signing  {}  {}  {state}", key.id, key::algorithm_name(key.algorithm)));
    }
    let token = token_key::list(db).await?;
    let newest = token.iter().rfind(|key| !key.is_revoked()).map(|key| key.id);
    for key in &token {
        let state = match key.is_revoked() {
            true => "revoked",
            false if newest == Some(key.id) => "derives",
            false => "verifies",
        };
        lines.push(format!("token    {}  since {}  {state}", key.id, written(key.created_at)));
    }
    Ok(lines.join("\n"))
}

impl Rotate {
    async fn run(
        &self,
        tx: &mut PgTransaction<'_>,
        config: &Config,
        secret: &ServerSecret,
        act: &Act,
    ) -> anyhow::Result<String> {
        if self.token {
            let id = signing_keys::rotate_token_key(tx, secret, act).await?;
            return Ok(format!("Token key {id} derives codes and refresh tokens from now on."));
        }
        let signs_from = if self.now { act.at } else { act.at + key::ANNOUNCE };
        let algorithm = self.algorithm.unwrap_or(config.signing_algorithm);
        let key = signing_keys::rotate(tx, (algorithm, secret), signs_from, act).await?;
        Ok(format!("Signing key {} signs from {}.", key.id, written(signs_from)))
    }
}

impl Revoke {
    async fn run(
        &self,
        tx: &mut PgTransaction<'_>,
        secret: &ServerSecret,
        act: &Act,
    ) -> anyhow::Result<String> {
        if let Ok(id) = self.id.parse::<i16>() {
            let known = token_key::list(tx).await?;
            if known.iter().rfind(|key| !key.is_revoked()).is_some_and(|newest| newest.id == id) {
                signing_keys::rotate_token_key(tx, secret, act).await?;
            }
            if !signing_keys::revoke_token_key(tx, id, act).await? {
                bail!("there is no token key {id} in the ring");
            }
            return Ok(format!("Token key {id} is revoked: its codes and refresh tokens are dead."));
        }
        match signing_keys::revoke(tx, secret, &self.id, act).await? {
            Revoked::No => bail!("there is no signing key {} in force", self.id),
            Revoked::Yes { successor: Some(successor) } => {
                let from = written(successor.signs_from);
                Ok(format!("Signing key {} is revoked; {} signs from {from}.", self.id, successor.id))
            }
            Revoked::Yes { successor: None } => Ok(format!("Signing key {} is revoked.", self.id)),
        }
    }
}

/// The server secret, after it has opened the keys that are there.
async fn proven_secret(db: &mut PgConnection, config: &Config) -> anyhow::Result<ServerSecret> {
    let secret =
        secret::find(config)?.context("the server secret is not set here: set COUNTERSIGN_SECRET")?;
    keyring::prove(db, &secret).await?;
    Ok(secret)
}

fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(jwt::ALGORITHMS).try_map(|name| name.parse::<Algorithm>())
}

fn written(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
