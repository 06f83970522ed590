//! The end of a membership, and of what hangs from it.

use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::grants::grant;
use crate::grants::grant::Whose;
use crate::organizations::member;
use crate::organizations::member::Amended;
use crate::organizations::session;

/// As the end of their grants and sessions is remembered.
const LEFT: &str = "left the organization";

/// Takes somebody out of an organization, with the apps that they let in and the sessions that they have there.
/// API keys that they made stay: those belong to the organization.
pub async fn end(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    user: UserId,
    act: &Act,
) -> sqlx::Result<Amended> {
    let amended = member::remove(tx, organization, user, act).await?;
    if amended == Amended::Yes {
        grant::revoke_all(tx, Whose::PersonIn(user, organization), None, LEFT, act).await?;
        session::revoke_all_in(tx, (organization, user), LEFT, act.at).await?;
    }
    Ok(amended)
}
