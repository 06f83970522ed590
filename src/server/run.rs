//! `countersign serve`: from nothing to answering, and back.

use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::app::App;
use crate::app::config::Config;
use crate::base::clock::Clock;
use crate::gate::client_address::TlsPeer;
use crate::server::access_log_writer;
use crate::server::announcements;
use crate::server::database::Database;
use crate::server::demo;
use crate::server::demo::Demo;
use crate::server::logouts;
use crate::server::metrics;
use crate::server::router;
use crate::server::secret;
use crate::server::tls::TlsListener;
use crate::server::webhooks;
use crate::server::workers;

/// The workers get this much though requests took all the time that a stop may take.
const LAST_WRITE: Duration = Duration::from_secs(1);

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
        // What cannot be served is found out before anything is said to be.
        let listening = match &app.config.tls {
            Some((chain, key)) => Listening::Tls(TlsListener::new(listener, chain, key)?),
            None => Listening::Plain(listener),
        };
        announcements::start(&app).await;
        workers::start(&app);
        let access_log = access_log_writer::start(&app);
        metrics::start(&app).await;
        let webhooks = webhooks::start(&app);
        let logouts = logouts::start(&app);
        started(&app.config, &Started { address, demo });
        let stopped_at = Arc::new(OnceLock::new());
        let stop = note(stop, stopped_at.clone());
        let answered = match listening {
            Listening::Tls(listener) => answer::<_, TlsPeer>(&app, listener, stop).await,
            Listening::Plain(listener) => answer::<_, SocketAddr>(&app, listener, stop).await,
        };
        let gone = stopped_at.get().map_or(Duration::ZERO, Instant::elapsed);
        let left = patience(&app.config).saturating_sub(gone).max(LAST_WRITE);
        tokio::join!(access_log.stop(left), webhooks.stop(left), logouts.stop(left));
        answered
    };
    let result = served.await;
    database.close().await?;
    result
}

/// For how long a stop may wait for requests that are in flight, and for what they leave to be written.
fn patience(config: &Config) -> Duration {
    Duration::from_secs(config.shutdown.num_seconds().unsigned_abs())
}

async fn note(stop: impl Future<Output = ()>, stopped_at: Arc<OnceLock<Instant>>) {
    stop.await;
    let _ = stopped_at.set(Instant::now());
}

enum Listening {
    Plain(TcpListener),
    Tls(TlsListener),
}

/// `P` is how requests are told whom they come from.
async fn answer<L, P>(
    app: &App,
    listener: L,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()>
where
    L: Listener,
    L::Addr: Debug,
    P: for<'a> Connected<IncomingStream<'a, L>>,
{
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = router(app.clone()).into_make_service_with_connect_info::<P>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        tracing::info!("stopping: requests in flight may end");
        let _ = stopping.send(());
    });
    // A client that never ends its request must not keep us from stopping.
    let patience = patience(&app.config);
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
