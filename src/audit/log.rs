//! The audit log: append-only, also for the server itself.

use ipnet::IpNet;
use serde_json::Map;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::AuditEntryId;
use crate::base::ids::OrganizationId;
use crate::webhooks::event;

/// A security-relevant change. Never holds a secret.
#[derive(Debug)]
pub struct Change<'a> {
    /// `None`: of the whole server.
    pub organization: Option<OrganizationId>,
    /// What was done, as in `api_key.created`. If a type of event has this name, endpoints hear of it.
    pub action: &'a str,
    /// Of what: the word before the dot of its actions, as in `api_key`, and its id.
    pub target: (&'a str, String),
    /// JSON objects; for an update only what changed.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

#[derive(Debug)]
pub struct Entry {
    pub id: AuditEntryId,
    pub action: String,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub actor_name: Option<String>,
    pub target_kind: String,
    pub target_id: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// Address of one host.
    pub address: Option<IpNet>,
    pub user_agent: Option<String>,
    pub created_at: Timestamp,
}

/// Which entries are wanted.
#[derive(Debug, Default)]
pub struct Filter {
    pub action: Option<String>,
    pub actor_id: Option<String>,
    pub target_id: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// What of two objects with the same fields differs, before and after; `None` where nothing does.
pub fn difference(before: &Value, after: &Value) -> Option<(Value, Value)> {
    let (before, after) = (before.as_object()?, after.as_object()?);
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let names: Vec<&String> = after.keys().filter(differs).collect();
    let only = |of: &Map<String, Value>| {
        let pick = |name: &&String| ((*name).clone(), of.get(*name).cloned().unwrap_or_default());
        Value::Object(names.iter().map(pick).collect())
    };
    (!names.is_empty()).then(|| (only(before), only(after)))
}

/// Records the change, and tells the endpoints of the organization that want to hear of it.
pub async fn record(tx: &mut PgTransaction<'_>, act: &Act, change: &Change<'_>) -> sqlx::Result<()> {
    let (target_kind, target_id) = &change.target;
    sqlx::query!(
        r#"
        insert into audit_log
               (id, organization_id, action, actor_kind, actor_id, actor_name, target_kind, target_id, before,
                after, address, user_agent, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        "#,
        AuditEntryId::new(act.at) as AuditEntryId,
        change.organization as Option<OrganizationId>,
        change.action,
        act.actor.kind.name(),
        act.actor.id,
        act.actor.name,
        *target_kind,
        target_id,
        change.before,
        change.after,
        act.address.map(IpNet::from) as Option<IpNet>,
        act.user_agent,
        act.at,
    )
    .execute(&mut **tx)
    .await?;
    let Some(organization) = change.organization else { return Ok(()) };
    if !event::TYPES.contains(&change.action) {
        return Ok(());
    }
    event::emit(tx, organization, change.action, &event_data(change), act.at).await
}

/// What an event says of a change: the id of its target and what it is now, or was.
fn event_data(change: &Change<'_>) -> Value {
    let mut data = change.after.clone().or_else(|| change.before.clone()).unwrap_or_default();
    if !data.is_object() {
        data = Value::Object(Map::default());
    }
    data["id"] = change.target.1.clone().into();
    data
}

/// The newest first, at most `limit`, those older than `before`. `organization` `None`: those of the whole
/// server.
pub async fn list(
    db: &mut PgConnection,
    organization: Option<OrganizationId>,
    filter: &Filter,
    (before, limit): (Option<AuditEntryId>, i64),
) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as!(
        Entry,
        r#"
        select id as "id: AuditEntryId", action, actor_kind, actor_id, actor_name, target_kind, target_id,
               before, after, address as "address: IpNet", user_agent, created_at
          from audit_log
         where organization_id is not distinct from $1
           and ($2::uuid is null or id < $2)
           and ($3::text is null or action = $3)
           and ($4::text is null or actor_id = $4)
           and ($5::text is null or target_id = $5)
           and ($6::timestamptz is null or created_at >= $6)
           and ($7::timestamptz is null or created_at < $7)
         order by id desc
         limit $8
        "#,
        organization as Option<OrganizationId>,
        before as Option<AuditEntryId>,
        filter.action,
        filter.actor_id,
        filter.target_id,
        filter.since,
        filter.until,
        limit,
    )
    .fetch_all(db)
    .await
}
