//! Between a server and PostgreSQL: counts how often the one waits for the other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::postgres::Postgres;

/// `ReadyForQuery`: PostgreSQL has done all that it was asked for and waits.
const READY: u8 = b'Z';
/// Kind and length of a message; the length counts itself, not the kind.
const HEADER: usize = 5;

/// Ends when dropped.
pub struct RoundTrips {
    address: SocketAddr,
    count: Arc<AtomicU64>,
    passing: JoinHandle<()>,
}

impl RoundTrips {
    pub async fn start(postgres: &Postgres) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let socket = PathBuf::from(postgres.socket()).join(".s.PGSQL.5432");
        let count = Arc::new(AtomicU64::default());
        let passing = tokio::spawn(pass(listener, socket, Arc::clone(&count)));
        Ok(Self { address, count, passing })
    }

    /// For a server that is to be counted.
    pub fn url(&self) -> String {
        format!("postgres://countersign@{}/countersign?sslmode=disable", self.address)
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for RoundTrips {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

async fn pass(listener: TcpListener, socket: PathBuf, count: Arc<AtomicU64>) {
    while let Ok((server, _)) = listener.accept().await {
        let Ok(postgres) = UnixStream::connect(&socket).await else { return };
        tokio::spawn(pass_one(server, postgres, Arc::clone(&count)));
    }
}

async fn pass_one(server: TcpStream, postgres: UnixStream, count: Arc<AtomicU64>) -> std::io::Result<()> {
    server.set_nodelay(true)?;
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_postgres, mut to_postgres) = postgres.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_postgres).await });
    let mut buffer = vec![0; 64 * 1024];
    let mut messages = Messages::default();
    loop {
        let read = from_postgres.read(&mut buffer).await?;
        if read == 0 {
            asking.abort();
            return Ok(());
        }
        count.fetch_add(messages.count_ready(&buffer[..read]), Ordering::Relaxed);
        to_server.write_all(&buffer[..read]).await?;
    }
}

/// Where in the stream of messages one is.
#[derive(Default)]
struct Messages {
    header: Vec<u8>,
    /// Of the body of the message that has begun.
    left: usize,
}

impl Messages {
    fn count_ready(&mut self, mut bytes: &[u8]) -> u64 {
        let mut ready = 0;
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (HEADER - self.header.len()).min(bytes.len());
            if self.left > 0 || wanted == 0 {
                continue;
            }
            self.header.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if let [kind, length @ ..] = &self.header[..]
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                ready += u64::from(*kind == READY);
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or_default().saturating_sub(4);
                self.header.clear();
            }
        }
        ready
    }
}
