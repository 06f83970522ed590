//! `/api/auth`: sessions for a vendor's own front end (contract §4). Errors have upper-case codes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Response;
use chrono::SecondsFormat;
use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::json_body::JsonBody;
use crate::api::named::NamedUser;
use crate::app::App;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::Secret;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::error::RETRY_AFTER_OUTAGE;
use crate::gate::presented;
use crate::gate::principal;
use crate::gate::principal::Principal;
use crate::gate::provenance::Provenance;
use crate::gate::sign_in;
use crate::gate::sign_in::Authenticated;
use crate::gate::sign_in::Registered;
use crate::gate::sign_in::RegistrationField;
use crate::organizations::credential::Credential;
use crate::organizations::organization;
use crate::organizations::organization::Organization;
use crate::organizations::session;
use crate::organizations::session::SessionTokens;

#[derive(Deserialize, ToSchema)]
pub struct Register {
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// At most 1024 bytes.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024)]
    password: Secret,
    /// Of the organization that is made for the person.
    #[serde(rename = "companyName")]
    #[schema(min_length = 1, max_length = 100)]
    company_name: String,
}

#[derive(Deserialize, ToSchema)]
pub struct Login {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// Number of the organization to work in; without it the one that the person joined first.
    #[serde(default, rename = "companyId")]
    company_id: Option<i64>,
}

#[derive(Deserialize, ToSchema)]
pub struct Refresh {
    #[schema(value_type = String, format = Password)]
    refresh_token: Secret,
}

#[derive(Serialize, ToSchema)]
pub struct Registration {
    user: NamedUser,
    company: Company,
}

#[derive(Serialize, ToSchema)]
struct Company {
    /// The organization's number.
    #[serde(rename = "id")]
    number: i64,
    #[serde(rename = "companyId")]
    id: OrganizationId,
    #[serde(rename = "companyName")]
    name: String,
}

#[derive(Serialize, ToSchema)]
pub struct SignedIn {
    session: Tokens,
    user: SignedInUser,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedInUser {
    id: UserId,
    email: String,
    /// The organization's number.
    company_id: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Refreshed {
    session: Tokens,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SessionTokens)]
struct Tokens {
    access_token: String,
    /// Works once; with it comes the next.
    refresh_token: String,
    /// When the access token ends, in seconds since 1970.
    expires_at: i64,
}

#[derive(Serialize, ToSchema)]
pub struct Me {
    user: Myself,
    company: MyCompany,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Myself {
    #[serde(flatten)]
    user: SignedInUser,
    /// Whether the person runs this server.
    is_superadmin: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MyCompany {
    #[serde(flatten)]
    company: Company,
    #[schema(format = DateTime)]
    created_at: String,
}

/// What callers of this API are told: their codes are in capitals.
pub struct SessionError(ApiError);

impl<E: Into<ApiError>> From<E> for SessionError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        self.0.upper_case().into_response()
    }
}

const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Register a person, and an organization for them
#[utoipa::path(
    post, path = "/api/auth/register",
    request_body = Register,
    responses(
        (status = 201, description = "The person and their organization", body = Registration),
        (status = 409, description = "The e-mail address is registered already"),
    ),
    security(()),
)]
pub async fn register(
    State(app): State<App>,
    provenance: Provenance,
    body: Result<JsonBody<Register>, ApiError>,
) -> Result<impl IntoResponse, SessionError> {
    let JsonBody(body) = body?;
    if !app.config.registration {
        return Err(ApiErrorCode::Forbidden.because("Registration is closed").into());
    }
    let registered =
        sign_in::register(&app, &body.email, body.password, &body.company_name, provenance).await?;
    match registered {
        Registered::Yes(user, organization) => {
            let user = NamedUser { id: user.id, email: user.email };
            let answer = Registration { user, company: company(&organization) };
            Ok((StatusCode::CREATED, NO_STORE, Json(answer)))
        }
        Registered::AddressTaken => {
            let taken = ApiErrorCode::UserCreationFailed.because("This e-mail address is already registered");
            Err(taken.at("email").into())
        }
        Registered::Invalid { field, message } => {
            let field = match field {
                RegistrationField::Email => "email",
                RegistrationField::Password => "password",
                RegistrationField::OrganizationName => "companyName",
            };
            Err(ApiErrorCode::ValidationError.because(message).at(field).into())
        }
        Registered::Wait(wait) => Err(too_many_attempts(wait).into()),
        Registered::Busy => Err(busy().into()),
    }
}

