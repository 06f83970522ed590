//! `/v1/clients`: the client registry.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::api::json_body::JsonBody;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::api_keys::key;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::registration::Invalid;
use crate::clients::registration::Registration;
use crate::clients::secret;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::organizations::plan;
use crate::scopes::Scopes;

/// What a request may say of a client. On creation what is absent has its default, on a change it stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientBody {
    name: Option<String>,
    /// `public` or `confidential`; fixed at creation.
    r#type: Option<ClientType>,
    homepage_url: Option<String>,
    logo_url: Option<String>,
    redirect_uris: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    default_scopes: Option<Vec<String>>,
    required_scopes: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    require_pkce: Option<bool>,
    access_token_seconds: Option<i64>,
    refresh_token_idle_seconds: Option<i64>,
    refresh_token_max_seconds: Option<i64>,
    retry_window_seconds: Option<i64>,
    disabled: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientType {
    Public,
    Confidential,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretBody {
    label: String,
    expires_at: Option<Timestamp>,
}

pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<Value>>, ApiError> {
    let after: Option<ClientId> = request.after()?;
    let mut db = app.db.acquire().await?;
    let mut clients = client::list(&mut db, caller.organization_id()).await?;
    // An organization has few. The newest come first, and newer ids are greater.
    clients.retain(|client| after.is_none_or(|after| client.id.to_bytes() < after.to_bytes()));
    Ok(Json(Page::of(clients, &request, |client| client.id.to_string(), |client| shown(&client))))
}

pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
) -> Result<Json<Value>, ApiError> {
    let client = find(&app, &caller, id).await?;
    with_secrets(&app, &client).await.map(Json)
}

/// A confidential client comes with its first secret, shown here and never again.
pub async fn create(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<ClientBody>,
) -> Result<impl IntoResponse, ApiError> {
    check_plan(&app, &caller).await?;
    let registration = applied(body, Registration::blank(app.config.lifetimes))?;
    registration.check(app.config.scopes.all()).map_err(|error| invalid(&error))?;
    let mut tx = app.db.begin().await?;
    let (id, secret) =
        client::register(&mut tx, caller.organization_id(), &registration, &caller.act).await?;
    tx.commit().await?;
    let client = find(&app, &caller, id).await?;
    let mut shown = with_secrets(&app, &client).await?;
    if let Some(secret) = secret {
        shown["client_secret"] = secret.expose().into();
    }
    let headers =
        [(header::LOCATION, format!("/v1/clients/{id}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::CREATED, headers, Json(shown)))
}

pub async fn update(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
    JsonBody(body): JsonBody<ClientBody>,
) -> Result<Json<Value>, ApiError> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let client = client::find_for_update(&mut tx, caller.organization_id(), id, now).await?;
    let client = client.ok_or_else(ApiError::not_found)?;
    if body
        .r#type
        .is_some_and(|found| (found == ClientType::Confidential) != client.registration.is_confidential)
    {
        let error = ApiErrorCode::ValidationError.because("The type of a client cannot be changed");
        return Err(error.at("type"));
    }
    let disabled = body.disabled;
    let registration = applied(body, client.registration.clone())?;
    registration.check(app.config.scopes.all()).map_err(|error| invalid(&error))?;
    client::update(&mut tx, &client, &registration, &caller.act).await?;
    if let Some(disabled) = disabled {
        client::set_disabled(&mut tx, &client, disabled, &caller.act).await?;
    }
    tx.commit().await?;
    let client = find(&app, &caller, id).await?;
    with_secrets(&app, &client).await.map(Json)
}

pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.db.begin().await?;
    let was_there = client::delete(&mut tx, caller.organization_id(), id, &caller.act).await?;
    tx.commit().await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}

pub async fn create_secret(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
    JsonBody(body): JsonBody<SecretBody>,
) -> Result<impl IntoResponse, ApiError> {
    let now = app.clock.now();
    let client = find(&app, &caller, id).await?;
    if !client.registration.is_confidential {
        return Err(ApiErrorCode::Conflict.because("A public client has no secrets"));
    }
    let label = key::parse_label(&body.label).ok_or_else(|| {
        ApiErrorCode::ValidationError.because("A label has 1 to 100 characters").at("label")
    })?;
    if body.expires_at.is_some_and(|at| at <= now) {
        return Err(ApiErrorCode::ValidationError.because("expires_at is in the past").at("expires_at"));
    }
    let mut tx = app.db.begin().await?;
    let whose = (client.organization_id, client.id);
    let created = secret::create(&mut tx, whose, label, body.expires_at, &caller.act).await?;
    tx.commit().await?;
    let (secret_id, secret) = created.ok_or_else(|| {
        ApiErrorCode::Conflict.because("The client has as many secrets as it may; delete one first")
    })?;
    let shown = json!({
        "id": secret_id,
        "label": label,
        "created_at": now,
        "expires_at": body.expires_at,
        "client_secret": secret.expose(),
    });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(shown)))
}

pub async fn delete_secret(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path((id, secret_id)): Path<(ClientId, ClientSecretId)>,
) -> Result<StatusCode, ApiError> {
    let client = find(&app, &caller, id).await?;
    let mut tx = app.db.begin().await?;
    let whose = (client.organization_id, client.id);
    let was_there = secret::delete(&mut tx, whose, secret_id, &caller.act).await?;
    tx.commit().await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}

