//! What a client says of itself when it is registered or changed, and what of it is accepted.

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;
use url::Url;

use crate::base::text;
use crate::clients::redirect_uri;
use crate::scopes::Scopes;

pub const AUTHORIZATION_CODE: &str = "authorization_code";
pub const REFRESH_TOKEN: &str = "refresh_token";
pub const CLIENT_CREDENTIALS: &str = "client_credentials";

/// What a client may be registered for.
pub const GRANT_TYPES: [&str; 3] = [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS];

const MAX_NAME_LENGTH: usize = 100;
const MAX_URL_LENGTH: usize = 2000;
const MAX_REDIRECT_URIS: usize = 50;

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub name: String,
    pub homepage_url: Option<String>,
    pub logo_url: Option<String>,
    pub is_confidential: bool,
    pub redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Scopes,
    /// What it gets when it asks for nothing.
    pub default_scopes: Scopes,
    /// What a person cannot untick.
    pub required_scopes: Scopes,
    pub grant_types: Vec<String>,
    pub require_pkce: bool,
    pub lifetimes: Lifetimes,
}

/// What is wrong with a registration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    pub field: &'static str,
    pub message: String,
}

fn invalid(field: &'static str, message: impl Into<String>) -> Invalid {
    Invalid { field, message: message.into() }
}

impl Registration {
    /// As the audit log and the webhooks tell it.
    pub(super) fn told(&self) -> Value {
        json!({
            "name": self.name,
            "homepage_url": self.homepage_url,
            "logo_url": self.logo_url,
            "type": if self.is_confidential { "confidential" } else { "public" },
            "redirect_uris": self.redirect_uris,
            "scopes": self.scopes,
            "default_scopes": self.default_scopes,
            "required_scopes": self.required_scopes,
            "grant_types": self.grant_types,
            "require_pkce": self.require_pkce,
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
            is_confidential: false,
            redirect_uris: Vec::new(),
            scopes: Scopes::default(),
            default_scopes: Scopes::default(),
            required_scopes: Scopes::default(),
            grant_types: vec![AUTHORIZATION_CODE.to_owned(), REFRESH_TOKEN.to_owned()],
            require_pkce: true,
            lifetimes,
        }
    }

    /// What a client gets that asks for nothing, unless somebody decides: all that it may ask for but `admin`.
    pub fn usual_default(scopes: &Scopes) -> Scopes {
        let modest = scopes.without_admin();
        if modest.is_empty() { scopes.clone() } else { modest }
    }

    /// `known` are the scopes of the deployment.
    pub fn check(&self, known: &Scopes) -> Result<(), Invalid> {
        self.check_appearance()?;
        self.check_grant_types()?;
        self.check_redirect_uris()?;
        self.check_scopes(known)?;
        self.check_lifetimes()
    }

    fn check_appearance(&self) -> Result<(), Invalid> {
        let length = self.name.trim().chars().count();
        if !(1..=MAX_NAME_LENGTH).contains(&length) || !text::is_plain(&self.name) {
            return Err(invalid("name", "a name has 1 to 100 characters"));
        }
        for (field, url) in [("homepage_url", &self.homepage_url), ("logo_url", &self.logo_url)] {
            if url.as_ref().is_some_and(|url| !is_web_url(url)) {
                return Err(invalid(field, format!("{field} must be an https URL")));
            }
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
        if has(CLIENT_CREDENTIALS) && !self.is_confidential {
            // RFC 6749 §4.4
            return Err(invalid("grant_types", "client_credentials is for confidential clients only"));
        }
        if has(REFRESH_TOKEN) && !has(AUTHORIZATION_CODE) {
            return Err(invalid("grant_types", "refresh_token goes with authorization_code"));
        }
        if !self.require_pkce && !self.is_confidential {
            return Err(invalid("require_pkce", "only a confidential client can do without PKCE"));
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
        if let Some(unknown) = self.scopes.without(known).iter().next() {
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

/// A link that is safe to put on a page.
fn is_web_url(text: &str) -> bool {
    text.len() <= MAX_URL_LENGTH
        && text.bytes().all(|b| b.is_ascii_graphic())
        && Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host())
}
