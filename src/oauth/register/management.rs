//! `GET`, `PUT` and `DELETE /oauth/register/{client_id}` (RFC 7592): a client reads, replaces and ends its registration,
//! with the registration access token that it was given.

use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Map;
use serde_json::Value;
use sqlx::PgTransaction;

use crate::app::App;
use crate::audit::act::Act;
use crate::audit::act::Actor;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::secret::Secret;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::self_registered;
use crate::gate::provenance::Provenance;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::register;
use crate::oauth::register::information;
use crate::oauth::register::information::Credentials;

/// RFC 7592 §2.2: what only the server says.
const NOT_ITS_OWN: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

pub async fn get(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    match show(&app, id(&uri), &headers).await {
        Ok(response) => response,
        Err(error) => Answer(error, &app.config.links).into_response(),
    }
}

pub async fn put(State(app): State<App>, request: Request) -> Response {
    match replace(&app, request).await {
        Ok(response) => response,
        Err(error) => Answer(error, &app.config.links).into_response(),
    }
}

pub async fn delete(
    State(app): State<App>,
    uri: Uri,
    provenance: Provenance,
    headers: HeaderMap,
) -> Response {
    match end(&app, id(&uri), provenance, &headers).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => Answer(error, &app.config.links).into_response(),
    }
}

/// The last segment of the path, whatever it holds.
fn id(uri: &Uri) -> &str {
    uri.path().rsplit('/').next().unwrap_or_default()
}

async fn show(app: &App, id: &str, headers: &HeaderMap) -> Result<Response, OAuthError> {
    let token = presented(headers)?;
    let mut tx = app.db.begin().await?;
    let found = find(&mut tx, id, &token).await?;
    tx.commit().await?;
    Ok(information::answer(app, &found.client, Credentials { secret: None, token: Some(&token) }))
}

/// All at once or nothing: what the request leaves out is left out of the registration, too.
async fn replace(app: &App, request: Request) -> Result<Response, OAuthError> {
    let (mut parts, body) = request.into_parts();
    let (uri, token) = (parts.uri.clone(), presented(&parts.headers)?);
    let id = id(&uri);
    let Ok(provenance) = Provenance::from_request_parts(&mut parts, app).await;
    let now = provenance.at;
    // Before the body is read, and anything is fetched that it names.
    let mut tx = app.db.begin().await?;
    find(&mut tx, id, &token).await?;
    tx.commit().await?;
    let metadata = register::read(Request::from_parts(parts, body), app).await?;
    let registration = register::accepted(app, &metadata).await?;

    let mut tx = app.db.begin().await?;
    let found = find(&mut tx, id, &token).await?;
    check_own(&found, &metadata, now)?;
    let act = act(provenance, &found.client);
    let secret = self_registered::update(&mut tx, &found.client, &registration, &act).await?;
    let found = find(&mut tx, id, &token).await?;
    tx.commit().await?;
    let credentials = Credentials { secret: secret.as_ref(), token: Some(&token) };
    Ok(information::answer(app, &found.client, credentials))
}

/// With all that people have given it.
async fn end(app: &App, id: &str, provenance: Provenance, headers: &HeaderMap) -> Result<(), OAuthError> {
    let token = presented(headers)?;
    let mut tx = app.db.begin().await?;
    let found = find(&mut tx, id, &token).await?;
    let act = act(provenance, &found.client);
    client::delete(&mut tx, None, found.client.id, &act).await?;
    tx.commit().await?;
    Ok(())
}

fn act(provenance: Provenance, client: &Client) -> Act {
    provenance.act(Actor::client(client.id, &client.registration.name))
}

fn presented(headers: &HeaderMap) -> Result<Secret, OAuthError> {
    register::bearer(headers).ok_or_else(refused)
}

/// One refusal for every cause: who does not have the token learns not even whether there is such a client.
fn refused() -> OAuthError {
    ErrorCode::InvalidToken.because("the registration access token does not open such a registration")
}

async fn find(tx: &mut PgTransaction<'_>, id: &str, token: &Secret) -> Result<ClientWithSecrets, OAuthError> {
    let id: ClientId = id.parse().map_err(|_| refused())?;
    self_registered::find_for_update(tx, id, token).await?.ok_or_else(refused)
}

/// RFC 7592 §2.2: a client names itself and, if it likes, its secret, as they are; it chooses neither.
fn check_own(
    found: &ClientWithSecrets,
    metadata: &Map<String, Value>,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let refused = |why: String| Err(ErrorCode::InvalidClientMetadata.because(why));
    if metadata.get("client_id").and_then(Value::as_str) != Some(&found.client.identifier()) {
        return refused("client_id must be there, and the client's own".to_owned());
    }
    if let Some(name) = NOT_ITS_OWN.iter().find(|name| metadata.contains_key(**name)) {
        return refused(format!("{name} is not for the client to say"));
    }
    match metadata.get("client_secret") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(secret)) if found.proved_by(&Secret::new(secret.as_str()), now).is_some() => {
            Ok(())
        }
        Some(_) => refused("client_secret is not the one that the client has".to_owned()),
    }
}
