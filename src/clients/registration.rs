//! What a client says of itself when it is registered or changed, and what of it is accepted.

use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use url::Url;
use utoipa::ToSchema;

use crate::base::text;
use crate::clients::redirect_uri;
use crate::scopes::Scopes;
use crate::signing::algorithm::SigningAlg;
use crate::signing::foreign::key_set::KeySet;

pub const AUTHORIZATION_CODE: &str = "authorization_code";
pub const REFRESH_TOKEN: &str = "refresh_token";
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// RFC 8628 §3.4.
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8693 §2.1.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What a client may be registered for.
pub const GRANT_TYPES: [&str; 5] =
    [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, DEVICE_CODE, TOKEN_EXCHANGE];

const MAX_NAME_LENGTH: usize = 100;
const MAX_URL_LENGTH: usize = 2000;
const MAX_REDIRECT_URIS: usize = 50;
const MAX_CONTACTS: usize = 10;
const MAX_CONTACT_LENGTH: usize = 254;

/// An access token lives no longer than a retired signing key verifies.
const MAX_ACCESS_TOKEN: TimeDelta = TimeDelta::hours(24);
const MAX_REFRESH_TOKEN: TimeDelta = TimeDelta::days(3650);
const MAX_RETRY_WINDOW: TimeDelta = TimeDelta::minutes(30);

/// How long a client's tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    pub access_token: TimeDelta,
    /// Without a refresh for this long, a grant's refresh token ends.
    pub refresh_token_idle: TimeDelta,
    /// However often it is refreshed.
    pub refresh_token_max: TimeDelta,
    /// For how long a refresh may be repeated because its answer was lost.
    pub retry_window: TimeDelta,
}

/// How a client proves who it is (RFC 7591 §2). One with a secret may send it either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// It does not: a public client.
    None,
    ClientSecretBasic,
    ClientSecretPost,
    /// By a signature with one of its keys (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl AuthMethod {
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// What a client learns of who a person is (OpenID Connect Core §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// The same `sub` as every client.
    Public,
    /// A `sub` that clients of other sectors do not get.
    Pairwise,
}

/// Fields are named as RFC 7591 and the registries that extend it name them, where they do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a metadata field of its own")]
pub struct Registration {
    pub name: String,
    pub homepage_url: Option<String>,
    pub logo_url: Option<String>,
    pub policy_uri: Option<String>,
    pub tos_uri: Option<String>,
    /// E-mail addresses of people responsible for it.
    pub contacts: Vec<String>,
    pub token_endpoint_auth_method: AuthMethod,
    /// Its public keys, a JWK Set (RFC 7517 §5); or `jwks_uri`, never both.
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
    pub redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Scopes,
    /// What it gets when it asks for nothing.
    pub default_scopes: Scopes,
    /// What a person cannot untick.
    pub required_scopes: Scopes,
    pub grant_types: Vec<String>,
    pub require_pkce: bool,
    /// RFC 9126 §6.
    pub require_pushed_authorization_requests: bool,
    /// RFC 9101 §10.5.
    pub require_signed_request_object: bool,
    /// RFC 9449 §5.2.
    pub dpop_bound_access_tokens: bool,
    pub subject_type: SubjectType,
    /// An https URL whose host names the sector, where redirect URIs have several hosts (OpenID Connect Core §8.1).
    pub sector_identifier_uri: Option<String>,
    pub id_token_signed_response_alg: SigningAlg,
    /// RFC 9701 §6.
    pub introspection_signed_response_alg: SigningAlg,
    /// `None`: the server's.
    pub access_token_signing_alg: Option<SigningAlg>,
    pub post_logout_redirect_uris: Vec<String>,
    pub backchannel_logout_uri: Option<String>,
    pub backchannel_logout_session_required: bool,
    pub lifetimes: Lifetimes,
}

/// What is wrong with a registration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    pub field: &'static str,
    pub message: String,
}

pub(super) fn invalid(field: &'static str, message: impl Into<String>) -> Invalid {
    Invalid { field, message: message.into() }
}

impl Registration {
    /// As the audit log and the webhooks tell it.
    pub(super) fn told(&self) -> Value {
        json!({
            "name": self.name,
            "homepage_url": self.homepage_url,
            "logo_url": self.logo_url,
            "policy_uri": self.policy_uri,
            "tos_uri": self.tos_uri,
            "contacts": self.contacts,
            "type": if self.is_confidential() { "confidential" } else { "public" },
            "token_endpoint_auth_method": self.token_endpoint_auth_method,
            "jwks": self.jwks,
            "jwks_uri": self.jwks_uri,
            "redirect_uris": self.redirect_uris,
            "scopes": self.scopes,
            "default_scopes": self.default_scopes,
            "required_scopes": self.required_scopes,
            "grant_types": self.grant_types,
            "require_pkce": self.require_pkce,
            "require_pushed_authorization_requests": self.require_pushed_authorization_requests,
            "require_signed_request_object": self.require_signed_request_object,
            "dpop_bound_access_tokens": self.dpop_bound_access_tokens,
            "subject_type": self.subject_type,
            "sector_identifier_uri": self.sector_identifier_uri,
            "id_token_signed_response_alg": self.id_token_signed_response_alg,
            "introspection_signed_response_alg": self.introspection_signed_response_alg,
            "access_token_signing_alg": self.access_token_signing_alg,
            "post_logout_redirect_uris": self.post_logout_redirect_uris,
            "backchannel_logout_uri": self.backchannel_logout_uri,
            "backchannel_logout_session_required": self.backchannel_logout_session_required,
            "access_token_seconds": self.lifetimes.access_token.num_seconds(),
            "refresh_token_idle_seconds": self.lifetimes.refresh_token_idle.num_seconds(),
            "refresh_token_max_seconds": self.lifetimes.refresh_token_max.num_seconds(),
            "retry_window_seconds": self.lifetimes.retry_window.num_seconds(),
        })
    }

