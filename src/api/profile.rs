//! `GET /v1/profile`: the caller, its organization and its plan.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::named::NamedOrganization;
use crate::api::named::Who;
use crate::gate::caller::Caller;
use crate::organizations::plan;
use crate::scopes::Scopes;

#[derive(Serialize, ToSchema)]
pub struct Profile {
    #[serde(flatten)]
    who: Who,
    organization: NamedOrganization,
    plan: Plan,
    scopes: Scopes,
}

/// What is in force: with the organization's own limits in place of the plan's.
#[derive(Serialize, ToSchema)]
pub(super) struct Plan {
    name: String,
    requests_per_hour: u32,
    requests_per_minute: u32,
    /// Whether the organization may have OAuth apps.
    oauth_apps: bool,
    /// Whether it may limit from where it is used.
    ip_allowlist: bool,
}

impl From<&plan::Plan> for Plan {
    fn from(plan: &plan::Plan) -> Self {
        Self {
            name: plan.name.clone(),
            requests_per_hour: plan.requests_per_hour,
            requests_per_minute: plan.requests_per_minute,
            oauth_apps: plan.has_oauth_apps,
            ip_allowlist: plan.has_ip_allowlist,
        }
    }
}

/// The caller, its organization and its plan
#[utoipa::path(
    get, path = "/v1/profile",
    responses((status = 200, description = "The caller's profile", body = Profile)),
)]
pub async fn get(Caller { principal, .. }: Caller) -> Json<Profile> {
    Json(Profile {
        who: Who::from(&*principal),
        organization: NamedOrganization::from(&*principal.organization),
        plan: Plan::from(&principal.organization.plan),
        scopes: principal.scopes.clone(),
    })
}
