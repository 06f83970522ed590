//! A form sent by a client that has proved who it is (RFC 6749 §2.3).

use std::sync::Arc;

use axum::extract::FromRequest;
use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::audit::act::Act;
use crate::audit::act::Actor;
use crate::clients::client::Client;
use crate::clients::described;
use crate::gate::client_address::ClientAddress;
use crate::gate::provenance::Provenance;
use crate::oauth::client_auth;
use crate::oauth::error::Answer;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;

/// A handler that asks for this runs only for an authenticated client.
pub struct ClientForm {
    pub client: Arc<Client>,
    pub params: Params,
    /// What the client does, as the audit log will tell it.
    pub act: Act,
}

/// With its row: whatever the request leads to may refer to it.
async fn authenticated(
    app: &App,
    path: &str,
    headers: &HeaderMap,
    params: &Params,
    address: ClientAddress,
) -> Result<Arc<Client>, OAuthError> {
    let client = client_auth::authenticate(app, path, headers, params, address).await?;
    if client.metadata_url.is_some() {
        let kept = async {
            let mut tx = app.db.begin().await?;
            described::keep(&mut tx, &client, app.clock.now()).await?;
            tx.commit().await
        };
        Box::pin(kept).await?;
    }
    Ok(client)
}

impl FromRequest<App> for ClientForm {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let links = &app.config.links;
        let (mut parts, body) = request.into_parts();
        let Ok(provenance) = Provenance::from_request_parts(&mut parts, app).await;
        let (path, headers) = (parts.uri.path().to_owned(), parts.headers.clone());
        let request = Request::from_parts(parts, body);
        let params =
            Params::read(request, app).await.map_err(|error| Answer(error, links).into_response())?;
        let client = authenticated(app, &path, &headers, &params, provenance.address)
            .await
            .map_err(|error| Answer(error, links).into_response())?;
        let act = provenance.act(Actor::client(client.id, &client.registration.name));
        Ok(Self { client, params, act })
    }
}
