//! `/v1/audit-log`: who changed what that matters to security, the newest first.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use chrono::DateTime;
use chrono::Utc;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::query::Query;
use crate::app::App;
use crate::audit::log;
use crate::audit::log::Entry;
use crate::audit::log::Filter;
use crate::base::ids::AuditEntryId;
use crate::gate::error::ApiError;
use crate::gate::permission::MayAdmin;

#[derive(Serialize, ToSchema)]
pub struct AuditLogEntry {
    id: AuditEntryId,
    at: DateTime<Utc>,
    /// What was done, as in `api_key.created`.
    action: String,
    actor: ActorShown,
    target: Target,
    /// What was changed, as it was.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// The same, as it is now.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// From which it was done; `null` where it was not done over HTTP.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    user_agent: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
struct ActorShown {
    /// `user`, `api_key`, `client`, `operator` or `server`.
    r#type: String,
    id: Option<String>,
    /// An e-mail address, a label, a name, as it was at that time.
    name: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Target {
    r#type: String,
    id: String,
}

/// Changes that matter to security, newest first
#[utoipa::path(
    get, path = "/v1/audit-log",
    params(
        PageRequest,
        ("action" = Option<String>, Query, description = "As in `api_key.created`", min_length = 1),
        ("actor" = Option<String>, Query, description = "The id of who did it", min_length = 1),
        ("target" = Option<String>, Query, description = "The id of what was changed", min_length = 1),
        ("since" = Option<DateTime<Utc>>, Query, description = "From this moment on; a day alone is its beginning"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Before this moment"),
    ),
    responses((status = 200, description = "A page of changes", body = Page<AuditLogEntry>)),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
    query: Query,
) -> Result<Json<Page<AuditLogEntry>>, ApiError> {
    let filter = filter(query)?;
    let page = (request.after()?, request.limit + 1);
    let mut db = app.db.acquire().await?;
    let rows = log::list(&mut db, Some(caller.organization_id()), &filter, page).await?;
    Ok(Json(Page::of(rows, &request, |entry| entry.id.to_string(), shown)))
}

fn filter(mut query: Query) -> Result<Filter, ApiError> {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let filter = Filter {
        action: query.take("action", "an action such as api_key.created", text)?,
        actor_id: query.take("actor", "the id of a user, a key or a client", text)?,
        target_id: query.take("target", "the id of what was changed", text)?,
        since: query.take_moment("since")?,
        until: query.take_moment("until")?,
    };
    query.end()?;
    Ok(filter)
}

fn shown(entry: Entry) -> AuditLogEntry {
    AuditLogEntry {
        id: entry.id,
        at: entry.created_at,
        action: entry.action,
        actor: ActorShown { r#type: entry.actor_kind, id: entry.actor_id, name: entry.actor_name },
        target: Target { r#type: entry.target_kind, id: entry.target_id },
        before: entry.before,
        after: entry.after,
        address: entry.address.map(|address| address.addr()),
        user_agent: entry.user_agent,
    }
}
