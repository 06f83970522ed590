//! The server itself, as an operator runs it: the release build, everything on.

use std::fs::File;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::ensure;
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::machine;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
pub const ISSUER: &str = "https://auth.example.com";
pub const SECRET: &str = "a server secret of the bench, long enough";
/// The default.
pub const DATABASE_CONNECTIONS: usize = 10;

const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(40);

/// Killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    metrics: SocketAddr,
    /// From the start of the process to its first 200.
    pub started_in: Duration,
}

impl Server {
    /// Its log goes to a file in `folder`.
    pub async fn start(database_url: &str, folder: &Path) -> anyhow::Result<Self> {
        let (address, metrics) = (free_address()?, free_address()?);
        let log = folder.join(format!("server-{}.log", address.port()));
        let mut command = machine::measured(Path::new(PROGRAM));
        command.arg("serve").env_clear().stdout(Stdio::null()).stderr(File::create(&log)?);
        command.envs([
            ("PATH", std::env::var("PATH").unwrap_or_default().as_str()),
            ("DATABASE_URL", database_url),
            ("COUNTERSIGN_DATABASE_CONNECTIONS", &DATABASE_CONNECTIONS.to_string()),
            ("COUNTERSIGN_DATA_DIR", &folder.join("data").display().to_string()),
            ("COUNTERSIGN_SECRET", SECRET),
            ("COUNTERSIGN_ISSUER", ISSUER),
            ("COUNTERSIGN_LISTEN", &address.to_string()),
            ("COUNTERSIGN_METRICS_LISTEN", &metrics.to_string()),
            ("COUNTERSIGN_LOG", "info"),
            // The load generator speaks for many: those who log in come from as many networks.
            ("COUNTERSIGN_TRUSTED_PROXIES", "127.0.0.1"),
            ("COUNTERSIGN_SESSION_REQUESTS_PER_MINUTE", "1000000"),
        ]);
        let began = Instant::now();
        let child = command.spawn().context("starting the server")?;
        let mut server = Self { child, address, metrics, started_in: Duration::ZERO };
        let ready = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        while !is_ready(address, ready).await {
            let ended = server.child.try_wait()?;
            ensure!(ended.is_none() && began.elapsed() < START_WITHIN, "no server: see {}", log.display());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.started_in = began.elapsed();
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many entries of the access log it has written, and how many it has lost.
    pub async fn access_log(&self) -> anyhow::Result<[u64; 2]> {
        let mut connection = Connection::open(self.metrics).await?;
        let answer = connection.succeed(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let text = String::from_utf8_lossy(answer.body).into_owned();
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("_total "));
            line.and_then(|count| count.parse().ok()).with_context(|| format!("{name} is not in the metrics"))
        };
        Ok([of("countersign_access_log_written")?, of("countersign_access_log_dropped")?])
    }

    /// Waits until it has written what it had to write.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").arg(self.pid().to_string()).status()?;
        ensure!(asked.success(), "the server has ended before");
        let deadline = Instant::now() + STOP_WITHIN;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the server does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_ready(address: SocketAddr, request: &[u8]) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    connection.ask(request).await.is_ok_and(|answer| answer.is_success())
}

/// One that nobody listens on.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

pub async fn until_listening(address: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_WITHIN;
    while let Err(error) = TcpStream::connect(address).await {
        ensure!(Instant::now() < deadline, "nobody listens on {address}: {error}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
