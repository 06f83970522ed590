//! `/v1/api-keys`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::SubsecRound;
use chrono::TimeDelta;
use serde::Deserialize;
use serde::Deserializer;
use serde_json::Value;
use serde_json::json;

use crate::api::json_body::JsonBody;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::api_keys::format;
use crate::api_keys::key;
use crate::api_keys::key::ApiKey;
use crate::api_keys::key::Change;
use crate::api_keys::key::NewApiKey;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::scopes::Scopes;

/// Longer than any roll-out takes.
const MAX_OVERLAP: TimeDelta = TimeDelta::days(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    label: String,
    scopes: Vec<String>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    expires_at: ExpiryChange,
}

/// Tells a field that is `null`, which means never, from one that is not there.
#[derive(Default)]
enum ExpiryChange {
    #[default]
    Keep,
    Set(Option<Timestamp>),
}

impl<'de> Deserialize<'de> for ExpiryChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Set)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotate {
    overlap_seconds: i64,
}

pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<Value>>, ApiError> {
    let mut db = app.db.acquire().await?;
    let rows = key::list(&mut db, caller.organization_id(), request.after()?, request.limit + 1).await?;
    let shown = |key: ApiKey| shown(&app, &key);
    Ok(Json(Page::of(rows, &request, |key| key.id.to_string(), shown)))
}

pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ApiKeyId>,
) -> Result<Json<Value>, ApiError> {
    find(&app, &caller, id).await.map(Json)
}

pub async fn create(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<Create>,
) -> Result<impl IntoResponse, ApiError> {
    let now = app.clock.now();
    let label = checked_label(&body.label)?;
    let scopes = checked_scopes(&app, &body.scopes)?;
    let expires_at = checked_expiry(body.expires_at, now)?;
    let new = NewApiKey {
        organization: caller.organization_id(),
        label,
        scopes: &scopes,
        created_by: caller.principal.user.as_ref().map(|user| user.id),
        expires_at,
    };
    let mut db = app.db.acquire().await?;
    let (id, secret) = key::create(&mut db, &new, &app.config.api_key_prefix, now).await?;
    drop(db);
    let mut shown = find(&app, &caller, id).await?;
    shown["key"] = secret.expose().into();
    let location = format!("/v1/api-keys/{id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location), no_store()], Json(shown)))
}

pub async fn update(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ApiKeyId>,
    JsonBody(body): JsonBody<Update>,
) -> Result<Json<Value>, ApiError> {
    let label = body.label.as_deref().map(checked_label).transpose()?;
    let scopes = body.scopes.as_deref().map(|scopes| checked_scopes(&app, scopes)).transpose()?;
    let expires_at = match body.expires_at {
        ExpiryChange::Keep => None,
        ExpiryChange::Set(expiry) => Some(checked_expiry(expiry, app.clock.now())?),
    };
    let change = Change { label, scopes: scopes.as_ref(), expires_at };
    let mut db = app.db.acquire().await?;
    let changed = key::update(&mut db, caller.organization_id(), id, &change).await?;
    drop(db);
    let shown = find(&app, &caller, id).await?;
    if changed { Ok(Json(shown)) } else { Err(revoked()) }
}

/// The old secret ends at once, or after `overlap_seconds`.
pub async fn rotate(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ApiKeyId>,
    body: Option<JsonBody<Rotate>>,
) -> Result<impl IntoResponse, ApiError> {
    let overlap = TimeDelta::try_seconds(body.map_or(0, |JsonBody(body)| body.overlap_seconds))
        .filter(|overlap| (TimeDelta::zero()..=MAX_OVERLAP).contains(overlap))
        .ok_or_else(|| {
            ApiErrorCode::ValidationError
                .because("overlap_seconds must be 0 to 2592000")
                .at("overlap_seconds")
        })?;
    let mut db = app.db.acquire().await?;
    let key = (caller.organization_id(), id);
    let secret = key::rotate(&mut db, key, overlap, &app.config.api_key_prefix, app.clock.now()).await?;
    drop(db);
    let mut shown = find(&app, &caller, id).await?;
    shown["key"] = secret.ok_or_else(revoked)?.expose().into();
    Ok(([no_store()], Json(shown)))
}

pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    let mut db = app.db.acquire().await?;
    let revoked = key::revoke(&mut db, caller.organization_id(), id, app.clock.now()).await?;
    if revoked || key::find(&mut db, caller.organization_id(), id).await?.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found())
}

/// An answer with a secret in it is for its caller alone.
fn no_store() -> (header::HeaderName, String) {
    (header::CACHE_CONTROL, "no-store".to_owned())
}

async fn find(app: &App, caller: &Caller, id: ApiKeyId) -> Result<Value, ApiError> {
    let mut db = app.db.acquire().await?;
    let key = key::find(&mut db, caller.organization_id(), id).await?.ok_or_else(ApiError::not_found)?;
    Ok(shown(app, &key))
}

fn shown(app: &App, key: &ApiKey) -> Value {
    let now = app.clock.now();
    let status = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(at)) if at <= now => "expired",
        _ => "active",
    };
    json!({
        "id": key.id,
        "hint": format::hint(&app.config.api_key_prefix, &key.public_id),
        "label": key.label,
        "scopes": key.scopes,
        "status": status,
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "previous_until": key.previous_until.filter(|until| *until > now),
        "last_used_at": key.last_used_at,
        "last_used_from": key.last_used_from,
        "revoked_at": key.revoked_at,
    })
}

fn revoked() -> ApiError {
    ApiErrorCode::Conflict.because("The key is revoked or has expired")
}

fn checked_label(label: &str) -> Result<&str, ApiError> {
    let invalid = || ApiErrorCode::ValidationError.because("A label has 1 to 100 characters").at("label");
    key::parse_label(label).ok_or_else(invalid)
}

/// Of the deployment's. An admin may give any of them: `admin` satisfies every check.
fn checked_scopes(app: &App, names: &[String]) -> Result<Scopes, ApiError> {
    let invalid = |message: String| ApiErrorCode::ValidationError.because(message).at("scopes");
    let scopes = Scopes::from_names(names).map_err(|error| invalid(error.to_string()))?;
    if scopes.is_empty() {
        return Err(invalid("At least one scope is needed".to_owned()));
    }
    if let Some(unknown) = scopes.without(app.config.scopes.all()).iter().next() {
        return Err(invalid(format!("There is no scope {unknown:?}")));
    }
    Ok(scopes)
}

fn checked_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    if expires_at.is_some_and(|at| at <= now) {
        return Err(ApiErrorCode::ValidationError.because("expires_at is in the past").at("expires_at"));
    }
    Ok(expires_at.map(|at| at.trunc_subsecs(6)))
}
