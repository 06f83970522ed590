//! Who belongs to an organization, and as what.

use std::fmt;

use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::scopes::Scopes;

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Role {
    Owner,
    Admin,
    Member,
}

impl Role {
    /// What a person may do in the organization when no app or key stands between.
    pub fn scopes(self) -> Scopes {
        self.may_give(&Scopes::built_in())
    }

    /// What of `scopes` a person may do themselves, and so may let an app do.
    pub fn may_give(self, scopes: &Scopes) -> Scopes {
        match self {
            Self::Owner | Self::Admin => scopes.clone(),
            Self::Member => scopes.without_admin(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        })
    }
}

pub async fn add(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    user: UserId,
    role: Role,
    act: &Act,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into members (organization_id, user_id, role, created_at) values ($1, $2, $3, $4)",
        organization as OrganizationId,
        user as UserId,
        role as Role,
        act.at,
    )
    .execute(&mut **tx)
    .await?;
    let change = Change {
        organization: Some(organization),
        action: "member.added",
        target: ("member", user.to_string()),
        before: None,
        after: Some(json!({ "role": role.to_string() })),
    };
    log::record(tx, act, &change).await
}

/// `None` for a stranger.
pub async fn find_role(
    db: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> sqlx::Result<Option<Role>> {
    sqlx::query_scalar!(
        r#"select role as "role: Role" from members where organization_id = $1 and user_id = $2"#,
        organization as OrganizationId,
        user as UserId,
    )
    .fetch_optional(db)
    .await
}
