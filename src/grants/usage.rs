//! When grants were last used, as the writer of the access log tells.

use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::db::note_last_uses;
use crate::base::ids::GrantId;

/// Notes the last use of grants; one that is older than what is noted is left. At most one for each.
pub async fn note_uses(tx: &mut PgTransaction<'_>, uses: &[(GrantId, Timestamp)]) -> sqlx::Result<()> {
    note_last_uses!(tx, "grants", uses)
}
