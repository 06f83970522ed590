//! `countersign keys list|rotate|revoke`

use anyhow::Context;
use anyhow::bail;
use chrono::SecondsFormat;
use clap::Args;
use clap::Subcommand;
use sqlx::PgConnection;

use crate::app::config::Config;
use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::server_secret::ServerSecret;
use crate::server::secret;
use crate::signing::key;
use crate::signing::key::SigningKey;
use crate::signing::keyring;
use crate::signing::token_key;

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Print all keys and what each is doing
    List,
    /// Add a key: it is announced before it signs, and the one before goes on verifying
    Rotate(Rotate),
    /// Make everything signed or derived with a key worthless at once
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Rotate {
    /// Rotate the key that derives codes and refresh tokens instead; those of the old one stay good
    #[arg(long)]
    token: bool,
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
        let result = async {
            let now = Clock::System.now();
            if matches!(self, Self::List) {
                let mut db = database.pool.acquire().await?;
                return super::print(&list(&mut db, now).await?);
            }
            let mut tx = database.pool.begin().await?;
            keyring::lock(&mut tx).await?;
            let secret = proven_secret(&mut tx, &config).await?;
            let text = match self {
                Self::List => String::new(),
                Self::Rotate(rotate) => rotate.run(&mut tx, &config, &secret, now).await?,
                Self::Revoke(revoke) => revoke.run(&mut tx, &config, &secret, now).await?,
            };
            key::announce_change(&mut tx).await?;
            tx.commit().await?;
            super::print(&text)
        }
        .await;
        database.close().await?;
        result
    }
}

async fn list(db: &mut PgConnection, now: Timestamp) -> anyhow::Result<String> {
    let signing = key::list(db).await?;
    let signer = key::signer(signing.iter(), now);
    let mut lines = Vec::new();
    for key in &signing {
        let state = match (key.revoked_at, key.verifies_until) {
            (Some(at), _) => format!("revoked {}", written(at)),
            (None, _) if signer.is_some_and(|signer| signer.id == key.id) => "signs".to_owned(),
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
        db: &mut PgConnection,
        config: &Config,
        secret: &ServerSecret,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        if self.token {
            let id = token_key::rotate(db, secret, now).await?;
            return Ok(format!("Token key {id} derives codes and refresh tokens from now on."));
        }
        let signs_from = if self.now { now } else { now + key::ANNOUNCE };
        let key = SigningKey::generate(config.signing_algorithm, secret, now, signs_from)?;
        key::rotate(db, &key).await?;
        Ok(format!("Signing key {} signs from {}.", key.id, written(signs_from)))
    }
}

impl Revoke {
    async fn run(
        &self,
        db: &mut PgConnection,
        config: &Config,
        secret: &ServerSecret,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        if let Ok(id) = self.id.parse::<i16>() {
            let known = token_key::list(db).await?;
            if known.iter().rfind(|key| !key.is_revoked()).is_some_and(|newest| newest.id == id) {
                token_key::rotate(db, secret, now).await?;
            }
            if !token_key::revoke(db, id).await? {
                bail!("there is no token key {id} in the ring");
            }
            return Ok(format!("Token key {id} is revoked: its codes and refresh tokens are dead."));
        }
        if !key::revoke(db, &self.id, now).await? {
            bail!("there is no signing key {} in force", self.id);
        }
        // The server must not be left without one that signs.
        if key::signer(key::list(db).await?.iter(), now).is_none() {
            let successor = SigningKey::generate(config.signing_algorithm, secret, now, now)?;
            key::rotate(db, &successor).await?;
            return Ok(format!("Signing key {} is revoked; {} signs from now on.", self.id, successor.id));
        }
        Ok(format!("Signing key {} is revoked.", self.id))
    }
}

/// The server secret, after it has opened the keys that are there: one sealed under another secret would stop
/// every node.
async fn proven_secret(db: &mut PgConnection, config: &Config) -> anyhow::Result<ServerSecret> {
    let secret =
        secret::find(config)?.context("the server secret is not set here: set COUNTERSIGN_SECRET")?;
    for key in key::list(db).await?.iter().filter(|key| key.revoked_at.is_none()) {
        key.private_half(&secret)?;
    }
    for key in token_key::list(db).await?.iter().filter(|key| !key.is_revoked()) {
        key.open(&secret)?;
    }
    Ok(secret)
}

fn written(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