/// Of the caller's organization; one of another is as unknown as one of nobody's.
async fn find(app: &App, caller: &Caller, id: ClientId) -> Result<Client, ApiError> {
    let mut db = app.db.acquire().await?;
    let found = client::find(&mut db, id, app.clock.now()).await?;
    found
        .map(|found| found.client)
        .filter(|client| client.organization_id == caller.organization_id())
        .ok_or_else(ApiError::not_found)
}

async fn check_plan(app: &App, caller: &Caller) -> Result<(), ApiError> {
    if caller.organization().plan.has_oauth_apps {
        return Ok(());
    }
    let mut db = app.db.acquire().await?;
    let needed = plan::cheapest_with_oauth_apps(&mut db).await?;
    let message = match needed {
        Some(plan) => format!("OAuth apps need the plan {plan}"),
        None => "No plan includes OAuth apps".to_owned(),
    };
    Err(ApiErrorCode::PaymentRequired.because(message))
}

/// `registration` as the request wants it. Default scopes that nobody chose follow the scopes.
fn applied(body: ClientBody, mut registration: Registration) -> Result<Registration, ApiError> {
    let names = |field: &'static str, names: Vec<String>| {
        Scopes::from_names(names)
            .map_err(|error| ApiErrorCode::ValidationError.because(error.to_string()).at(field))
    };
    let seconds = |field: &'static str, seconds: i64| {
        let too_large = || ApiErrorCode::ValidationError.because("That is too long").at(field);
        TimeDelta::try_seconds(seconds).ok_or_else(too_large)
    };
    if let Some(name) = body.name {
        registration.name = name;
    }
    if let Some(found) = body.r#type {
        registration.is_confidential = found == ClientType::Confidential;
    }
    if let Some(url) = body.homepage_url {
        registration.homepage_url = Some(url).filter(|url| !url.is_empty());
    }
    if let Some(url) = body.logo_url {
        registration.logo_url = Some(url).filter(|url| !url.is_empty());
    }
    if let Some(uris) = body.redirect_uris {
        registration.redirect_uris = uris;
    }
    if let Some(scopes) = body.scopes {
        let had_usual = registration.default_scopes == Registration::usual_default(&registration.scopes);
        registration.scopes = names("scopes", scopes)?;
        if had_usual {
            registration.default_scopes = Registration::usual_default(&registration.scopes);
        }
    }
    if let Some(scopes) = body.default_scopes {
        registration.default_scopes = names("default_scopes", scopes)?;
    }
    if let Some(scopes) = body.required_scopes {
        registration.required_scopes = names("required_scopes", scopes)?;
    }
    if let Some(grant_types) = body.grant_types {
        registration.grant_types = grant_types;
    }
    if let Some(require_pkce) = body.require_pkce {
        registration.require_pkce = require_pkce;
    }
    let lifetimes = &mut registration.lifetimes;
    for (field, value, lifetime) in [
        ("access_token_seconds", body.access_token_seconds, &mut lifetimes.access_token),
        ("refresh_token_idle_seconds", body.refresh_token_idle_seconds, &mut lifetimes.refresh_token_idle),
        ("refresh_token_max_seconds", body.refresh_token_max_seconds, &mut lifetimes.refresh_token_max),
        ("retry_window_seconds", body.retry_window_seconds, &mut lifetimes.retry_window),
    ] {
        if let Some(value) = value {
            *lifetime = seconds(field, value)?;
        }
    }
    Ok(registration)
}

fn invalid(error: &Invalid) -> ApiError {
    ApiErrorCode::ValidationError.because(error.message.clone()).at(error.field)
}

async fn with_secrets(app: &App, client: &Client) -> Result<Value, ApiError> {
    let mut db = app.db.acquire().await?;
    let secrets = secret::list(&mut db, client.id).await?;
    let mut shown = shown(client);
    shown["secrets"] = secrets
        .iter()
        .map(|secret| {
            json!({
                "id": secret.id,
                "label": secret.label,
                "created_at": secret.created_at,
                "expires_at": secret.expires_at,
                "last_used_at": secret.last_used_at,
            })
        })
        .collect();
    Ok(shown)
}

fn shown(client: &Client) -> Value {
    let registration = &client.registration;
    let lifetimes = registration.lifetimes;
    json!({
        "client_id": client.id,
        "name": registration.name,
        "type": if registration.is_confidential { "confidential" } else { "public" },
        "homepage_url": registration.homepage_url,
        "logo_url": registration.logo_url,
        "redirect_uris": registration.redirect_uris,
        "scopes": registration.scopes,
        "default_scopes": registration.default_scopes,
        "required_scopes": registration.required_scopes,
        "grant_types": registration.grant_types,
        "require_pkce": registration.require_pkce,
        "access_token_seconds": lifetimes.access_token.num_seconds(),
        "refresh_token_idle_seconds": lifetimes.refresh_token_idle.num_seconds(),
        "refresh_token_max_seconds": lifetimes.refresh_token_max.num_seconds(),
        "retry_window_seconds": lifetimes.retry_window.num_seconds(),
        "reviewed": client.is_reviewed,
        "disabled": client.disabled_at.is_some(),
        "created_at": client.created_at,
    })
}
