//! `/v1/access-log`: what was asked of the credential API and of forward-auth, the newest first.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use chrono::DateTime;
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::query::Query;
use crate::app::App;
use crate::base::ids::AccessEntryId;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::UserId;
use crate::gate::error::ApiError;
use crate::gate::permission::MayAdmin;
use crate::organizations::access_log::Via;
use crate::organizations::access_log::reading;
use crate::organizations::access_log::reading::Filter;
use crate::organizations::access_log::reading::ReadEntry;

#[derive(Serialize, ToSchema)]
pub struct AccessLogEntry {
    id: AccessEntryId,
    /// When the request came.
    at: DateTime<Utc>,
    credential: CredentialShown,
    /// The app, where one is involved.
    client: Option<ClientId>,
    user: Option<UserId>,
    via: Via,
    method: String,
    /// Without its query.
    path: String,
    status: i16,
    /// The code of a refusal; `client_closed_request` if the caller hung up.
    reason: Option<String>,
    /// From which it came.
    #[schema(value_type = String)]
    address: IpAddr,
    user_agent: Option<String>,
    duration_ms: f64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
struct CredentialShown {
    #[schema(value_type = String, pattern = "^(api_key|grant|client|session)$")]
    r#type: &'static str,
    id: String,
}

/// What was asked with the organization's credentials, newest first
///
/// Of this API and of forward-auth; also with credentials that count no more.
#[utoipa::path(
    get, path = "/v1/access-log",
    params(
        PageRequest,
        ("key" = Option<ApiKeyId>, Query, description = "Only what was asked with this API key"),
        ("client" = Option<ClientId>, Query, description = "Only what this app asked"),
        ("grant" = Option<GrantId>, Query, description = "Only what was asked by this consent"),
        ("status" = Option<String>, Query, description = "A status such as `403`, or `4xx`",
         pattern = "^([1-5][0-9][0-9]|[1-5][xX][xX])$"),
        ("method" = Option<String>, Query, description = "As in `GET`", pattern = "^[A-Za-z]{1,20}$"),
        ("path" = Option<String>, Query, description = "What the path begins with", pattern = "^/", max_length = 512),
        ("via" = Option<Via>, Query, description = "Where it was asked"),
        ("since" = Option<DateTime<Utc>>, Query, description = "From this moment on; a day alone is its beginning"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Before this moment"),
    ),
    responses((status = 200, description = "A page of entries", body = Page<AccessLogEntry>)),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
    query: Query,
) -> Result<Json<Page<AccessLogEntry>>, ApiError> {
    let filter = filter(query)?;
    let page = (request.after()?, request.limit + 1);
    let mut db = app.db.acquire().await?;
    let rows = reading::list(&mut db, caller.organization_id(), &filter, page).await?;
    Ok(Json(Page::of(rows, &request, |entry| entry.id.to_string(), shown)))
}

fn filter(mut query: Query) -> Result<Filter, ApiError> {
    let filter = Filter {
        key: query.take("key", "the id of an API key", |text| text.parse().ok())?,
        client: query.take("client", "the id of a client", |text| text.parse().ok())?,
        grant: query.take("grant", "the id of a grant", |text| text.parse().ok())?,
        statuses: query.take("status", "a status such as 403 or 4xx", reading::parse_statuses)?,
        method: query.take("method", "a method such as GET", reading::parse_method)?,
        path: query.take("path", "the beginning of a path, with its first slash", reading::parse_path)?,
        via: query.take("via", "api or forward_auth", Via::from_name)?,
        since: query.take_moment("since")?,
        until: query.take_moment("until")?,
    };
    query.end()?;
    Ok(filter)
}

fn shown(entry: ReadEntry) -> AccessLogEntry {
    AccessLogEntry {
        id: entry.id,
        at: entry.at,
        credential: CredentialShown { r#type: entry.credential.kind(), id: entry.credential.id() },
        client: entry.client,
        user: entry.user,
        via: entry.via,
        method: entry.method,
        path: entry.path,
        status: entry.status,
        reason: entry.reason,
        address: entry.address,
        user_agent: entry.user_agent,
        duration_ms: entry.duration.as_seconds_f64() * 1e3,
    }
}
