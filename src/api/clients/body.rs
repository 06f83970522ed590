//! What a request says of a client.

use chrono::TimeDelta;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::clients::registration::AuthMethod;
use crate::clients::registration::Registration;
use crate::clients::registration::SubjectType;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::scopes::Scopes;
use crate::signing::algorithm::SigningAlg;

/// What a request may say of a client. On creation what is absent has its default, on a change it stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({
    "name": "Dialer",
    "type": "confidential",
    "redirect_uris": ["https://app.example/callback"],
    "scopes": ["read"],
}))]
pub struct ClientBody {
    /// What people read when they are asked.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Fixed at creation; by default `public`.
    r#type: Option<ClientType>,
    /// Begins with `https://`; empty for none.
    #[schema(max_length = 2000)]
    homepage_url: Option<String>,
    /// Begins with `https://`; empty for none.
    #[schema(max_length = 2000)]
    logo_url: Option<String>,
    /// Begins with `https://`; empty for none.
    #[schema(max_length = 2000)]
    policy_uri: Option<String>,
    /// Begins with `https://`; empty for none.
    #[schema(max_length = 2000)]
    tos_uri: Option<String>,
    /// E-mail addresses of people responsible for it.
    #[schema(max_items = 10)]
    contacts: Option<Vec<String>>,
    /// By default `client_secret_basic` for a confidential client and `none` for a public one. Whoever has a secret may
    /// send it either way.
    token_endpoint_auth_method: Option<AuthMethod>,
    /// Its public keys, a JWK Set; `null` for none.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Where its public keys are; empty for nowhere.
    #[schema(max_length = 2000)]
    jwks_uri: Option<String>,
    /// Compared as text, save that the port of a loopback host is free.
    #[schema(max_items = 50)]
    redirect_uris: Option<Vec<String>>,
    /// What it may ask for.
    #[schema(min_items = 1, max_items = 64)]
    scopes: Option<Vec<String>>,
    /// What it gets when it asks for nothing; by default all but `admin`.
    #[schema(value_type = Option<Scopes>)]
    default_scopes: Option<Vec<String>>,
    /// What a person cannot untick.
    #[schema(value_type = Option<Scopes>)]
    required_scopes: Option<Vec<String>>,
    /// By default `authorization_code` and `refresh_token`.
    #[schema(value_type = Option<Vec<GrantType>>, min_items = 1)]
    grant_types: Option<Vec<String>>,
    /// Only a confidential client can do without.
    require_pkce: Option<bool>,
    /// Whether it has to push its authorization requests (RFC 9126).
    require_pushed_authorization_requests: Option<bool>,
    /// Whether it has to sign its authorization requests (RFC 9101).
    require_signed_request_object: Option<bool>,
    /// Whether its tokens have to be bound to a key (RFC 9449).
    dpop_bound_access_tokens: Option<bool>,
    subject_type: Option<SubjectType>,
    /// Whose host names the sector of pairwise subjects; empty for none.
    #[schema(max_length = 2000)]
    sector_identifier_uri: Option<String>,
    id_token_signed_response_alg: Option<SigningAlg>,
    /// Of introspection answers that it asks for as JWT (RFC 9701).
    introspection_signed_response_alg: Option<SigningAlg>,
    /// By default the server's.
    access_token_signing_alg: Option<SigningAlg>,
    /// Where people may be sent after a logout that the client asked for.
    #[schema(max_items = 50)]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Where the server tells of logouts; empty for nowhere.
    #[schema(max_length = 2000)]
    backchannel_logout_uri: Option<String>,
    backchannel_logout_session_required: Option<bool>,
    #[schema(minimum = 1, maximum = 86_400)]
    access_token_seconds: Option<i64>,
    /// Without a refresh for this long, the refresh token ends.
    #[schema(minimum = 1, maximum = 315_360_000)]
    refresh_token_idle_seconds: Option<i64>,
    /// When it ends however often it is refreshed.
    #[schema(minimum = 1, maximum = 315_360_000)]
    refresh_token_max_seconds: Option<i64>,
    /// For how long a refresh may be repeated because its answer was lost.
    #[schema(minimum = 0, maximum = 1800)]
    retry_window_seconds: Option<i64>,
    /// Whether nobody may use it for now.
    pub(super) disabled: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientType {
    Public,
    Confidential,
}

/// As the document names what `clients::registration` accepts.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    #[schema(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    #[schema(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// `null` is a value of its own, not the same as absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What was sent takes the place of what was there.
fn set<T>(place: &mut T, sent: Option<T>) {
    if let Some(sent) = sent {
        *place = sent;
    }
}

/// The same for an address; an empty one is none.
fn set_url(place: &mut Option<String>, sent: Option<String>) {
    if let Some(url) = sent {
        *place = Some(url).filter(|url| !url.is_empty());
    }
}

impl ClientBody {
    pub(super) fn changes_type(&self, registration: &Registration) -> bool {
        let was = ClientType::of(registration);
        self.r#type.is_some_and(|wanted| wanted != was)
            || self.token_endpoint_auth_method.is_some_and(|method| ClientType::with(method) != was)
    }

