//! `/v1/api-keys`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::DateTime;
use chrono::SubsecRound;
use chrono::TimeDelta;
use chrono::Utc;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::ip_allowlist;
use crate::api::json_body::JsonBody;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::api_keys::format;
use crate::api_keys::key;
use crate::api_keys::key::ApiKey;
use crate::api_keys::key::Ending;
use crate::api_keys::key::NewApiKey;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::UserId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::scopes::Scopes;

/// Longer than any roll-out takes.
const MAX_OVERLAP: TimeDelta = TimeDelta::days(30);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyCreate, example = json!({ "label": "Nightly export", "scopes": ["read"] }))]
pub struct Create {
    /// Tells its owner what the key is for.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    #[schema(min_items = 1, max_items = 64)]
    scopes: Vec<String>,
    /// In the future; without it the key never expires.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    /// Addresses and networks that the key may be used from, if the organization's list allows them too. Empty: any.
    #[serde(default)]
    #[schema(max_items = 200, example = json!(["203.0.113.0/24"]))]
    ip_allowlist: Vec<String>,
}

/// What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyUpdate)]
pub struct Update {
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100)]
    label: Option<String>,
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    scopes: Option<Vec<String>>,
    /// `null` is never.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: ExpiryChange,
    #[serde(default)]
    #[schema(max_items = 200)]
    ip_allowlist: Option<Vec<String>>,
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

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ApiKeyRotate)]
pub struct Rotate {
    /// For how long the old key still works.
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct Shown {
    id: ApiKeyId,
    /// The key's beginning, by which its owner can tell it from others.
    hint: String,
    label: String,
    scopes: Scopes,
    status: Status,
    /// The person; `null` if nobody is known.
    created_by: Option<UserId>,
    created_at: DateTime<Utc>,
    /// `null` is never.
    expires_at: Option<DateTime<Utc>>,
    /// Networks in CIDR notation. Empty: from anywhere.
    ip_allowlist: Vec<String>,
    /// Until when the key before the last rotation still works.
    previous_until: Option<DateTime<Utc>>,
    /// To within a few seconds.
    last_used_at: Option<DateTime<Utc>>,
    /// Address.
    last_used_from: Option<String>,
    revoked_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ApiKeyStatus)]
enum Status {
    Active,
    Expired,
    Revoked,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyWithSecret)]
pub struct ShownWithSecret {
    #[serde(flatten)]
    shown: Shown,
    /// The key itself, which no other answer holds.
    key: String,
}

/// The organization's API keys, newest first
#[utoipa::path(
    get, path = "/v1/api-keys",
    params(PageRequest),
    responses((status = 200, description = "A page of keys", body = Page<Shown>)),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<Shown>>, ApiError> {
    let mut db = app.db.acquire().await?;
    let rows = key::list(&mut db, caller.organization_id(), request.after()?, request.limit + 1).await?;
    Ok(Json(Page::of(rows, &request, |key| key.id.to_string(), |key| shown(&app, key))))
}

/// One API key
#[utoipa::path(
    get, path = "/v1/api-keys/{id}",
    params(("id" = ApiKeyId, Path)),
    responses((status = 200, description = "The key", body = Shown)),
)]
pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ApiKeyId>,
) -> Result<Json<Shown>, ApiError> {
    find(&app, &caller, id).await.map(Json)
}

