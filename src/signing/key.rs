//! Keys that sign tokens, each with an algorithm of its own: made, announced, used, retired, revoked.

use anyhow::Context;
use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::jwk::PublicKeyUse;
use jsonwebtoken::jwk::ThumbprintHash;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::base::clock::Timestamp;
use crate::base::db;
use crate::base::server_secret::ServerSecret;
use crate::signing::private_key;
use crate::signing::private_key::PrivateKey;

/// The ring signs with each of these.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256];

/// How long the JWK set may be cached.
pub const JWKS_MAX_AGE: TimeDelta = TimeDelta::minutes(5);

/// How long a new key is published before it signs: longer than [`JWKS_MAX_AGE`], so that every verifier has
/// fetched it by then.
pub const ANNOUNCE: TimeDelta = TimeDelta::minutes(15);

/// How long a retired key goes on verifying: the longest life that a client's access tokens may have, and a
/// little for clocks that differ.
pub const VERIFY_AFTER_RETIREMENT: TimeDelta = TimeDelta::hours(25);

/// A key as the database keeps it.
#[derive(Debug)]
pub struct SigningKey {
    /// `kid`: the key's thumbprint (RFC 7638).
    pub id: String,
    pub algorithm: Algorithm,
    pub public_jwk: Jwk,
    private_sealed: Vec<u8>,
    pub created_at: Timestamp,
    pub signs_from: Timestamp,
    pub verifies_until: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl SigningKey {
    /// A fresh key that signs from `signs_from`.
    pub fn generate(
        algorithm: Algorithm,
        secret: &ServerSecret,
        now: Timestamp,
        signs_from: Timestamp,
    ) -> anyhow::Result<Self> {
        let der = private_key::generate(algorithm)?;
        let public_half = PrivateKey::parse(algorithm, &der)?.public_half();
        let mut public_jwk = Jwk::from_decoding_key(&public_half, Some(algorithm))?;
        let id = public_jwk.thumbprint(ThumbprintHash::SHA256)?;
        public_jwk.common.key_id = Some(id.clone());
        // Not `key_ops` besides (RFC 7517 §4.3): some clients take no key that has both.
        public_jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let private_sealed = secret.seal(&context(&id), &der)?;
        Ok(Self {
            id,
            algorithm,
            public_jwk,
            private_sealed,
            created_at: now,
            signs_from,
            verifies_until: None,
            revoked_at: None,
        })
    }

    /// Fails if the key was sealed under another server secret.
    pub fn private_half(&self, secret: &ServerSecret) -> anyhow::Result<PrivateKey> {
        let der = secret.open(&context(&self.id), &self.private_sealed).context(
            "a signing key does not open: the server secret is not the one with which this database was set up",
        )?;
        PrivateKey::parse(self.algorithm, &der)
    }

    pub fn public_half(&self) -> anyhow::Result<DecodingKey> {
        Ok(DecodingKey::from_jwk(&self.public_jwk)?)
    }

    /// Whether a signature of this key counts.
    pub fn verifies(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.verifies_until.is_none_or(|until| now < until)
    }
}

/// The key of the algorithm that signs at `now`: of those that have begun and still verify the one that retires
/// last. If none has begun, because this machine's clock is behind the one that made them, the one that begins
/// first.
pub fn signer<'a>(
    keys: impl Iterator<Item = &'a SigningKey> + Clone,
    algorithm: Algorithm,
    now: Timestamp,
) -> Option<&'a SigningKey> {
    let verifying = keys.filter(|key| key.algorithm == algorithm && key.verifies(now));
    let retires = |key: &&SigningKey| (key.verifies_until.unwrap_or(Timestamp::MAX_UTC), key.signs_from);
    let begun = verifying.clone().filter(|key| key.signs_from <= now).max_by_key(retires);
    begun.or_else(|| verifying.min_by_key(|key| key.signs_from))
}

/// Whether `key` is the [`signer`] of its algorithm.
pub fn signs(keys: &[SigningKey], key: &SigningKey, now: Timestamp) -> bool {
    signer(keys.iter(), key.algorithm, now).is_some_and(|signer| signer.id == key.id)
}

/// From when a further key of the algorithm has to sign; `None` if there is one that is not about to retire.
pub fn successor_signs_from(keys: &[SigningKey], algorithm: Algorithm, now: Timestamp) -> Option<Timestamp> {
    let mut in_force = keys.iter().filter(|key| key.algorithm == algorithm && key.revoked_at.is_none());
    if in_force.any(|key| key.verifies_until.is_none()) {
        return None;
    }
    // One that has not retired yet leaves the time to announce the next.
    let announced = now + ANNOUNCE;
    Some(if signer(keys.iter(), algorithm, announced).is_some() { announced } else { now })
}

/// All that may still matter, the one that signs last at the end.
pub async fn list(db: &mut PgConnection) -> anyhow::Result<Vec<SigningKey>> {
    let rows = sqlx::query!(
        r#"
        select id, algorithm, public_jwk as "public_jwk: Json<Jwk>", private_sealed, created_at, signs_from,
               verifies_until, revoked_at
          from signing_keys
         order by signs_from, created_at, id
        "#,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(SigningKey {
                id: row.id,
                algorithm: row.algorithm.parse()?,
                public_jwk: row.public_jwk.0,
                private_sealed: row.private_sealed,
                created_at: row.created_at,
                signs_from: row.signs_from,
                verifies_until: row.verifies_until,
                revoked_at: row.revoked_at,
            })
        })
        .collect()
}

/// Adds `key`, and lets the keys of its algorithm before it go on verifying for a while after it has begun to sign.
pub async fn rotate(db: &mut PgConnection, key: &SigningKey) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with retired as (
            update signing_keys
               set verifies_until = $6
             where algorithm = $2
               and verifies_until is null
               and revoked_at is null
        )
        insert into signing_keys (id, algorithm, public_jwk, private_sealed, created_at, signs_from)
        values ($1, $2, $3, $4, $5, $7)
        "#,
        key.id,
        algorithm_name(key.algorithm),
        Json(&key.public_jwk) as _,
        key.private_sealed,
        key.created_at,
        key.signs_from + VERIFY_AFTER_RETIREMENT,
        key.signs_from,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// From now on nothing signed with the key counts. `None` if there is no such key or it was revoked before, or else
/// its algorithm.
pub async fn revoke(db: &mut PgConnection, id: &str, now: Timestamp) -> anyhow::Result<Option<Algorithm>> {
    let algorithm = sqlx::query_scalar!(
        "update signing_keys set revoked_at = $2 where id = $1 and revoked_at is null returning algorithm",
        id,
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(algorithm.map(|name| name.parse()).transpose()?)
}

/// Tells every node that the keys have changed; heard when the transaction commits.
pub async fn announce_change(db: &mut PgConnection) -> sqlx::Result<()> {
    db::notify(db, CHANNEL, "").await
}

/// Where [`announce_change`] is heard.
pub const CHANNEL: &str = "countersign_keys";

/// `alg` (RFC 7518 §3.1, RFC 8037 §3.1).
pub const fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::EdDSA => "EdDSA",
        _ => "ES256",
    }
}

/// The one of [`ALGORITHMS`] with this name.
pub fn algorithm_named(name: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|algorithm| algorithm_name(*algorithm) == name)
}

fn context(id: &str) -> String {
    format!("signing key {id}")
}
