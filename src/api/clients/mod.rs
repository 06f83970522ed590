//! `/v1/clients`: the client registry.

pub mod secrets;

mod body;
mod shown;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;

use crate::api::clients::body::ClientBody;
use crate::api::clients::shown::Created;
use crate::api::clients::shown::Shown;
use crate::api::clients::shown::WithSecrets;
use crate::api::json_body::JsonBody;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::app::App;
use crate::base::ids::ClientId;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::registration::Invalid;
use crate::clients::registration::Registration;
use crate::clients::standing;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::organizations::plan;

/// The organization's OAuth clients, newest first
#[utoipa::path(
    get, path = "/v1/clients",
    params(PageRequest),
    responses((status = 200, description = "A page of clients", body = Page<Shown>)),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<Shown>>, ApiError> {
    let after: Option<ClientId> = request.after()?;
    let mut db = app.db.acquire().await?;
    let mut clients = client::list(&mut db, caller.organization_id()).await?;
    // An organization has few. The newest come first, and newer ids are greater.
    clients.retain(|client| after.is_none_or(|after| client.id.to_bytes() < after.to_bytes()));
    Ok(Json(Page::of(clients, &request, |client| client.id.to_string(), |client| Shown::from(&client))))
}

/// One OAuth client
#[utoipa::path(
    get, path = "/v1/clients/{id}",
    params(("id" = ClientId, Path)),
    responses((status = 200, description = "The client", body = WithSecrets)),
)]
pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
) -> Result<Json<WithSecrets>, ApiError> {
    let client = find(&app, &caller, id).await?;
    shown::with_secrets(&app, &client).await.map(Json)
}

/// Register an OAuth client
///
/// `name` and `scopes` are needed, and `redirect_uris` for the grant `authorization_code`. A confidential client comes
/// with its first secret, shown here and never again.
#[utoipa::path(
    post, path = "/v1/clients",
    request_body = ClientBody,
    responses(
        (status = 201, description = "The new client", body = Created, headers(("Location" = String))),
        (status = 402, description = "The plan has no OAuth apps"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<ClientBody>,
) -> Result<impl IntoResponse, ApiError> {
    check_plan(&app, &caller).await?;
    let registration = body.applied_to(Registration::blank(app.config.lifetimes))?;
    registration.check(app.config.scopes.all()).map_err(|error| invalid(&error))?;
    let mut tx = app.db.begin().await?;
    let (id, secret) =
        client::register(&mut tx, caller.organization_id(), &registration, &caller.act).await?;
    tx.commit().await?;
    let client = find(&app, &caller, id).await?;
    let client_secret = secret.map(|secret| secret.expose().to_owned());
    let shown = Created { client: shown::with_secrets(&app, &client).await?, client_secret };
    let headers =
        [(header::LOCATION, format!("/v1/clients/{id}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::CREATED, headers, Json(shown)))
}

/// Change an OAuth client
///
/// What is absent stays as it is; `type` cannot be changed.
#[utoipa::path(
    patch, path = "/v1/clients/{id}",
    params(("id" = ClientId, Path)),
    request_body = ClientBody,
    responses((status = 200, description = "The client as it is now", body = WithSecrets)),
)]
pub async fn update(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
    JsonBody(body): JsonBody<ClientBody>,
) -> Result<Json<WithSecrets>, ApiError> {
    let mut tx = app.db.begin().await?;
    let client = client::find_for_update(&mut tx, caller.organization_id(), id).await?;
    let client = client.ok_or_else(ApiError::not_found)?;
    if body.changes_type(&client.registration) {
        let error = ApiErrorCode::ValidationError.because("The type of a client cannot be changed");
        return Err(error.at("type"));
    }
    let disabled = body.disabled;
    let registration = body.applied_to(client.registration.clone())?;
    registration.check(app.config.scopes.all()).map_err(|error| invalid(&error))?;
    client::update(&mut tx, &client, &registration, &caller.act).await?;
    if let Some(disabled) = disabled {
        standing::set_disabled(&mut tx, &client, disabled, &caller.act).await?;
    }
    tx.commit().await?;
    let client = find(&app, &caller, id).await?;
    shown::with_secrets(&app, &client).await.map(Json)
}

/// Delete an OAuth client
///
/// With it go its secrets and every grant that it has.
#[utoipa::path(
    delete, path = "/v1/clients/{id}",
    params(("id" = ClientId, Path)),
    responses((status = 204, description = "The client is deleted")),
)]
pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.db.begin().await?;
    let was_there = client::delete(&mut tx, Some(caller.organization_id()), id, &caller.act).await?;
    tx.commit().await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}

/// Of the caller's organization; one of another is as unknown as one of nobody's.
async fn find(app: &App, caller: &Caller, id: ClientId) -> Result<Client, ApiError> {
    let mut db = app.db.acquire().await?;
    let found = client::find(&mut db, id).await?;
    found
        .map(ClientWithSecrets::into_client)
        .filter(|client| client.belongs_to(caller.organization_id()))
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

fn invalid(error: &Invalid) -> ApiError {
    ApiErrorCode::ValidationError.because(error.message.clone()).at(error.field)
}
