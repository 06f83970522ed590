//! `GET /openapi.json`: the document that describes `/v1` and `/api/auth`, made from the handlers themselves.
//!
//! A handler says in `#[utoipa::path]` what is its own: address, parameters, bodies, and the refusals that only it
//! gives. What holds for all of them stands once, in [`rules`].

mod errors;
mod rules;
mod schemas;

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::ServerBuilder;

use crate::api::access_log;
use crate::api::api_keys;
use crate::api::audit_log;
use crate::api::ip_allowlist;
use crate::app::App;
use crate::app::links::Links;

const DESCRIPTION: &str = include_str!("description.md");

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Countersign", description = DESCRIPTION),
    paths(
        api_keys::list,
        api_keys::create,
        api_keys::get,
        api_keys::update,
        api_keys::delete,
        api_keys::rotate,
        ip_allowlist::get,
        ip_allowlist::replace,
        access_log::list,
        audit_log::list,
    ),
    tags(
        (name = "api_keys", description = "API keys: static credentials of the organization"),
        (name = "ip_allowlist", description = "From where the organization's credentials may be used"),
        (name = "access_log", description = "Who asked what, and what came of it"),
        (name = "audit_log", description = "Who changed what that matters to security"),
    )
)]
struct Handlers;

/// Of every server: making it takes longer than sending it.
static HANDLERS: LazyLock<OpenApi> = LazyLock::new(|| {
    let mut document = Handlers::openapi();
    rules::apply(&mut document);
    document
});

/// The document of one server.
pub fn document(links: &Links) -> OpenApi {
    let mut document = HANDLERS.clone();
    document.servers = Some(vec![ServerBuilder::new().url(links.issuer()).build()]);
    document
}

pub async fn get(State(app): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(document(&app.config.links)))
}