    /// `registration` as the request wants it. Default scopes that nobody chose follow the scopes.
    pub(super) fn applied_to(mut self, mut registration: Registration) -> Result<Registration, ApiError> {
        self.apply_authentication(&mut registration)?;
        self.apply_scopes(&mut registration)?;
        self.apply_lifetimes(&mut registration)?;
        set(&mut registration.name, self.name);
        set_url(&mut registration.homepage_url, self.homepage_url);
        set_url(&mut registration.logo_url, self.logo_url);
        set_url(&mut registration.policy_uri, self.policy_uri);
        set_url(&mut registration.tos_uri, self.tos_uri);
        set(&mut registration.contacts, self.contacts);
        set(&mut registration.redirect_uris, self.redirect_uris);
        set(&mut registration.grant_types, self.grant_types);
        set(&mut registration.subject_type, self.subject_type);
        set_url(&mut registration.sector_identifier_uri, self.sector_identifier_uri);
        set(&mut registration.id_token_signed_response_alg, self.id_token_signed_response_alg);
        set(&mut registration.introspection_signed_response_alg, self.introspection_signed_response_alg);
        set(&mut registration.access_token_signing_alg, self.access_token_signing_alg.map(Some));
        set(&mut registration.post_logout_redirect_uris, self.post_logout_redirect_uris);
        set_url(&mut registration.backchannel_logout_uri, self.backchannel_logout_uri);
        set(&mut registration.backchannel_logout_session_required, self.backchannel_logout_session_required);
        Ok(registration)
    }

    fn apply_authentication(&mut self, registration: &mut Registration) -> Result<(), ApiError> {
        if let Some(method) = self.token_endpoint_auth_method {
            if self.r#type.is_some_and(|wanted| wanted != ClientType::with(method)) {
                let error = ApiErrorCode::ValidationError.because("That does not go with the type");
                return Err(error.at("token_endpoint_auth_method"));
            }
            registration.token_endpoint_auth_method = method;
        } else if let Some(wanted) = self.r#type.filter(|wanted| *wanted != ClientType::of(registration)) {
            registration.token_endpoint_auth_method = wanted.auth_method();
        }
        if let Some(jwks) = self.jwks.take() {
            registration.jwks = Some(jwks).filter(|jwks| !jwks.is_null());
        }
        set_url(&mut registration.jwks_uri, self.jwks_uri.take());
        set(&mut registration.require_pkce, self.require_pkce);
        set(
            &mut registration.require_pushed_authorization_requests,
            self.require_pushed_authorization_requests,
        );
        set(&mut registration.require_signed_request_object, self.require_signed_request_object);
        set(&mut registration.dpop_bound_access_tokens, self.dpop_bound_access_tokens);
        Ok(())
    }

    fn apply_scopes(&mut self, registration: &mut Registration) -> Result<(), ApiError> {
        let names = |field: &'static str, names: Option<Vec<String>>| {
            names
                .map(|names| {
                    Scopes::from_names(names)
                        .map_err(|error| ApiErrorCode::ValidationError.because(error.to_string()).at(field))
                })
                .transpose()
        };
        if let Some(scopes) = names("scopes", self.scopes.take())? {
            let had_usual = registration.default_scopes == Registration::usual_default(&registration.scopes);
            registration.scopes = scopes;
            if had_usual {
                registration.default_scopes = Registration::usual_default(&registration.scopes);
            }
        }
        set(&mut registration.default_scopes, names("default_scopes", self.default_scopes.take())?);
        set(&mut registration.required_scopes, names("required_scopes", self.required_scopes.take())?);
        Ok(())
    }

    fn apply_lifetimes(&self, registration: &mut Registration) -> Result<(), ApiError> {
        let lifetimes = &mut registration.lifetimes;
        for (field, value, lifetime) in [
            ("access_token_seconds", self.access_token_seconds, &mut lifetimes.access_token),
            (
                "refresh_token_idle_seconds",
                self.refresh_token_idle_seconds,
                &mut lifetimes.refresh_token_idle,
            ),
            ("refresh_token_max_seconds", self.refresh_token_max_seconds, &mut lifetimes.refresh_token_max),
            ("retry_window_seconds", self.retry_window_seconds, &mut lifetimes.retry_window),
        ] {
            let Some(value) = value else { continue };
            let too_large = || ApiErrorCode::ValidationError.because("That is too long").at(field);
            *lifetime = TimeDelta::try_seconds(value).ok_or_else(too_large)?;
        }
        Ok(())
    }
}

impl ClientType {
    /// What a client of this type has unless the request says otherwise.
    const fn auth_method(self) -> AuthMethod {
        match self {
            Self::Public => AuthMethod::None,
            Self::Confidential => AuthMethod::ClientSecretBasic,
        }
    }

    pub(super) fn of(registration: &Registration) -> Self {
        Self::with(registration.token_endpoint_auth_method)
    }

    fn with(method: AuthMethod) -> Self {
        if method == AuthMethod::None { Self::Public } else { Self::Confidential }
    }
}
