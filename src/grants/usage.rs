//! When grants were last used, as the writer of the access log tells.

use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::ids::GrantId;

/// Notes the last use of grants; one that is older than what is noted is left. At most one for each.
pub async fn note_uses(tx: &mut PgTransaction<'_>, uses: &[(GrantId, Timestamp)]) -> sqlx::Result<()> {
    let (ids, moments): (Vec<GrantId>, Vec<Timestamp>) = uses.iter().copied().unzip();
    sqlx::query!(
        r#"
        update grants g
           set last_used_at = used.at
          from unnest($1::uuid[], $2::timestamptz[]) used (id, at)
         where g.id = used.id
           and (g.last_used_at is null or g.last_used_at < used.at)
        "#,
        &ids as &[GrantId],
        &moments,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
