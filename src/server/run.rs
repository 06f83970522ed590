//! `countersign serve`: from nothing to answering, and back.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::app::App;
use crate::app::config::Config;
use crate::base::clock::Clock;
use crate::server::database::Database;
use crate::server::demo;
use crate::server::demo::Demo;
use crate::server::router;
use crate::server::secret;
use crate::server::workers;

/// What a start has come to.
pub struct Started {
    pub address: SocketAddr,
    pub demo: Option<Demo>,
}

/// Serves until it is told to stop; `started` is called once, when requests are answered.
pub async fn serve(config: Config, started: impl FnOnce(&Config, &Started)) -> anyhow::Result<()> {
    // Heard from the first moment on: a start can take a while, and must be stoppable.
    let stop = stop_signal()?;
    let secret = secret::find_or_create(&config)?;
    let database = Database::open(&config).await?;
    let served = async {
        database.wait_until_reachable().await?;
        database.migrate().await?;
        let app = App::new(config, secret.clone(), database.pool.clone(), Clock::System).await?;
        let demo = if app.config.demo { Some(demo::seed(&app, &secret).await?) } else { None };
        let listen = &app.config.listen;
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        workers::start(&app);
        started(&app.config, &Started { address, demo });
        answer(&app, listener, stop).await
    };
    let result = served.await;
    database.close().await?;
    result
}

async fn answer(
    app: &App,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        tracing::info!("stopping: requests in flight may end");
        let _ = stopping.send(());
    });
    // A client that never ends its request must not keep us from stopping.
    let patience = Duration::from_secs(app.config.shutdown.num_seconds().unsigned_abs());
    let deadline = async {
        if stopped.await.is_ok() {
            tokio::time::sleep(patience).await;
        }
    };
    tokio::select! {
        result = serving => Ok(result?),
        () = deadline => {
            tracing::warn!("stopped before all requests had ended");
            Ok(())
        }
    }
}

/// Ends at the first SIGINT or SIGTERM.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
