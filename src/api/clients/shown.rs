//! A client as answers show it.

use chrono::DateTime;
use chrono::Utc;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::clients::body::ClientType;
use crate::app::App;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::clients::client::Client;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::SubjectType;
use crate::clients::secret;
use crate::gate::error::ApiError;
use crate::scopes::Scopes;
use crate::signing::algorithm::SigningAlg;

#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
#[expect(clippy::struct_excessive_bools, reason = "each is a metadata field of its own")]
pub struct Shown {
    client_id: ClientId,
    name: String,
    r#type: ClientType,
    homepage_url: Option<String>,
    logo_url: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    contacts: Vec<String>,
    token_endpoint_auth_method: AuthMethod,
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    redirect_uris: Vec<String>,
    /// What it may ask for.
    scopes: Scopes,
    /// What it gets when it asks for nothing.
    default_scopes: Scopes,
    /// What a person cannot untick.
    required_scopes: Scopes,
    grant_types: Vec<String>,
    require_pkce: bool,
    require_pushed_authorization_requests: bool,
    require_signed_request_object: bool,
    dpop_bound_access_tokens: bool,
    subject_type: SubjectType,
    sector_identifier_uri: Option<String>,
    id_token_signed_response_alg: SigningAlg,
    introspection_signed_response_alg: SigningAlg,
    /// `null` is the server's.
    access_token_signing_alg: Option<SigningAlg>,
    post_logout_redirect_uris: Vec<String>,
    backchannel_logout_uri: Option<String>,
    backchannel_logout_session_required: bool,
    access_token_seconds: i64,
    refresh_token_idle_seconds: i64,
    refresh_token_max_seconds: i64,
    retry_window_seconds: i64,
    /// Whether the company that runs this server has looked at it.
    reviewed: bool,
    disabled: bool,
    created_at: DateTime<Utc>,
    /// To within a few seconds.
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClientWithSecrets)]
pub struct WithSecrets {
    #[serde(flatten)]
    client: Shown,
    secrets: Vec<Secret>,
}

/// What is known of a secret besides the secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ClientSecret)]
struct Secret {
    id: ClientSecretId,
    label: String,
    created_at: DateTime<Utc>,
    /// `null` is never.
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClientCreated)]
pub(super) struct Created {
    #[serde(flatten)]
    pub(super) client: WithSecrets,
    /// Of a confidential client; no other answer holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) client_secret: Option<String>,
}

pub(super) async fn with_secrets(app: &App, client: &Client) -> Result<WithSecrets, ApiError> {
    let mut db = app.db.acquire().await?;
    let secrets = secret::list(&mut db, client.id).await?.into_iter().map(|secret| Secret {
        id: secret.id,
        label: secret.label,
        created_at: secret.created_at,
        expires_at: secret.expires_at,
        last_used_at: secret.last_used_at,
    });
    Ok(WithSecrets { client: Shown::from(client), secrets: secrets.collect() })
}

impl From<&Client> for Shown {
    fn from(client: &Client) -> Self {
        let registration = client.registration.clone();
        let lifetimes = registration.lifetimes;
        Self {
            client_id: client.id,
            r#type: ClientType::of(&registration),
            name: registration.name,
            homepage_url: registration.homepage_url,
            logo_url: registration.logo_url,
            policy_uri: registration.policy_uri,
            tos_uri: registration.tos_uri,
            contacts: registration.contacts,
            token_endpoint_auth_method: registration.token_endpoint_auth_method,
            jwks: registration.jwks,
            jwks_uri: registration.jwks_uri,
            redirect_uris: registration.redirect_uris,
            scopes: registration.scopes,
            default_scopes: registration.default_scopes,
            required_scopes: registration.required_scopes,
            grant_types: registration.grant_types,
            require_pkce: registration.require_pkce,
            require_pushed_authorization_requests: registration.require_pushed_authorization_requests,
            require_signed_request_object: registration.require_signed_request_object,
            dpop_bound_access_tokens: registration.dpop_bound_access_tokens,
            subject_type: registration.subject_type,
            sector_identifier_uri: registration.sector_identifier_uri,
            id_token_signed_response_alg: registration.id_token_signed_response_alg,
            introspection_signed_response_alg: registration.introspection_signed_response_alg,
            access_token_signing_alg: registration.access_token_signing_alg,
            post_logout_redirect_uris: registration.post_logout_redirect_uris,
            backchannel_logout_uri: registration.backchannel_logout_uri,
            backchannel_logout_session_required: registration.backchannel_logout_session_required,
            access_token_seconds: lifetimes.access_token.num_seconds(),
            refresh_token_idle_seconds: lifetimes.refresh_token_idle.num_seconds(),
            refresh_token_max_seconds: lifetimes.refresh_token_max.num_seconds(),
            retry_window_seconds: lifetimes.retry_window.num_seconds(),
            reviewed: client.is_reviewed,
            disabled: client.disabled_at.is_some(),
            created_at: client.created_at,
            last_used_at: client.last_used_at,
        }
    }
}
