//! JWTs that count once: their ids (`jti`, RFC 7519 §4.1.7) are noted for as long as they could be sent again.

use serde_json::json;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::secret::sha256;

/// Whose id it is, and of which kind of JWT: the ids of one have nothing to do with those of another.
#[derive(Debug, Clone, Copy)]
pub struct UsedId<'a> {
    pub purpose: &'static str,
    pub issuer: &'a str,
    /// `jti`.
    pub id: &'a str,
}

impl UsedId<'_> {
    pub(super) fn hash(self) -> [u8; 32] {
        sha256(json!([self.purpose, self.issuer, self.id]).to_string().as_bytes())
    }
}

/// `false` if it was used before. One statement, so that of several at once one is the first.
///
/// From `expires_at` on the JWT must be refused because of its age.
pub async fn use_once(db: &mut PgConnection, id: UsedId<'_>, expires_at: Timestamp) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into used_jwt_ids (id_hash, expires_at) values ($1, $2) on conflict (id_hash) do nothing",
        &id.hash(),
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub async fn delete_expired(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("delete from used_jwt_ids where expires_at < $1", now).execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_different_issuers_and_kinds_are_different() {
        let hash = |purpose, issuer, id| UsedId { purpose, issuer, id }.hash();
        let one = hash("a", "b", "c");
        assert_eq!(one, hash("a", "b", "c"));
        for other in [
            hash("a", "b", "d"),
            hash("a", "d", "c"),
            hash("d", "b", "c"),
            hash("a", "bc", ""),
            hash("a", "", "bc"),
            hash("a", "b\",\"c", ""),
        ] {
            assert_ne!(one, other);
        }
    }
}
