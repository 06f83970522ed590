//! TLS without a proxy in front: HTTP/1.1 and HTTP/2, as the client prefers (ALPN, RFC 7301).
//!
//! A listener for `axum::serve`, so that serving and stopping are the same with and without TLS.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;

use anyhow::Context;
use anyhow::ensure;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::server::ClientHello;
use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::server::TlsStream;

use crate::gate::client_address::TlsPeer;

/// Whoever is slower keeps a connection that nobody can use.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How often the files are looked at; SIGHUP makes it at once.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Accepts connections and shakes hands, each by itself: nobody waits for somebody else's handshake.
pub(super) struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Shaken>>,
}

type Shaken = (TlsStream<TcpStream>, TlsPeer);

impl TlsListener {
    /// Fails if the files cannot be used; the error names them. Follows their changes from then on.
    pub(super) fn new(listener: TcpListener, chain: &Path, key: &Path) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificate = Arc::new(Certificate::open(chain, key, Arc::clone(&provider))?);
        Arc::clone(&certificate).follow()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), handshakes: JoinSet::new() })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = TlsPeer;

    async fn accept(&mut self) -> Shaken {
        loop {
            tokio::select! {
                (stream, peer) = Listener::accept(&mut self.listener) => {
                    let handshake = tokio::time::timeout(HANDSHAKE_PATIENCE, self.acceptor.accept(stream));
                    self.handshakes.spawn(async move {
                        // Strangers knock: what fails here is their affair, and not worth a line each.
                        Some((handshake.await.ok()?.ok()?, TlsPeer(peer)))
                    });
                }
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(shaken)) = ended {
                        return shaken;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<TlsPeer> {
        self.listener.local_addr().map(TlsPeer)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for TlsPeer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        *stream.remote_addr()
    }
}

/// The certificate in force.
#[derive(Debug)]
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificate {
    fn open(chain: &Path, key: &Path, provider: Arc<CryptoProvider>) -> anyhow::Result<Self> {
        let current = RwLock::new(Arc::new(read(chain, key, &provider)?));
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), provider, current })
    }

    /// A renewed certificate is used for the next connection. Files that cannot be used, because they are just being
    /// written, leave the old one in force.
    fn follow(self: Arc<Self>) -> anyhow::Result<()> {
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            let mut said = None;
            loop {
                tokio::select! {
                    _ = hang_up.recv() => said = None,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                let problem = self.reload().err().map(|error| format!("{error:#}"));
                if let Some(error) = &problem
                    && problem != said
                {
                    tracing::warn!(error, "the TLS certificate was not taken over; the old one stays");
                }
                said = problem;
            }
        });
        Ok(())
    }

    fn reload(&self) -> anyhow::Result<()> {
        let found = read(&self.chain, &self.key, &self.provider)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if found.cert != current.cert {
            *current = Arc::new(found);
            drop(current);
            tracing::info!("a new TLS certificate is in force");
        }
        Ok(())
    }
}

/// Whether the files can be used.
pub fn check(chain: &Path, key: &Path) -> anyhow::Result<()> {
    read(chain, key, &aws_lc_rs::default_provider()).map(|_| ())
}

fn read(chain: &Path, key: &Path, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let (chain_name, key_name) = (chain.display(), key.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .with_context(|| format!("the TLS certificate cannot be read from {chain_name}"))?;
    ensure!(!certificates.is_empty(), "{chain_name} holds no certificate");
    let private_key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("the TLS key cannot be read from {key_name}"))?;
    CertifiedKey::from_der(certificates, private_key, provider).with_context(|| {
        format!("the certificate in {chain_name} and the key in {key_name} cannot be used together")
    })
}
