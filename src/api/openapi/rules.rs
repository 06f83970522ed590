//! What holds for every call, said once for the document as it is done once in the server.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use utoipa::openapi::Components;
use utoipa::openapi::HeaderBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::OpenApi;
use utoipa::openapi::PathItem;
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::Required;
use utoipa::openapi::Response;
use utoipa::openapi::Type;
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::ParameterBuilder;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::security::ApiKey;
use utoipa::openapi::security::ApiKeyValue;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::HttpBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::security::SecurityScheme;
use utoipa::openapi::tag::TagBuilder;

use crate::api::openapi::HEADINGS;
use crate::api::openapi::errors;
use crate::api::openapi::errors::Face;
use crate::api::openapi::schemas;

/// With their meaning; on every answer to a known credential and, for sessions, to every address (`gate::rate_limit`).
const RATE_HEADERS: [(&str, Type, &str); 5] = [
    ("X-RateLimit-Limit", Type::Integer, "Requests in the window that is nearest to its end."),
    ("X-RateLimit-Remaining", Type::Integer, "What is left of them."),
    ("X-RateLimit-Reset", Type::Integer, "When the window ends, in seconds since 1970."),
    ("RateLimit-Policy", Type::String, "All windows: requests `q` in `w` seconds."),
    ("RateLimit", Type::String, "All windows: `r` are left, for `t` seconds."),
];
const REQUEST_ID: &str = "X-Request-Id";

pub(super) fn apply(document: &mut OpenApi) {
    let mut used = BTreeSet::new();
    for (path, item) in &mut document.paths.paths {
        let has_id = path.contains('{');
        let face = if path.starts_with("/v1/") { Face::Credentials } else { Face::Sessions };
        for (is_post, operation) in operations(item) {
            Call { face, has_id, is_post }.complete(operation, &mut used);
        }
    }
    let tags = HEADINGS
        .iter()
        .map(|(name, description, _)| TagBuilder::new().name(*name).description(Some(*description)).build());
    document.tags = Some(tags.collect());
    schemas::tidy(document);
    let components = document.components.get_or_insert_default();
    errors::add_to(components, &used);
    add_headers(components);
    add_security(components);
}

/// Each with whether it is a `POST`.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let others = [&mut item.get, &mut item.put, &mut item.patch, &mut item.delete];
    let others = others.into_iter().flatten().map(|operation| (false, operation));
    item.post.iter_mut().map(|operation| (true, operation)).chain(others)
}

struct Call {
    face: Face,
    /// Whether its path holds an id.
    has_id: bool,
    is_post: bool,
}

impl Call {
    /// Adds the shared refusals to `used`.
    fn complete(&self, operation: &mut Operation, used: &mut BTreeSet<String>) {
        name(operation);
        if self.takes_idempotency_key() {
            operation.parameters.get_or_insert_default().push(idempotency_key().into());
        }
        for status in self.refusals(operation.request_body.is_some()) {
            let Some(component) = errors::component(self.face, status) else { continue };
            operation.responses.responses.entry(status.as_str().to_owned()).or_insert_with(|| {
                used.insert(component.clone());
                RefOr::Ref(Ref::from_response_name(component))
            });
        }
        for (status, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else { continue };
            let Ok(status) = status.parse::<StatusCode>() else { continue };
            self.complete_response(status, response);
        }
        if self.face == Face::Credentials && operation.security.is_none() {
            operation.security = Some(["bearer", "api_key"].map(requirement).to_vec());
        }
    }

    fn takes_idempotency_key(&self) -> bool {
        self.is_post && self.face == Face::Credentials
    }

    fn refusals(&self, has_body: bool) -> impl Iterator<Item = StatusCode> {
        let is_for_credentials = self.face == Face::Credentials;
        let may_repeat = self.takes_idempotency_key();
        [
            (StatusCode::BAD_REQUEST, true),
            (StatusCode::UNAUTHORIZED, is_for_credentials),
            (StatusCode::FORBIDDEN, true),
            (StatusCode::NOT_FOUND, self.has_id),
            (StatusCode::CONFLICT, may_repeat),
            (StatusCode::PAYLOAD_TOO_LARGE, has_body || may_repeat),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, has_body),
            (StatusCode::UNPROCESSABLE_ENTITY, has_body || may_repeat),
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
        ]
        .into_iter()
        .filter_map(|(status, is_possible)| is_possible.then_some(status))
    }

    fn complete_response(&self, status: StatusCode, response: &mut Response) {
        if status == StatusCode::CONFLICT && self.takes_idempotency_key() {
            response
                .description
                .push_str(", or a request with the same `Idempotency-Key` is still being done");
        }
        if status.is_client_error() || status.is_server_error() {
            errors::complete(response, self.face, status);
        } else if self.takes_idempotency_key() {
            let header = errors::text("`true` if this is an earlier answer, given again.");
            response.headers.insert("Idempotency-Replayed".to_owned(), header.into());
        }
        add_header_references(response, self.face, status);
    }
}

fn add_header_references(response: &mut Response, face: Face, status: StatusCode) {
    let rates = RATE_HEADERS.into_iter().map(|(name, ..)| name);
    let is_counted = face == Face::Sessions || status != StatusCode::UNAUTHORIZED;
    for name in rates.filter(|_| is_counted).chain([REQUEST_ID]) {
        let reference = RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
        response.headers.insert(name.to_owned(), reference);
    }
}

/// Handlers are called after what they do: unique together with their file, which comes as the tag.
fn name(operation: &mut Operation) {
    let Some(file) = operation.tags.iter().flatten().next().cloned() else { return };
    if let Some(function) = &operation.operation_id {
        operation.operation_id = Some(format!("{}_{function}", file.replace("::", "_")));
    }
    let heading = HEADINGS.iter().find(|(_, _, files)| files.contains(&file.as_str()));
    operation.tags = Some(vec![heading.map_or(file, |(heading, ..)| (*heading).to_owned())]);
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, Vec::<String>::new())
}

fn idempotency_key() -> utoipa::openapi::path::Parameter {
    let key = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Any text that this request alone has: sent again with it, it is not done again."))
        .schema(Some(key.pattern(Some(r"^[!-~]([\t -~]*[!-~])?$"))))
        .build()
}

fn add_headers(components: &mut Components) {
    for (name, kind, description) in RATE_HEADERS {
        let schema = ObjectBuilder::new().schema_type(kind);
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
        components.headers.insert(name.to_owned(), header.into());
    }
    let header = errors::text("Names the request in the server's log.");
    components.headers.insert(REQUEST_ID.to_owned(), header.into());
    for (name, response) in &mut components.responses {
        let RefOr::T(response) = response else { continue };
        let face = if name.starts_with("Session") { Face::Sessions } else { Face::Credentials };
        let status = if name == "Unauthorized" { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        add_header_references(response, face, status);
    }
}

fn add_security(components: &mut Components) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, an OAuth access token, or a session's access token. An access token that is bound to a key comes as `DPoP` instead, with a proof in the header `DPoP` (RFC 9449)."));
    let session = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The `access_token` of a session; other credentials will not do."));
    let key = ApiKeyValue::with_description("X-API-Key", "An API key.");
    for (name, scheme) in [
        ("bearer", SecurityScheme::Http(bearer.build())),
        ("api_key", SecurityScheme::ApiKey(ApiKey::Header(key))),
        ("session", SecurityScheme::Http(session.build())),
    ] {
        components.security_schemes.insert(name.to_owned(), scheme.into());
    }
}
