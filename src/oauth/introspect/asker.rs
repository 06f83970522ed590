//! Who asks about a token: a confidential client, or an API key with `admin`.

use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::gate::caller;
use crate::gate::challenge::Challenge;
use crate::gate::challenge::Scheme;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission;
use crate::gate::presented;
use crate::gate::principal;
use crate::oauth::client_auth;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::scopes::ADMIN;
use crate::signing::algorithm::SigningAlg;

pub(super) struct Asker {
    /// `None`: a client that registered itself.
    organization: Option<OrganizationId>,
    client: Option<ClientId>,
    /// `aud` of an answer that is a JWT: the client or, for a key, its organization, whose APIs have its keys.
    pub(super) audience: String,
    /// How such an answer is signed (RFC 9701 §6).
    pub(super) algorithm: SigningAlg,
}

impl Asker {
    /// Each kind of asker is refused in its own words.
    pub(super) async fn authenticate(
        app: &App,
        path: &str,
        (headers, params): (&HeaderMap, &Params),
        address: ClientAddress,
    ) -> Result<Self, Response> {
        let carries_key = headers.contains_key("x-api-key")
            || headers
                .get(header::AUTHORIZATION)
                .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"bearer "));
        if carries_key {
            return key(app, headers, address).await.map_err(IntoResponse::into_response);
        }
        let refused = |error| Answer(error, &app.config.links).into_response();
        client(app, path, (headers, params), address).await.map_err(refused)
    }

    /// Its organization's tokens, and those that it was given itself.
    pub(super) fn may_see(&self, organization: OrganizationId, client: Option<ClientId>) -> bool {
        self.organization == Some(organization) || (self.client.is_some() && self.client == client)
    }
}

async fn client(
    app: &App,
    path: &str,
    (headers, params): (&HeaderMap, &Params),
    address: ClientAddress,
) -> Result<Asker, OAuthError> {
    let client = client_auth::authenticate(app, path, headers, params, address).await?;
    if !client.registration.is_confidential() {
        // RFC 7662 §4: or anybody could try tokens out.
        return Err(ErrorCode::InvalidClient.because("only a confidential client may introspect"));
    }
    Ok(Asker {
        organization: client.organization_id,
        client: Some(client.id),
        audience: client.identifier(),
        algorithm: client.registration.introspection_signed_response_alg,
    })
}

async fn key(app: &App, headers: &HeaderMap, address: ClientAddress) -> Result<Asker, ApiError> {
    let unknown = || {
        let message = "Invalid or missing API key";
        let challenge = Challenge::new(app.config.resources.own(), Scheme::Bearer);
        let challenge = challenge.error("invalid_token", message).write(app);
        ApiErrorCode::Unauthorized.because(message).challenge(challenge)
    };
    let presented = presented::read(headers)?.ok_or_else(unknown)?;
    let principal = principal::resolve(app, presented, app.clock.now()).await?.ok_or_else(unknown)?;
    if principal.key.is_none() {
        return Err(unknown());
    }
    caller::check_organization(&principal, address)?;
    permission::check_scope(app, &principal, ADMIN)?;
    let organization = principal.organization.id;
    Ok(Asker {
        organization: Some(organization),
        client: None,
        audience: organization.to_string(),
        algorithm: SigningAlg::Rs256,
    })
}
