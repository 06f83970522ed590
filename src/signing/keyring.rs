//! The keys as a running server holds them: opened once, read by every request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use anyhow::Context;
use aws_lc_rs::hmac;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use sqlx::Connection;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::base::server_secret::ServerSecret;
use crate::signing::derived;
use crate::signing::derived::Derived;
use crate::signing::derived::Kind;
use crate::signing::jwt;
use crate::signing::key;
use crate::signing::key::SigningKey;
use crate::signing::private_key::PrivateKey;
use crate::signing::token_key;
use crate::signing::token_key::TokenKey;

/// Cheap to clone. Reading takes a lock only as long as it takes to copy a pointer.
#[derive(Clone)]
pub struct Keyring {
    secret: ServerSecret,
    default_algorithm: Algorithm,
    keys: Arc<RwLock<Arc<Keys>>>,
    /// When a request had them read again; epoch seconds.
    asked_again_at: Arc<AtomicI64>,
}

/// One state of the ring; a request uses one from beginning to end.
pub struct Keys {
    /// The one that signs last at the end.
    signing: Vec<OpenKey>,
    default_algorithm: Algorithm,
    token: HashMap<i16, hmac::Key>,
    newest_token_key: i16,
}

pub struct OpenKey {
    pub key: SigningKey,
    pub private: PrivateKey,
    pub public: DecodingKey,
}

impl Keyring {
    /// Opens the keys of the database, making those that are missing: there is one of each algorithm.
    pub async fn open(
        db: &mut PgConnection,
        secret: ServerSecret,
        default_algorithm: Algorithm,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        create_missing(db, &secret, now).await?;
        let keys = load(db, &secret, default_algorithm).await?;
        let keys = Arc::new(RwLock::new(Arc::new(keys)));
        Ok(Self { secret, default_algorithm, keys, asked_again_at: Arc::default() })
    }

    pub fn current(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a request that met an unknown key may have them read again: once a second, so that made-up key
    /// numbers cost nothing.
    pub fn may_ask_again(&self, now: Timestamp) -> bool {
        self.asked_again_at.swap(now.timestamp(), Ordering::Relaxed) != now.timestamp()
    }

    /// Takes over what another node, or the command line, has changed.
    pub async fn reload(&self, db: &mut PgConnection) -> anyhow::Result<()> {
        let keys = load(db, &self.secret, self.default_algorithm).await?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }
}

impl Keys {
    /// What signs where nobody has asked for another.
    pub fn default_algorithm(&self) -> Algorithm {
        self.default_algorithm
    }

    /// The key of the algorithm that signs at `now`.
    pub fn signer(&self, algorithm: Algorithm, now: Timestamp) -> anyhow::Result<&OpenKey> {
        key::signer(self.signing.iter().map(|open| &open.key), algorithm, now)
            .and_then(|signer| self.signing.iter().find(|open| open.key.id == signer.id))
            .with_context(|| {
                let name = key::algorithm_name(algorithm);
                format!("no {name} key is in force: run `countersign keys rotate --algorithm {name} --now`")
            })
    }

    /// `None` if the key is unknown, retired or revoked.
    pub fn verifier(&self, id: &str, now: Timestamp) -> Option<&OpenKey> {
        self.signing.iter().find(|open| open.key.id == id && open.key.verifies(now))
    }

    /// Also if the key has retired; `None` if it is unknown or revoked.
    pub fn verifier_of_old(&self, id: &str) -> Option<&OpenKey> {
        self.signing.iter().find(|open| open.key.id == id)
    }

    /// Whether the key is here with which `token` says it was made; also if it does not look like a token at all.
    pub fn know(&self, token: &str) -> bool {
        if let Some(id) = derived::key_id(token) {
            return self.has_token_key(id);
        }
        jwt::any_key_id(token).is_none_or(|id| self.signing.iter().any(|open| open.key.id == id))
    }

    pub fn has_token_key(&self, id: i16) -> bool {
        self.token.contains_key(&id)
    }

    /// Every key that verifies, or will: what `GET /oauth/jwks` publishes (RFC 7517 §5). RS256 stands first, for
    /// clients that take the first key, and know no other algorithm.
    pub fn jwks(&self, now: Timestamp) -> JwkSet {
        let mut keys: Vec<_> = self.signing.iter().filter(|open| open.key.verifies(now)).collect();
        keys.sort_by_key(|open| open.key.algorithm != Algorithm::RS256);
        JwkSet { keys: keys.into_iter().map(|open| open.key.public_jwk.clone()).collect() }
    }

    pub(super) fn token_key(&self, id: i16) -> Option<&hmac::Key> {
        self.token.get(&id)
    }

    /// Which key derives new tokens; rows keep the number, so that a retry derives the same token again.
    pub fn newest_token_key(&self) -> i16 {
        self.newest_token_key
    }

    /// Fails if the key is not in the ring.
    pub fn derive(&self, key_id: i16, kind: Kind, token: Derived) -> anyhow::Result<Secret> {
        let key = self.token_key(key_id).with_context(|| format!("token key {key_id} is not in the ring"))?;
        Ok(derived::derive(key_id, key, kind, token))
    }
}

async fn load(
    db: &mut PgConnection,
    secret: &ServerSecret,
    default_algorithm: Algorithm,
) -> anyhow::Result<Keys> {
    let mut signing = Vec::new();
    for key in key::list(db).await? {
        // A revoked key is not opened: nothing may be signed with it.
        if key.revoked_at.is_none() {
            signing.push(OpenKey { private: key.private_half(secret)?, public: key.public_half()?, key });
        }
    }
    let mut token = HashMap::new();
    for key in token_key::list(db).await?.iter().filter(|key| !key.is_revoked()) {
        token.insert(key.id, key.open(secret)?);
    }
    let newest_token_key = token.keys().copied().max().context("the ring holds no token key")?;
    Ok(Keys { signing, default_algorithm, token, newest_token_key })
}

/// Under a lock, because several nodes may be started on a new database at once.
async fn create_missing(db: &mut PgConnection, secret: &ServerSecret, now: Timestamp) -> anyhow::Result<()> {
    let mut tx = db.begin().await?;
    lock(&mut tx).await?;
    let signing = key::list(&mut tx).await?;
    let missing: Vec<(Algorithm, Timestamp)> = key::ALGORITHMS
        .into_iter()
        .filter_map(|algorithm| Some((algorithm, key::successor_signs_from(&signing, algorithm, now)?)))
        .collect();
    let lacks_token_key = token_key::list(&mut tx).await?.iter().all(TokenKey::is_revoked);
    if lacks_token_key || !missing.is_empty() {
        prove(&mut tx, secret).await?;
    }
    for (algorithm, signs_from) in missing {
        key::rotate(&mut tx, &SigningKey::generate(algorithm, secret, now, signs_from)?).await?;
    }
    if lacks_token_key {
        token_key::rotate(&mut tx, secret, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Fails if the secret does not open the keys that are there: one sealed under another would stop every node.
pub async fn prove(db: &mut PgConnection, secret: &ServerSecret) -> anyhow::Result<()> {
    for key in key::list(db).await?.iter().filter(|key| key.revoked_at.is_none()) {
        key.private_half(secret)?;
    }
    for key in token_key::list(db).await?.iter().filter(|key| !key.is_revoked()) {
        key.open(secret)?;
    }
    Ok(())
}

/// Keeps two processes from changing the ring at once, until the transaction ends.
pub async fn lock(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('countersign keys'))").fetch_one(db).await?;
    Ok(())
}
