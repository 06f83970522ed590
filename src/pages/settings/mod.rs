//! What a signed-in person manages: keys, apps, their account.

pub mod access_log;
pub mod account;
pub mod api;
pub mod apps;
pub mod audit_log;
pub mod confirm;
pub mod credential;
pub mod developer;
pub mod organization;
pub mod overlap;
pub mod passed_on;
pub mod secret;
pub mod security;
pub mod visitor;
pub mod webhooks;

use axum::response::Redirect;

use crate::pages::parts::Choice;
use crate::pages::settings::visitor::Visitor;

/// What stands around every page of the settings.
pub struct Frame {
    pub(super) sections: Vec<Section>,
    pub(super) organization: String,
    /// All of the person's, to choose from, if there are several.
    pub(super) organizations: Vec<Choice>,
    pub(super) email: String,
    pub(super) csrf: String,
    /// What was just done, such as "The key was revoked."
    pub(super) notice: Option<String>,
}

impl Frame {
    /// With other sections than those of the settings.
    pub(super) fn with_sections<const N: usize>(self, sections: [Section; N], url: &str) -> Self {
        let mark = |section: Section| Section { is_current: section.url == url, ..section };
        Self { sections: sections.into_iter().map(mark).collect(), ..self }
    }
}

pub struct Section {
    pub(super) name: &'static str,
    pub(super) url: &'static str,
    pub(super) is_current: bool,
    /// Only for those who may manage the organization.
    pub(super) is_for_managers: bool,
}

pub(super) const fn section(name: &'static str, url: &'static str, is_for_managers: bool) -> Section {
    Section { name, url, is_current: false, is_for_managers }
}

pub const API_KEYS: &str = "/settings/api";
/// Below the API keys.
pub const SECURITY: &str = "/settings/api/security";
pub const APPS: &str = "/settings/apps";
pub const DEVELOPER: &str = "/settings/developer";
pub const ORGANIZATION: &str = "/settings/organization";
pub const WEBHOOKS: &str = "/settings/webhooks";
pub const ACCESS_LOG: &str = "/settings/access-log";
pub const AUDIT_LOG: &str = "/settings/audit-log";
pub const ACCOUNT: &str = "/settings/account";

const SECTIONS: [Section; 8] = [
    section("API keys", API_KEYS, true),
    section("Connected apps", APPS, false),
    section("Developer apps", DEVELOPER, true),
    section("Webhooks", WEBHOOKS, true),
    section("Organization", ORGANIZATION, false),
    section("Access log", ACCESS_LOG, true),
    section("Audit log", AUDIT_LOG, true),
    section("Account", ACCOUNT, false),
];

/// Only for superadmins.
const ADMINISTRATION: Section = section("Administration", "/admin", false);

/// To the first section that the person may see.
pub async fn get(visitor: Visitor) -> Redirect {
    Redirect::to(if visitor.may_manage() { API_KEYS } else { APPS })
}
