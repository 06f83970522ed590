//! What every handler is handed.

pub mod cache;
pub mod client_documents;
pub mod client_keys;
pub mod client_registration;
pub mod config;
pub mod links;
pub mod metrics;
pub mod resources;
pub mod scope_catalog;
pub mod settings;
pub mod signing_keys;

mod lifetimes;

use std::ops::Deref;
use std::sync::Arc;

use aws_lc_rs::hmac;
use sqlx::PgPool;

use crate::accounts::password::Passwords;
use crate::app::cache::Cache;
use crate::app::client_documents::ClientDocuments;
use crate::app::client_keys::ClientKeys;
use crate::app::config::Config;
use crate::app::metrics::Metrics;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::lanes::Lanes;
use crate::base::mail::Mailer;
use crate::base::outgoing::Outgoing;
use crate::base::redis::Redis;
use crate::base::server_secret::ServerSecret;
use crate::grants::access_token;
use crate::grants::access_token::Claims;
use crate::grants::access_token::Issuer;
use crate::grants::subject::SubjectKey;
use crate::organizations::access_queue::AccessQueue;
use crate::organizations::rate_limit::RateLimiter;
use crate::signing::foreign::nonce;
use crate::signing::foreign::nonce::Nonces;
use crate::signing::foreign::recent_id::RecentIds;
use crate::signing::keyring::Keyring;
use crate::signing::keyring::Keys;

/// Cheap to clone: one pointer.
#[derive(Clone)]
pub struct App(Arc<Services>);

impl Deref for App {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

#[derive(Clone)]
pub struct Services {
    pub db: PgPool,
    pub lanes: Lanes,
    pub clock: Clock,
    pub config: Config,
    pub keys: Keyring,
    /// What nearly every request asks of the database.
    pub cache: Arc<Cache>,
    /// Seals what the database must not be able to read.
    pub secret: ServerSecret,
    pub passwords: Passwords,
    pub rate_limiter: RateLimiter,
    /// Where requests leave what is to be written of them.
    pub access_log: AccessQueue,
    pub mailer: Mailer,
    /// For requests to addresses that others chose.
    pub outgoing: Outgoing,
    /// The documents that describe clients.
    pub client_documents: ClientDocuments,
    /// The keys that clients publish.
    pub client_keys: ClientKeys,
    /// For proofs of possession.
    pub nonces: Nonces,
    /// Proofs of possession that were used at an API.
    pub recent_proofs: RecentIds,
    pub metrics: Metrics,
    pub subjects: SubjectKey,
    /// Keys the CSRF tokens of forms.
    pub csrf_key: hmac::Key,
}

impl App {
    /// The same, but that mail goes elsewhere.
    #[must_use]
    pub fn with_mailer(self, mailer: Mailer) -> Self {
        Self(Arc::new(Services { mailer, ..Services::clone(&self) }))
    }

    /// In whose name tokens are made.
    pub fn issuer(&self) -> Issuer<'_> {
        Issuer { url: self.config.links.issuer(), subjects: &self.subjects }
    }

    /// The keys; read again first if they do not suffice, because another node may have rotated them. What is
    /// said of a token must not depend on who has heard of its key.
    pub async fn keys_that(&self, suffice: impl Fn(&Keys) -> bool) -> anyhow::Result<Arc<Keys>> {
        let keys = self.keys.current();
        if suffice(&keys) || !self.keys.may_ask_again(self.clock.now()) {
            return Ok(keys);
        }
        let mut db = self.db.acquire().await?;
        self.keys.reload(&mut db).await?;
        Ok(self.keys.current())
    }

    /// The claims of an access token of ours that has not run out; its signature is checked once. Says nothing of
    /// revocation: see [`Cache::live_token`].
    pub async fn read_token(&self, token: &str, now: Timestamp) -> anyhow::Result<Option<Arc<Claims>>> {
        if let Some(claims) = self.cache.read_token(&self.keys.current(), token, now) {
            return Ok(Some(claims));
        }
        let keys = Box::pin(self.keys_that(|keys| keys.know(token))).await?;
        let claims = access_token::read(&keys, self.config.links.issuer(), token, now).map(Arc::new);
        if let Some(claims) = &claims {
            self.cache.keep_token(token, claims);
        }
        Ok(claims)
    }

    /// Opens the keys of the database, making those that are missing.
    pub async fn new(config: Config, secret: ServerSecret, db: PgPool, clock: Clock) -> anyhow::Result<Self> {
        let csrf_key = hmac::Key::new(hmac::HMAC_SHA256, &secret.derive("csrf"));
        let subjects = SubjectKey::new(&secret);
        let mut connection = db.acquire().await?;
        let keys =
            Keyring::open(&mut connection, secret.clone(), config.signing_algorithm, clock.now()).await?;
        drop(connection);
        let mailer = Mailer::new(config.smtp_url.as_ref(), &config.mail_from)?;
        let redis = match &config.redis_url {
            Some(url) => Some(Redis::open(url, config.redis_timeout).await?),
            None => None,
        };
        let rate_limiter = RateLimiter::new(redis.clone());
        let access_log = AccessQueue::default();
        let cache = Arc::new(Cache::new(db.clone()));
        let outgoing = Outgoing::new(config.outgoing_to_private)?;
        Ok(Self(Arc::new(Services {
            metrics: Metrics::new(db.clone(), Arc::clone(&cache), rate_limiter.clone(), access_log.clone()),
            cache,
            lanes: Lanes::beside(&db),
            db,
            clock,
            client_documents: ClientDocuments::new(outgoing.clone(), config.self_registration()),
            client_keys: ClientKeys::new(outgoing.clone()),
            outgoing,
            config,
            keys,
            nonces: Nonces::new(&secret),
            recent_proofs: RecentIds::new(nonce::LONGEST, redis),
            secret,
            passwords: Passwords::new()?,
            rate_limiter,
            access_log,
            mailer,
            subjects,
            csrf_key,
        })))
    }
}
