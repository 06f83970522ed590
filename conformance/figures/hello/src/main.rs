//! Answers as many bytes as the server does, to a GET and to a POST with a form, and does nothing else.

use std::collections::HashMap;

use axum::Form;
use axum::Router;
use axum::routing::get;

const GET_BYTES: usize = 374;
const POST_BYTES: usize = 666;

#[tokio::main]
async fn main() {
    let app = Router::new().route(
        "/",
        get(async || "x".repeat(GET_BYTES)).post(async |Form(_): Form<HashMap<String, String>>| "x".repeat(POST_BYTES)),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:18081").await.expect("port 18081 is free");
    axum::serve(listener, app).await.expect("serving ends with the process");
}