/// Create an API key
///
/// The answer holds the key itself: this once.
#[utoipa::path(
    post, path = "/v1/api-keys",
    request_body = Create,
    responses(
        (status = 201, description = "The new key", body = ShownWithSecret, headers(("Location" = String))),
        (status = 402, description = "The plan has no IP allowlists"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<Create>,
) -> Result<impl IntoResponse, ApiError> {
    let now = app.clock.now();
    let label = checked_label(&body.label)?;
    let scopes = checked_scopes(&app, &body.scopes)?;
    let expires_at = checked_expiry(body.expires_at, now)?;
    let ip_allowlist = checked_ip_allowlist(&app, &caller, &body.ip_allowlist).await?;
    let new = NewApiKey {
        organization: caller.organization_id(),
        label,
        scopes: &scopes,
        created_by: caller.principal.user.as_ref().map(|user| user.id),
        expires_at,
        ip_allowlist: &ip_allowlist,
    };
    let mut tx = app.db.begin().await?;
    let (id, secret) = key::create(&mut tx, &new, &app.config.api_key_prefix, &caller.act).await?;
    tx.commit().await?;
    let shown = find(&app, &caller, id).await?;
    let shown = ShownWithSecret { shown, key: secret.expose().to_owned() };
    let location = format!("/v1/api-keys/{id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location), no_store()], Json(shown)))
}

/// Change an API key
#[utoipa::path(
    patch, path = "/v1/api-keys/{id}",
    params(("id" = ApiKeyId, Path)),
    request_body = Update,
    responses(
        (status = 200, description = "The key as it is now", body = Shown),
        (status = 402, description = "The plan has no IP allowlists"),
        (status = 409, description = "The key is revoked"),
    ),
)]
pub async fn update(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ApiKeyId>,
    JsonBody(body): JsonBody<Update>,
) -> Result<Json<Shown>, ApiError> {
    let label = body.label.as_deref().map(checked_label).transpose()?;
    let scopes = body.scopes.as_deref().map(|scopes| checked_scopes(&app, scopes)).transpose()?;
    let expires_at = match body.expires_at {
        ExpiryChange::Keep => None,
        ExpiryChange::Set(expiry) => Some(checked_expiry(expiry, app.clock.now())?),
    };
    let ip_allowlist = match &body.ip_allowlist {
        None => None,
        Some(cidrs) => Some(checked_ip_allowlist(&app, &caller, cidrs).await?),
    };
    let ip_allowlist = ip_allowlist.as_ref();
    let update = key::Update { label, scopes: scopes.as_ref(), expires_at, ip_allowlist };
    let mut tx = app.db.begin().await?;
    let changed = key::update(&mut tx, caller.organization_id(), id, &update, &caller.act).await?;
    tx.commit().await?;
    let shown = find(&app, &caller, id).await?;
    if changed { Ok(Json(shown)) } else { Err(revoked()) }
}

/// Rotate an API key
///
/// The old secret ends at once, or after `overlap_seconds`. The answer holds the new one: this once.
#[utoipa::path(
    post, path = "/v1/api-keys/{id}/rotate",
    params(("id" = ApiKeyId, Path)),
    request_body = Option<Rotate>,
    responses(
        (status = 200, description = "The key with its new secret", body = ShownWithSecret),
        (status = 409, description = "The key is revoked or has expired"),
    ),
)]
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
    let mut tx = app.db.begin().await?;
    let key = (caller.organization_id(), id);
    let secret = key::rotate(&mut tx, key, overlap, &app.config.api_key_prefix, &caller.act).await?;
    tx.commit().await?;
    let shown = find(&app, &caller, id).await?;
    let shown = ShownWithSecret { shown, key: secret.ok_or_else(revoked)?.expose().to_owned() };
    Ok(([no_store()], Json(shown)))
}

/// Revoke an API key
///
/// The next request with it is refused. A revoked key stays in the list.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}",
    params(("id" = ApiKeyId, Path)),
    responses((status = 204, description = "The key is revoked")),
)]
pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.db.begin().await?;
    let revoked = key::revoke(&mut tx, caller.organization_id(), id, Ending::Revoked, &caller.act).await?;
    tx.commit().await?;
    let mut db = app.db.acquire().await?;
    if revoked || key::find(&mut db, caller.organization_id(), id).await?.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found())
}

/// An answer with a secret in it is for its caller alone.
fn no_store() -> (header::HeaderName, String) {
    (header::CACHE_CONTROL, "no-store".to_owned())
}

async fn find(app: &App, caller: &Caller, id: ApiKeyId) -> Result<Shown, ApiError> {
    let mut db = app.db.acquire().await?;
    let key = key::find(&mut db, caller.organization_id(), id).await?.ok_or_else(ApiError::not_found)?;
    Ok(shown(app, key))
}

fn shown(app: &App, key: ApiKey) -> Shown {
    let now = app.clock.now();
    let status = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => Status::Revoked,
        (None, Some(at)) if at <= now => Status::Expired,
        _ => Status::Active,
    };
    Shown {
        id: key.id,
        hint: format::hint(&app.config.api_key_prefix, &key.public_id),
        label: key.label,
        scopes: key.scopes,
        status,
        created_by: key.created_by,
        created_at: key.created_at,
        expires_at: key.expires_at,
        ip_allowlist: key.ip_allowlist.to_texts(),
        previous_until: key.previous_until.filter(|until| *until > now),
        last_used_at: key.last_used_at,
        last_used_from: key.last_used_from,
        revoked_at: key.revoked_at,
    }
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

/// A list can be emptied on any plan.
async fn checked_ip_allowlist(app: &App, caller: &Caller, cidrs: &[String]) -> Result<IpAllowlist, ApiError> {
    let list = ip_allowlist::parse(cidrs, "ip_allowlist")?;
    if !list.is_empty() {
        ip_allowlist::check_plan(app, caller).await?;
    }
    Ok(list)
}

fn checked_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    if expires_at.is_some_and(|at| at <= now) {
        return Err(ApiErrorCode::ValidationError.because("expires_at is in the past").at("expires_at"));
    }
    Ok(expires_at.map(|at| at.trunc_subsecs(6)))
}
