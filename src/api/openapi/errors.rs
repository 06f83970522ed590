//! The refusals that many calls share, as responses of the document.

use std::collections::BTreeSet;
use std::fmt::Write;

use axum::http::StatusCode;
use utoipa::PartialSchema;
use utoipa::openapi::Components;
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::HeaderBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::Response;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::Schema;
use utoipa::openapi::Type;

use crate::gate::error::ApiErrorCode;
use crate::gate::error::ErrorDetail;

/// The two interfaces name the same errors differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Credentials,
    Sessions,
}

impl Face {
    fn schema(self) -> &'static str {
        match self {
            Self::Credentials => "Error",
            Self::Sessions => "SessionError",
        }
    }

    /// As answers of this face write it; `None` if they never do.
    fn name(self, code: ApiErrorCode) -> Option<String> {
        let name = code.name();
        let is_of_sessions = name.starts_with(|first: char| first.is_ascii_uppercase());
        match self {
            Self::Credentials => (!is_of_sessions).then(|| name.to_owned()),
            Self::Sessions => Some(name.to_uppercase()),
        }
    }
}

/// Status, name and meaning.
const SHARED: [(StatusCode, &str, &str); 11] = [
    (
        StatusCode::BAD_REQUEST,
        "BadRequest",
        "The body or a parameter cannot be read, or there are two credentials.",
    ),
    (StatusCode::UNAUTHORIZED, "Unauthorized", "The credential is missing, malformed, expired or revoked."),
    (StatusCode::FORBIDDEN, "Forbidden", "The caller is known, and may not do this, or not in this way."),
    (StatusCode::NOT_FOUND, "NotFound", "The caller's organization has no such thing."),
    (StatusCode::CONFLICT, "Conflict", "A request with the same `Idempotency-Key` is still being done."),
    (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", "The body is longer than 64 KiB."),
    (
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UnsupportedMediaType",
        "The body is not said to be `application/json`.",
    ),
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        "ValidationError",
        "The body is JSON, but not of the right shape, or a value will not do.",
    ),
    (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests for now."),
    (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "A failure of the server's own."),
    (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "The server cannot answer at this moment."),
];

/// The name of a shared refusal among the document's components.
pub(super) fn component(face: Face, status: StatusCode) -> Option<String> {
    let (_, name, _) = SHARED.into_iter().find(|(found, ..)| *found == status)?;
    Some(match face {
        Face::Credentials => name.to_owned(),
        Face::Sessions => format!("Session{name}"),
    })
}

/// Those that some call refers to.
pub(super) fn add_to(components: &mut Components, used: &BTreeSet<String>) {
    for face in [Face::Credentials, Face::Sessions] {
        components.schemas.insert(face.schema().to_owned(), schema(face));
        for (status, _, meaning) in SHARED {
            let Some(name) = component(face, status).filter(|name| used.contains(name)) else { continue };
            let mut response = Response::new(meaning);
            complete(&mut response, face, status);
            components.responses.insert(name, response.into());
        }
    }
}

/// What every refusal of a status says beside its own words.
pub(super) fn complete(response: &mut Response, face: Face, status: StatusCode) {
    let codes = ApiErrorCode::ALL.iter().filter(|code| code.status() == status);
    let codes: Vec<_> = codes.filter_map(|code| Some(format!("`{}`", face.name(*code)?))).collect();
    if !response.description.ends_with('.') {
        response.description.push('.');
    }
    let _ = write!(response.description, " Code: {}.", codes.join(", "));
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(face.schema()))).build();
    let mut completed = ResponseBuilder::from(std::mem::take(response)).content("application/json", body);
    if status == StatusCode::UNAUTHORIZED {
        completed = completed.header("WWW-Authenticate", text("How to authenticate (RFC 6750 §3)."));
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("In seconds.")).build();
        completed = completed.header("Retry-After", header);
    }
    *response = completed.build();
}

pub(super) fn text(description: &str) -> utoipa::openapi::Header {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn schema(face: Face) -> RefOr<Schema> {
    let codes = ApiErrorCode::ALL.iter().filter_map(|code| face.name(*code));
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
    let mut detail = ErrorDetail::schema();
    if let RefOr::T(Schema::Object(object)) = &mut detail {
        object.properties.insert("code".to_owned(), code.into());
    }
    ObjectBuilder::new().property("error", detail).required("error").into()
}
