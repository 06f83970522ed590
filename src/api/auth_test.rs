//! `GET /v1/auth/test`: who am I, and what may I?

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::named::NamedOrganization;
use crate::api::named::Who;
use crate::app::App;
use crate::gate::caller::Caller;
use crate::scopes::Scopes;

#[derive(Serialize, ToSchema)]
pub struct AuthTest {
    /// Always: whoever is not gets 401.
    authenticated: bool,
    #[serde(flatten)]
    who: Who,
    organization: NamedOrganization,
    scopes: Scopes,
    rate_limit: RateLimit,
}

/// The window that is nearest to its end.
#[derive(Serialize, ToSchema)]
struct RateLimit {
    limit: u32,
    remaining: u32,
    /// In seconds since 1970.
    reset: i64,
}

/// Who the credential is, and what it may do
#[utoipa::path(
    get, path = "/v1/auth/test",
    responses((status = 200, description = "The credential is in force", body = AuthTest)),
)]
pub async fn get(State(_app): State<App>, Caller { principal, rate, .. }: Caller) -> Json<AuthTest> {
    let window = rate.tightest();
    Json(AuthTest {
        authenticated: true,
        who: Who::from(&*principal),
        organization: NamedOrganization::from(&*principal.organization),
        scopes: principal.scopes.clone(),
        rate_limit: RateLimit { limit: window.limit, remaining: window.remaining, reset: window.resets_at },
    })
}
