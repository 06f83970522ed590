//! `GET /docs`: the JSON interfaces for people to read and try, shown by Swagger UI from `/openapi.json`.
//!
//! The one page with scripts: they are inside the binary, and its policy lets no others run. Without them there is the
//! document itself.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use utoipa_swagger_ui::Config;

use crate::pages::error::PageError;
use crate::pages::page::Page;

const START: &str = include_str!("../../templates/assets/docs.js");
const STYLE: &str = include_str!("../../templates/assets/docs.css");

#[derive(Template)]
#[template(path = "pages/docs.html")]
pub struct Docs;

pub async fn get() -> Page<Docs> {
    Page::new(Docs).with_scripts()
}

/// What the page needs, and no more of what comes with Swagger UI.
pub async fn asset(Path(name): Path<String>) -> Result<Response, PageError> {
    match name.as_str() {
        "start.js" => Ok(file("text/javascript; charset=utf-8", START)),
        "docs.css" => Ok(file("text/css; charset=utf-8", STYLE)),
        "swagger-ui-bundle.js" => swagger_ui("text/javascript; charset=utf-8", &name),
        "swagger-ui.css" => swagger_ui("text/css; charset=utf-8", &name),
        _ => Err(PageError::not_found()),
    }
}

/// It is kept compressed, and every browser that can run it can read that.
fn swagger_ui(content_type: &'static str, name: &str) -> Result<Response, PageError> {
    let found = utoipa_swagger_ui::serve(name, Arc::new(Config::from("/openapi.json")));
    let found = found.map_err(|error| PageError::internal(anyhow::anyhow!("{name}: {error}")))?;
    let found = found.ok_or_else(PageError::not_found)?;
    let response = file(content_type, found.bytes);
    if found.gzpipped {
        return Ok(([(header::CONTENT_ENCODING, "gzip")], response).into_response());
    }
    Ok(response)
}

fn file(content_type: &'static str, content: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