/// Sign a person in
#[utoipa::path(
    post, path = "/api/auth/login",
    request_body = Login,
    responses(
        (status = 200, description = "The new session", body = SignedIn),
        (status = 401, description = "The e-mail address or the password is wrong"),
    ),
    security(()),
)]
pub async fn login(
    State(app): State<App>,
    address: ClientAddress,
    body: Result<JsonBody<Login>, ApiError>,
) -> Result<impl IntoResponse, SessionError> {
    let JsonBody(body) = body?;
    let user = match sign_in::authenticate(&app, &body.email, body.password, address).await? {
        Authenticated::Yes(user) => user,
        Authenticated::No => return Err(wrong_credentials().into()),
        Authenticated::Wait(wait) => return Err(too_many_attempts(wait).into()),
        Authenticated::Busy => return Err(busy().into()),
    };
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let organizations = organization::list_of(&mut db, user.id).await?;
    let organization = match body.company_id {
        // The same answer for an organization that there is not and for one of others.
        Some(number) => {
            organizations.iter().find(|found| found.number == number).ok_or_else(wrong_credentials)?
        }
        // After the password, so that nobody else learns it.
        None => organizations.first().ok_or_else(|| {
            ApiErrorCode::Forbidden.because("You belong to no organization: sign in on the pages to make one")
        })?,
    };
    let whose = (user.id, organization.id);
    let tokens = session::create(&mut db, &app.keys.current(), app.config.links.issuer(), whose, now).await?;
    let user = SignedInUser { id: user.id, email: user.email, company_id: organization.number };
    Ok((NO_STORE, Json(SignedIn { session: shown(&tokens), user })))
}

/// Renew a session's tokens
#[utoipa::path(
    post, path = "/api/auth/refresh",
    request_body = Refresh,
    responses(
        (status = 200, description = "The session's new tokens", body = Refreshed),
        (status = 401, description = "The refresh token is invalid, used or expired"),
    ),
    security(()),
)]
pub async fn refresh(
    State(app): State<App>,
    body: Result<JsonBody<Refresh>, ApiError>,
) -> Result<impl IntoResponse, SessionError> {
    let JsonBody(body) = body?;
    let now = app.clock.now();
    let keys = app.keys_that(|keys| keys.know(body.refresh_token.expose())).await?;
    let mut db = app.db.acquire().await?;
    let tokens =
        session::refresh(&mut db, &keys, app.config.links.issuer(), &body.refresh_token, now).await?;
    let tokens = tokens
        .ok_or_else(|| ApiErrorCode::RefreshFailed.because("The refresh token is invalid or has expired"))?;
    Ok((NO_STORE, Json(Refreshed { session: shown(&tokens) })))
}

/// The person who is signed in
#[utoipa::path(
    get, path = "/api/auth/me",
    responses(
        (status = 200, description = "The person and the organization of the session", body = Me),
        (status = 401, description = "There is no session with this token"),
    ),
    security(("session" = [])),
)]
pub async fn me(State(app): State<App>, parts: Parts) -> Result<Json<Me>, SessionError> {
    let principal = signed_in(&app, &parts).await?;
    let organization = &principal.organization;
    let user = principal.user.as_ref().ok_or_else(unauthorized)?;
    let (id, email) = (user.id, user.email.clone());
    let created_at = organization.created_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    Ok(Json(Me {
        user: Myself {
            user: SignedInUser { id, email, company_id: organization.number },
            is_superadmin: user.is_superadmin,
        },
        company: MyCompany { company: company(organization), created_at },
    }))
}

/// End the session
#[utoipa::path(
    post, path = "/api/auth/logout",
    responses(
        (status = 204, description = "The session's tokens are dead"),
        (status = 401, description = "There is no session with this token"),
    ),
    security(("session" = [])),
)]
pub async fn logout(State(app): State<App>, parts: Parts) -> Result<StatusCode, SessionError> {
    let principal = signed_in(&app, &parts).await?;
    if let Credential::Session(id) = principal.credential {
        let mut db = app.db.acquire().await?;
        session::revoke(&mut db, id, "logout", app.clock.now()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Only a session's own token will do: an app or a key is not the person.
async fn signed_in(app: &App, parts: &Parts) -> Result<Principal, ApiError> {
    let presented = presented::read(&parts.headers)?.ok_or_else(unauthorized)?;
    let principal = principal::resolve(app, presented, app.clock.now()).await?;
    let is_session = |principal: &Principal| matches!(principal.credential, Credential::Session(_));
    principal.filter(is_session).ok_or_else(unauthorized)
}

fn company(organization: &Organization) -> Company {
    Company { number: organization.number, id: organization.id, name: organization.name.clone() }
}

fn shown(tokens: &SessionTokens) -> Tokens {
    Tokens {
        access_token: tokens.access_token.expose().to_owned(),
        refresh_token: tokens.refresh_token.expose().to_owned(),
        expires_at: tokens.expires_at.timestamp(),
    }
}

fn wrong_credentials() -> ApiError {
    ApiErrorCode::InvalidCredentials.because("Invalid email or password")
}

fn unauthorized() -> ApiError {
    ApiErrorCode::Unauthorized.because("Invalid or missing access token").challenge("Bearer".to_owned())
}

fn too_many_attempts(wait: TimeDelta) -> ApiError {
    // A started second is a whole one.
    let seconds = (wait.num_milliseconds() + 999) / 1000;
    ApiErrorCode::RateLimitExceeded.because("Too many attempts. Please try again later.").retry_after(seconds)
}

fn busy() -> ApiError {
    ApiErrorCode::Unavailable
        .because("Too many people are signing in at this moment")
        .retry_after(RETRY_AFTER_OUTAGE)
}
