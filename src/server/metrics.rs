//! `GET /metrics`, on a listener of its own: what is counted here is for the operator, not for callers.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::app::App;
use crate::app::metrics;

/// An address that cannot be had is only said: metrics are not worth an outage, and whoever collects them will miss
/// them.
pub(super) async fn start(app: &App) {
    let Some(listen) = &app.config.metrics_listen else { return };
    let bound = async {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        std::io::Result::Ok((listener, address))
    };
    match bound.await {
        Ok((listener, address)) => {
            tracing::info!(metrics = %address, "metrics are served");
            tokio::spawn(axum::serve(listener, router(app.clone())).into_future());
        }
        Err(error) => tracing::warn!(%error, "there are no metrics: cannot listen on {listen}"),
    }
}

fn router(app: App) -> Router {
    Router::new().route("/metrics", get(show)).with_state(app)
}

async fn show(State(app): State<App>) -> Response {
    match app.metrics.to_text() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
