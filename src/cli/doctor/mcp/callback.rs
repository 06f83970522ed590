//! Where the browser comes back to: a loopback port, open for as long as one answer takes (RFC 8252 §7.3).

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// For signing up, reading mail, and thinking about it.
const PATIENCE: Duration = Duration::from_mins(10);
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Countersign doctor</title>\
                    <p>The doctor has the answer. This page can be closed.";

pub(super) struct Callback {
    pub(super) redirect_uri: String,
    answers: mpsc::Receiver<String>,
}

impl Callback {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let redirect_uri = format!("http://127.0.0.1:{}/callback", listener.local_addr()?.port());
        let (sender, answers) = mpsc::channel(1);
        let answer = async move |uri: Uri| {
            // Only the first counts: a page that is loaded again says nothing new.
            let _ = sender.try_send(uri.query().unwrap_or_default().to_owned());
            Html(PAGE)
        };
        let router = Router::new().route("/callback", get(answer));
        // Ends with the program.
        tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { redirect_uri, answers })
    }

    /// The query of the answer; `None` if none came, or the person at the keyboard gave up.
    pub(super) async fn wait(&mut self) -> Option<String> {
        tokio::select! {
            answer = self.answers.recv() => answer,
            () = tokio::time::sleep(PATIENCE) => None,
            _ = tokio::signal::ctrl_c() => None,
        }
    }
}
