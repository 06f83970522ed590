//! An app as the person sees it who let it in.

use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;

/// What a person lets one app do in one of their organizations: all its live grants there together, but not what
/// other apps passed on to it.
#[derive(Debug)]
pub struct ConnectedApp {
    pub client_id: ClientId,
    pub client_name: String,
    /// `client_id` of one that a document describes.
    pub client_metadata_url: Option<String>,
    /// `None` for one that registered itself.
    pub publisher: Option<String>,
    pub is_reviewed: bool,
    pub organization_id: OrganizationId,
    pub organization_name: String,
    /// Of all the grants, in no order.
    pub scopes: Vec<String>,
    /// Of all the grants, sorted.
    pub resources: Vec<String>,
    pub first_granted_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// The app that was connected last comes first. An app connected on three devices, or again each day, is one.
pub async fn list(db: &mut PgConnection, user: UserId, now: Timestamp) -> sqlx::Result<Vec<ConnectedApp>> {
    sqlx::query_as!(
        ConnectedApp,
        r#"
        select c.id as "client_id: ClientId", c.name as client_name,
               c.metadata_url as client_metadata_url, p.name as "publisher?", c.is_reviewed,
               o.id as "organization_id: OrganizationId", o.name as organization_name,
               coalesce(array_agg(distinct scope) filter (where scope is not null), '{}') as "scopes!",
               coalesce(array_agg(distinct resource) filter (where resource is not null), '{}') as "resources!",
               min(g.created_at) as "first_granted_at!", max(g.last_used_at) as last_used_at
          from grants g
          join clients c on c.id = g.client_id
          left join organizations p on p.id = c.organization_id
          join organizations o on o.id = g.organization_id
          left join unnest(g.scopes) scope on true
          left join unnest(g.resources) resource on true
         where g.user_id = $1
           and g.parent_id is null
           and g.revoked_at is null
           and g.expires_at > $2
         group by c.id, p.id, o.id
         order by max(max(g.created_at)) over (partition by c.id) desc, c.id, o.id
        "#,
        user as UserId,
        now,
    )
    .fetch_all(db)
    .await
}
