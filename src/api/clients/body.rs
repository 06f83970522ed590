//! What a request says of a client.

use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::clients::registration::Registration;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::scopes::Scopes;

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
}

impl ClientBody {
    pub(super) fn changes_type(&self, registration: &Registration) -> bool {
        let was = ClientType::of(registration);
        self.r#type.is_some_and(|wanted| wanted != was)
    }

    /// `registration` as the request wants it. Default scopes that nobody chose follow the scopes.
    pub(super) fn applied_to(self, mut registration: Registration) -> Result<Registration, ApiError> {
        let names = |field: &'static str, names: Vec<String>| {
            Scopes::from_names(names)
                .map_err(|error| ApiErrorCode::ValidationError.because(error.to_string()).at(field))
        };
        let seconds = |field: &'static str, seconds: i64| {
            let too_large = || ApiErrorCode::ValidationError.because("That is too long").at(field);
            TimeDelta::try_seconds(seconds).ok_or_else(too_large)
        };
        if let Some(name) = self.name {
            registration.name = name;
        }
        if let Some(found) = self.r#type {
            registration.is_confidential = found == ClientType::Confidential;
        }
        if let Some(url) = self.homepage_url {
            registration.homepage_url = Some(url).filter(|url| !url.is_empty());
        }
        if let Some(url) = self.logo_url {
            registration.logo_url = Some(url).filter(|url| !url.is_empty());
        }
        if let Some(uris) = self.redirect_uris {
            registration.redirect_uris = uris;
        }
        if let Some(scopes) = self.scopes {
            let had_usual = registration.default_scopes == Registration::usual_default(&registration.scopes);
            registration.scopes = names("scopes", scopes)?;
            if had_usual {
                registration.default_scopes = Registration::usual_default(&registration.scopes);
            }
        }
        if let Some(scopes) = self.default_scopes {
            registration.default_scopes = names("default_scopes", scopes)?;
        }
        if let Some(scopes) = self.required_scopes {
            registration.required_scopes = names("required_scopes", scopes)?;
        }
        if let Some(grant_types) = self.grant_types {
            registration.grant_types = grant_types;
        }
        if let Some(require_pkce) = self.require_pkce {
            registration.require_pkce = require_pkce;
        }
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
            if let Some(value) = value {
                *lifetime = seconds(field, value)?;
            }
        }
        Ok(registration)
    }
}

impl ClientType {
    pub(super) fn of(registration: &Registration) -> Self {
        if registration.is_confidential { Self::Confidential } else { Self::Public }
    }
}
