//! `/v1/organization/ip-allowlist`, and the lists of API keys.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::json_body::JsonBody;
use crate::app::App;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::organizations::ip_allowlist;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::plan;

/// From where the organization's credentials may be used.
#[derive(Serialize, ToSchema)]
#[schema(as = IpAllowlist)]
pub struct Shown {
    /// While it is off, the list is kept and holds nobody back.
    enabled: bool,
    /// Networks in CIDR notation, IPv4 and IPv6. Of an empty list, every address is one.
    #[schema(max_items = 200, example = json!(["203.0.113.0/24", "2001:db8::/32"]))]
    cidrs: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IpAllowlistReplace)]
pub struct Replace {
    enabled: bool,
    /// Networks in CIDR notation; an address alone is a network of one.
    #[schema(max_items = 200, example = json!(["203.0.113.0/24", "2001:db8::1"]))]
    cidrs: Vec<String>,
    /// Also if the address that this request comes from is in none of them.
    #[serde(default)]
    force: bool,
}

/// The organization's IP allowlist
#[utoipa::path(
    get, path = "/v1/organization/ip-allowlist",
    responses((status = 200, description = "The list", body = Shown)),
)]
pub async fn get(MayAdmin(caller): MayAdmin) -> Json<Shown> {
    let organization = caller.organization();
    Json(shown(organization.ip_allowlist_enabled, &organization.ip_allowlist))
}

/// Replace the organization's IP allowlist
///
/// Holds from the next request on, for API keys, OAuth access tokens and sessions, at `/v1` and at forward-auth. It
/// can be turned off on any plan.
#[utoipa::path(
    put, path = "/v1/organization/ip-allowlist",
    request_body = Replace,
    responses(
        (status = 200, description = "The list as it is now", body = Shown),
        (status = 402, description = "The plan has no IP allowlist"),
        (status = 409, description = "The list would keep out the caller itself, and `force` is not set"),
    ),
)]
pub async fn replace(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<Replace>,
) -> Result<Json<Shown>, ApiError> {
    let list = parse(&body.cidrs, "cidrs")?;
    if body.enabled {
        check_plan(&app, &caller).await?;
    }
    let would_stay_out = body.enabled && caller.act.address.is_some_and(|address| !list.allows(address));
    if would_stay_out && !body.force {
        return Err(locked_out(&caller));
    }
    let mut tx = app.db.begin().await?;
    let organization = caller.organization_id();
    ip_allowlist::replace(&mut tx, organization, (body.enabled, &list), &caller.act).await?;
    tx.commit().await?;
    Ok(Json(shown(body.enabled, &list)))
}

/// As it stands in the field `field` of a request.
pub(super) fn parse(cidrs: &[String], field: &'static str) -> Result<IpAllowlist, ApiError> {
    IpAllowlist::parse(cidrs)
        .map_err(|error| ApiErrorCode::ValidationError.because(error.to_string()).at(field))
}

pub(super) async fn check_plan(app: &App, caller: &Caller) -> Result<(), ApiError> {
    if caller.organization().plan.has_ip_allowlist {
        return Ok(());
    }
    let mut db = app.db.acquire().await?;
    let message = match plan::cheapest_with_ip_allowlist(&mut db).await? {
        Some(plan) => format!("IP allowlists need the plan {plan}"),
        None => "No plan includes IP allowlists".to_owned(),
    };
    Err(ApiErrorCode::PaymentRequired.because(message))
}

fn locked_out(caller: &Caller) -> ApiError {
    let address = caller.act.address.map(|address| address.to_string()).unwrap_or_default();
    let message =
        format!("This request comes from {address}, which the list keeps out: add it, or set force");
    ApiErrorCode::Conflict.because(message).at("cidrs")
}

fn shown(is_enabled: bool, list: &IpAllowlist) -> Shown {
    Shown { enabled: is_enabled, cidrs: list.to_texts() }
}