    /// A client of which nothing was said yet.
    pub fn blank(lifetimes: Lifetimes) -> Self {
        Self {
            name: String::new(),
            homepage_url: None,
            logo_url: None,
            policy_uri: None,
            tos_uri: None,
            contacts: Vec::new(),
            token_endpoint_auth_method: AuthMethod::None,
            jwks: None,
            jwks_uri: None,
            redirect_uris: Vec::new(),
            scopes: Scopes::default(),
            default_scopes: Scopes::default(),
            required_scopes: Scopes::default(),
            grant_types: vec![AUTHORIZATION_CODE.to_owned(), REFRESH_TOKEN.to_owned()],
            require_pkce: true,
            require_pushed_authorization_requests: false,
            require_signed_request_object: false,
            dpop_bound_access_tokens: false,
            subject_type: SubjectType::Public,
            sector_identifier_uri: None,
            id_token_signed_response_alg: SigningAlg::Rs256,
            introspection_signed_response_alg: SigningAlg::Rs256,
            access_token_signing_alg: None,
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            lifetimes,
        }
    }

    /// Whether the client has to prove who it is (RFC 6749 §2.1).
    pub const fn is_confidential(&self) -> bool {
        !matches!(self.token_endpoint_auth_method, AuthMethod::None)
    }

    /// Whether people let it act for them.
    pub fn acts_for_people(&self) -> bool {
        self.grant_types.iter().any(|name| name == AUTHORIZATION_CODE || name == DEVICE_CODE)
    }

    /// All that it may ask people for: its own scopes, and who they are, which they decide themselves.
    #[must_use]
    pub fn scopes_for_people(&self) -> Scopes {
        if self.acts_for_people() { self.scopes.with(&Scopes::identity()) } else { self.scopes.clone() }
    }

    /// What a client gets that asks for nothing, unless somebody decides: all that it may ask for but `admin` and
    /// who the person is.
    pub fn usual_default(scopes: &Scopes) -> Scopes {
        let modest = scopes.without_admin().without(&Scopes::identity());
        if modest.is_empty() { scopes.clone() } else { modest }
    }

    /// `known` are the scopes of the deployment.
    pub fn check(&self, known: &Scopes) -> Result<(), Invalid> {
        self.check_appearance()?;
        self.check_grant_types()?;
        self.check_authentication()?;
        self.check_redirect_uris()?;
        self.check_identity()?;
        self.check_scopes(known)?;
        self.check_lifetimes()
    }

    fn check_appearance(&self) -> Result<(), Invalid> {
        let length = self.name.trim().chars().count();
        if !(1..=MAX_NAME_LENGTH).contains(&length) || !text::is_plain(&self.name) {
            return Err(invalid("name", "a name has 1 to 100 characters"));
        }
        let pages = [
            ("homepage_url", &self.homepage_url),
            ("logo_url", &self.logo_url),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
        ];
        for (field, url) in pages {
            if url.as_ref().is_some_and(|url| !is_web_url(url)) {
                return Err(invalid(field, format!("{field} must be an https URL")));
            }
        }
        let is_contact = |contact: &String| {
            contact.len() <= MAX_CONTACT_LENGTH && contact.contains('@') && text::is_plain(contact)
        };
        if self.contacts.len() > MAX_CONTACTS || !self.contacts.iter().all(is_contact) {
            return Err(invalid("contacts", "contacts are at most 10 e-mail addresses"));
        }
        Ok(())
    }

    fn check_grant_types(&self) -> Result<(), Invalid> {
        let has = |name: &str| self.grant_types.iter().any(|grant_type| grant_type == name);
        if let Some(unknown) = self.grant_types.iter().find(|name| !GRANT_TYPES.contains(&name.as_str())) {
            let known = GRANT_TYPES.join(", ");
            return Err(invalid("grant_types", format!("{unknown:?} is not one of {known}")));
        }
        if self.grant_types.is_empty() {
            return Err(invalid("grant_types", "at least one grant type is needed"));
        }
        if has(CLIENT_CREDENTIALS) && !self.is_confidential() {
            // RFC 6749 §4.4
            return Err(invalid("grant_types", "client_credentials is for confidential clients only"));
        }
        if has(REFRESH_TOKEN) && !self.acts_for_people() {
            return Err(invalid(
                "grant_types",
                "refresh_token goes with authorization_code or the device code",
            ));
        }
        if !self.require_pkce && !self.is_confidential() {
            return Err(invalid("require_pkce", "only a confidential client can do without PKCE"));
        }
        Ok(())
    }

