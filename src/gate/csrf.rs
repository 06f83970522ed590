//! Forms are answered only where we gave them out: a token in the form is bound to a cookie of the browser,
//! and, once somebody has signed in, to that sign-in. Nothing is stored.

use aws_lc_rs::hmac;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_sessions::Session;

use crate::app::App;
use crate::base::secret::Secret;
use crate::gate::error::ApiError;
use crate::gate::session;

/// Of the browser's half.
const LENGTH: usize = 32;

/// What binds a form to the browser that asked for it.
#[derive(Clone)]
pub struct Csrf {
    cookie: String,
    is_new: bool,
    token: String,
    key: hmac::Key,
    message: String,
}

impl Csrf {
    /// For the form's hidden input `csrf`.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// In constant time.
    pub fn accepts(&self, token: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(token) else { return false };
        !self.is_new && hmac::verify(&self.key, self.message.as_bytes(), &tag).is_ok()
    }

    /// The browser's half, if it has none yet. To be set on the answer that holds the form.
    pub fn set_cookie(&self, is_https: bool) -> Option<HeaderValue> {
        if !self.is_new {
            return None;
        }
        let secure = if is_https { "; Secure" } else { "" };
        let name = cookie_name(is_https);
        HeaderValue::try_from(format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie)).ok()
    }
}

impl Csrf {
    /// Fails only if it cannot be found out who is signed in: that is not the same as nobody.
    pub async fn of(parts: &Parts, app: &App) -> anyhow::Result<Self> {
        let given = cookie(&parts.headers, cookie_name(app.config.links.is_https()));
        let is_new = given.is_none();
        let cookie = given.unwrap_or_else(|| Secret::generate("", LENGTH).expose().to_owned());
        let sign_in = match parts.extensions.get::<Session>() {
            Some(session) => session::sign_in(session).await?,
            None => None,
        };
        let session = sign_in.map(|sign_in| sign_in.session_id.to_string()).unwrap_or_default();
        let message = format!("{cookie} {session}");
        let token = URL_SAFE_NO_PAD.encode(hmac::sign(&app.csrf_key, message.as_bytes()));
        Ok(Self { cookie, is_new, token, key: app.csrf_key.clone(), message })
    }
}

impl FromRequestParts<App> for Csrf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self::of(parts, app).await?)
    }
}

/// Whether a browser says that another site sent the form. Old browsers say nothing; the token is there for
/// them.
pub fn comes_from_elsewhere(headers: &HeaderMap, origin: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let fetch_site = text(header::HeaderName::from_static("sec-fetch-site"));
    fetch_site.is_some_and(|site| site != "same-origin" && site != "none")
        || text(header::ORIGIN).is_some_and(|found| found != origin && fetch_site.is_none())
}

/// `__Host-` keeps a sibling domain from setting it; browsers accept that only with HTTPS.
const fn cookie_name(is_https: bool) -> &'static str {
    if is_https { "__Host-countersign-csrf" } else { "countersign-csrf" }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, value)| *found == name && value.len() == LENGTH)
        .map(|(_, value)| value.to_owned())
}
