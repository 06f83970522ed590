//! `/admin`: the whole server, for superadmins. For everybody else there is nothing here.

pub mod apps;
pub mod audit_log;
pub mod keys;
pub mod organization;
pub mod organizations;
pub mod people;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;

use crate::app::App;
use crate::pages::error::PageError;
use crate::pages::settings::Frame;
use crate::pages::settings::Section;
use crate::pages::settings::section;
use crate::pages::settings::visitor::Visitor;

pub const ORGANIZATIONS: &str = "/admin/organizations";
pub const PEOPLE: &str = "/admin/people";
pub const APPS: &str = "/admin/apps";
pub const KEYS: &str = "/admin/keys";
pub const AUDIT_LOG: &str = "/admin/audit-log";

/// On one page of a list.
const LIMIT: i64 = 50;

const SECTIONS: [Section; 6] = [
    section("Organizations", ORGANIZATIONS, false),
    section("People", PEOPLE, false),
    section("Apps", APPS, false),
    section("Signing keys", KEYS, false),
    section("Audit log", AUDIT_LOG, false),
    section("Your settings", "/settings", false),
];

/// Somebody who may manage the whole server.
pub struct Superadmin(pub Visitor);

impl FromRequestParts<App> for Superadmin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        // Never 403: who may not come here need not know that it is there.
        if visitor.user().is_superadmin {
            Ok(Self(visitor))
        } else {
            Err(PageError::not_found().into_response())
        }
    }
}

impl Superadmin {
    async fn frame(&self, url: &str) -> Result<Frame, PageError> {
        Ok(self.0.frame(url).await?.with_sections(SECTIONS, url))
    }
}

/// What of a list is wanted.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    q: String,
    before: Option<String>,
}

impl Asked {
    /// PostgreSQL has no NUL in text, so nothing is found by it.
    fn text(&self) -> &str {
        if self.q.contains('\0') { "" } else { self.q.trim() }
    }

    /// Where the next page is.
    fn older(&self, url: &str, last: &str) -> String {
        let q: String = url::form_urlencoded::byte_serialize(self.text().as_bytes()).collect();
        format!("{url}?q={q}&before={last}")
    }
}

pub async fn get(_superadmin: Superadmin) -> Redirect {
    Redirect::to(ORGANIZATIONS)
}
