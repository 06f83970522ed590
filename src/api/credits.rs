//! `/v1/organization/credits`: the ledger, and what the company's billing moves.

use axum::Json;
use axum::extract::State;
use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::json_body::JsonBody;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::app::App;
use crate::base::ids::CreditEntryId;
use crate::base::ids::OrganizationId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission;
use crate::gate::permission::MayAdmin;
use crate::organizations::credits;
use crate::organizations::credits::CreditEntry;
use crate::organizations::credits::MAX_CENTS;
use crate::organizations::credits::MAX_REASON_LENGTH;
use crate::organizations::credits::Moved;
use crate::scopes::ADMIN;

#[derive(Serialize, ToSchema)]
#[schema(as = CreditEntry)]
pub struct ShownEntry {
    id: CreditEntryId,
    organization: OrganizationId,
    /// Negative: a debit.
    amount_cents: i64,
    /// Afterwards.
    balance_cents: i64,
    reason: String,
    /// Kind and id, as in `api_key:key_…`.
    created_by: String,
    created_at: DateTime<Utc>,
}

impl ShownEntry {
    fn of(entry: CreditEntry, organization: OrganizationId) -> Self {
        Self {
            id: entry.id,
            organization,
            amount_cents: entry.amount_cents,
            balance_cents: entry.balance_cents,
            reason: entry.reason,
            created_by: entry.created_by,
            created_at: entry.created_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreditMovement)]
pub struct Movement {
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    amount_cents: i64,
    /// For the ledger.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// Id of the organization: the caller's own unless said; another one is for the operator only.
    #[serde(default)]
    organization: Option<String>,
}

/// The ledger of the organization's credits, newest first
#[utoipa::path(
    get, path = "/v1/organization/credits",
    params(PageRequest),
    responses((status = 200, description = "A page of the ledger", body = Page<ShownEntry>)),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<ShownEntry>>, ApiError> {
    let organization = caller.organization_id();
    let mut db = app.db.acquire().await?;
    let rows = credits::list(&mut db, organization, request.after()?, request.limit + 1).await?;
    let shown = |entry| ShownEntry::of(entry, organization);
    Ok(Json(Page::of(rows, &request, |entry| entry.id.to_string(), shown)))
}

/// Debit credits
///
/// Takes all of it or nothing. An admin debits the own organization, the operator any.
#[utoipa::path(
    post, path = "/v1/organization/credits/debit",
    request_body = Movement,
    responses(
        (status = 200, description = "The entry in the ledger", body = ShownEntry),
        (status = 402, description = "The credits do not cover it; nothing was taken"),
        (status = 404, description = "There is no such organization for the caller"),
    ),
)]
pub async fn debit(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<Movement>,
) -> Result<Json<ShownEntry>, ApiError> {
    let organization = whose(&app, &caller, &body)?;
    let reason = checked(&body)?;
    let mut tx = app.db.begin().await?;
    let moved = credits::debit(&mut tx, organization, body.amount_cents, reason, &caller.act).await?;
    // Also when it found too little: that the credits are exhausted stays.
    tx.commit().await?;
    match moved {
        Moved::Yes(entry) => Ok(Json(ShownEntry::of(entry, organization))),
        Moved::No { balance_cents } => Err(ApiErrorCode::PaymentRequired.because(format!(
            "The credits do not cover {} cents: {balance_cents} are left, and nothing was taken",
            body.amount_cents
        ))),
        Moved::NoSuchOrganization => Err(ApiError::not_found()),
    }
}

/// Grant credits
///
/// For the operator: a superadmin in a session of their own, or an admin's credential of the operator's
/// organization.
#[utoipa::path(
    post, path = "/v1/organization/credits/grant",
    request_body = Movement,
    responses(
        (status = 200, description = "The entry in the ledger", body = ShownEntry),
        (status = 404, description = "There is no such organization for the caller"),
    ),
)]
pub async fn grant(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<Movement>,
) -> Result<Json<ShownEntry>, ApiError> {
    let organization = whose(&app, &caller, &body)?;
    if !permission::is_operator(&caller.principal) {
        return Err(ApiErrorCode::Forbidden.because("Only the operator grants credits"));
    }
    let reason = checked(&body)?;
    let mut tx = app.db.begin().await?;
    match credits::grant(&mut tx, organization, body.amount_cents, reason, &caller.act).await? {
        Moved::Yes(entry) => {
            tx.commit().await?;
            Ok(Json(ShownEntry::of(entry, organization)))
        }
        Moved::No { balance_cents } => Err(ApiErrorCode::ValidationError
            .because(format!("There would be more than {MAX_CENTS} cents: there are {balance_cents}"))
            .at("amount_cents")),
        Moved::NoSuchOrganization => Err(ApiError::not_found()),
    }
}

/// For everybody but the operator other organizations do not exist.
fn whose(app: &App, caller: &Caller, body: &Movement) -> Result<OrganizationId, ApiError> {
    let own = caller.organization_id();
    let is_operator = permission::is_operator(&caller.principal);
    if !is_operator {
        permission::check_scope(app, &caller.principal, ADMIN)?;
    }
    let Some(id) = &body.organization else { return Ok(own) };
    let id = id.parse().map_err(|_| ApiError::not_found())?;
    if is_operator || id == own { Ok(id) } else { Err(ApiError::not_found()) }
}

/// The reason, if that and the amount will do.
fn checked(body: &Movement) -> Result<&str, ApiError> {
    let invalid = |message: String, field| Err(ApiErrorCode::ValidationError.because(message).at(field));
    if !(1..=MAX_CENTS).contains(&body.amount_cents) {
        return invalid(format!("amount_cents must be 1 to {MAX_CENTS}"), "amount_cents");
    }
    match credits::parse_reason(&body.reason) {
        Some(reason) => Ok(reason),
        None => invalid(format!("A reason has 1 to {MAX_REASON_LENGTH} characters"), "reason"),
    }
}