    fn check_authentication(&self) -> Result<(), Invalid> {
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            // RFC 7591 §2
            return Err(invalid("jwks", "jwks and jwks_uri exclude each other"));
        }
        if let Some(jwks) = &self.jwks {
            KeySet::read(jwks).map_err(|refusal| invalid("jwks", refusal.to_string()))?;
        }
        let has_keys = self.jwks.is_some() || self.jwks_uri.is_some();
        if self.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt && !has_keys {
            return Err(invalid("jwks", "private_key_jwt needs jwks or jwks_uri"));
        }
        if self.require_signed_request_object && !has_keys {
            return Err(invalid("jwks", "signed request objects need jwks or jwks_uri"));
        }
        if self.jwks_uri.as_ref().is_some_and(|url| !is_reachable_url(url)) {
            return Err(invalid("jwks_uri", "jwks_uri must be an https URL"));
        }
        Ok(())
    }

    fn check_identity(&self) -> Result<(), Invalid> {
        if self.post_logout_redirect_uris.len() > MAX_REDIRECT_URIS {
            return Err(invalid("post_logout_redirect_uris", "a client has at most 50 of them"));
        }
        for uri in &self.post_logout_redirect_uris {
            redirect_uri::check(uri)
                .map_err(|why| invalid("post_logout_redirect_uris", format!("{uri:?} {why}")))?;
        }
        // Back-Channel Logout §2.2
        let is_good = |url: &String| is_reachable_url(url) && !url.contains('#');
        if self.backchannel_logout_uri.as_ref().is_some_and(|url| !is_good(url)) {
            let message = "backchannel_logout_uri must be an https URL without a fragment";
            return Err(invalid("backchannel_logout_uri", message));
        }
        if self.sector_identifier_uri.as_ref().is_some_and(|url| !is_web_url(url)) {
            return Err(invalid("sector_identifier_uri", "sector_identifier_uri must be an https URL"));
        }
        Ok(())
    }

    fn check_redirect_uris(&self) -> Result<(), Invalid> {
        if self.redirect_uris.len() > MAX_REDIRECT_URIS {
            return Err(invalid("redirect_uris", "a client has at most 50 redirect URIs"));
        }
        for uri in &self.redirect_uris {
            redirect_uri::check(uri).map_err(|why| invalid("redirect_uris", format!("{uri:?} {why}")))?;
        }
        let needs_one = self.grant_types.iter().any(|grant_type| grant_type == AUTHORIZATION_CODE);
        if needs_one && self.redirect_uris.is_empty() {
            return Err(invalid("redirect_uris", "authorization_code needs a redirect URI"));
        }
        Ok(())
    }

    fn check_scopes(&self, known: &Scopes) -> Result<(), Invalid> {
        if self.scopes.is_empty() {
            return Err(invalid("scopes", "at least one scope is needed"));
        }
        let known = known.with(&Scopes::identity());
        if let Some(unknown) = self.scopes.without(&known).iter().next() {
            return Err(invalid("scopes", format!("there is no scope {unknown:?}")));
        }
        for (field, scopes) in
            [("default_scopes", &self.default_scopes), ("required_scopes", &self.required_scopes)]
        {
            if !scopes.is_subset_of(&self.scopes) {
                return Err(invalid(field, format!("{field} must be among the client's scopes")));
            }
        }
        Ok(())
    }

    fn check_lifetimes(&self) -> Result<(), Invalid> {
        let second = TimeDelta::seconds(1);
        let Lifetimes { access_token, refresh_token_idle, refresh_token_max, retry_window } = self.lifetimes;
        if !(second..=MAX_ACCESS_TOKEN).contains(&access_token) {
            return Err(invalid("access_token_seconds", "an access token lives 1 second to 24 hours"));
        }
        if !(second..=MAX_REFRESH_TOKEN).contains(&refresh_token_idle) {
            return Err(invalid("refresh_token_idle_seconds", "a refresh token lives 1 second to 10 years"));
        }
        if !(second..=MAX_REFRESH_TOKEN).contains(&refresh_token_max) {
            return Err(invalid("refresh_token_max_seconds", "a refresh token lives 1 second to 10 years"));
        }
        if !(TimeDelta::zero()..=MAX_RETRY_WINDOW).contains(&retry_window) {
            return Err(invalid("retry_window_seconds", "the retry window has 0 to 1800 seconds"));
        }
        Ok(())
    }
}

/// One that the server sends requests to; which addresses it may have is decided when it is used, and plain HTTP is for
/// development only.
fn is_reachable_url(text: &str) -> bool {
    text.len() <= MAX_URL_LENGTH
        && text.bytes().all(|b| b.is_ascii_graphic())
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

/// A link that is safe to put on a page.
pub(super) fn is_web_url(text: &str) -> bool {
    text.len() <= MAX_URL_LENGTH
        && text.bytes().all(|b| b.is_ascii_graphic())
        && Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host())
}
