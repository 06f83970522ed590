//! A server that does nothing: the yardstick. It answers as many bytes as the path beside which it is measured.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Child;

use anyhow::Context;
use axum::Form;
use axum::Router;
use axum::routing::get;

use crate::connection::Answer;
use crate::connection::Connection;
use crate::machine;
use crate::server;

/// By which the bench's own program knows that it is to be this server.
pub const ARGUMENT: &str = "--hello";

/// Status line, type, length and date, and the name of the header that makes up for all others.
const OWN_HEAD: usize = 136;

/// Ended when dropped.
pub struct Hello {
    child: Child,
    pub address: SocketAddr,
}

impl Hello {
    /// With answers as long as `like`, at the path that `request` asks for.
    pub async fn start(request: &[u8], like: Answer<'_>) -> anyhow::Result<Self> {
        let target = request.split(|byte| *byte == b' ').nth(1).context("a request has a target")?;
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let address = server::free_address()?;
        let mut command = machine::measured(&std::env::current_exe()?);
        command.arg(ARGUMENT).arg(address.to_string()).arg(std::str::from_utf8(path)?);
        command.arg(like.head.len().saturating_sub(OWN_HEAD).to_string()).arg(like.body.len().to_string());
        let hello = Self { child: command.spawn().context("starting the hello-world server")?, address };
        server::until_listening(address).await?;
        Connection::open(address).await?.succeed(request).await?;
        Ok(hello)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child itself: address, path, length of the header that fills up, length of the body.
pub fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [address, path, filler, body] = arguments else { anyhow::bail!("{ARGUMENT} takes four arguments") };
    let (filler, body): (usize, usize) = (filler.parse()?, body.parse()?);
    let answer = move || ([("x-filler", "x".repeat(filler))], "x".repeat(body));
    let handlers =
        get(async move || answer()).post(async move |Form(_): Form<HashMap<String, String>>| answer());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        axum::serve(listener, Router::new().route(path, handlers)).await?;
        Ok(())
    })
}
