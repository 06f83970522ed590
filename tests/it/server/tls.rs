//! TLS without a proxy in front.

use std::io::Write;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use rcgen::CertifiedKey;
use rcgen::KeyPair;
use reqwest::Version;

use crate::support::Answer;
use crate::support::Folder;
use crate::support::Program;
use crate::support::TestDatabase;
use crate::support::TestServer;

const CHAIN: &str = "chain.pem";
const KEY: &str = "key.pem";

/// Writes a new certificate of its own authority and its key; for this machine, and for `others`.
fn write_certificate(folder: &Folder, others: &[String]) -> String {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.extend_from_slice(others);
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    write(folder.path(), CHAIN, &cert.pem());
    write(folder.path(), KEY, &signing_key.serialize_pem());
    cert.pem()
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn program(database: &TestDatabase, folder: &Folder) -> Program {
    Program::beside(database, folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_TLS_CERTIFICATE", CHAIN)
        .with("COUNTERSIGN_TLS_KEY", KEY)
}

fn client(trusted: &str) -> reqwest::ClientBuilder {
    let certificate = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([certificate]).timeout(Duration::from_mins(1))
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_as_the_client_prefers() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let trusted = write_certificate(&folder, &[]);
    let mut running = program(&database, &folder).serve(&["serve"]);
    let url = running.url().await.replace("http://", "https://");

    let by_default = client(&trusted).build().unwrap().get(format!("{url}/livez")).send().await.unwrap();
    let older = client(&trusted).http1_only().build().unwrap();
    let older = older.get(format!("{url}/livez")).send().await.unwrap();

    assert_eq!((by_default.status().as_u16(), by_default.version()), (200, Version::HTTP_2));
    assert_eq!((older.status().as_u16(), older.version()), (200, Version::HTTP_11));
    running.signal("TERM");
    assert_eq!(running.end().await, Some(0), "{}", running.stderr());
}

/// RFC 7662 §4, RFC 8414 §6.1: TLS 1.2 at least; nothing older (RFC 9325 §3.1.1).
#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let trusted = write_certificate(&folder, &[]);
    let mut running = program(&database, &folder).serve(&["serve"]);
    let url = running.url().await.replace("http://", "https://");

    for version in [reqwest::tls::Version::TLS_1_2, reqwest::tls::Version::TLS_1_3] {
        let client = client(&trusted).tls_version_min(version).tls_version_max(version).build().unwrap();
        let answer = Answer::of(client.get(format!("{url}/livez"))).await;

        assert_eq!(answer.status, 200, "{version:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_slow_or_fails_keeps_nobody_waiting() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let trusted = write_certificate(&folder, &[]);
    let mut running = program(&database, &folder).serve(&["serve"]);
    let url = running.url().await;
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let mut strangers = Vec::new();
    for greeting in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", &[0; 1000]] {
        for _ in 0..10 {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(greeting).unwrap();
            strangers.push(stream);
        }
    }

    let started = Instant::now();
    let answer = Answer::of(client(&trusted).build().unwrap().get(format!("https://{address}/livez"))).await;

    assert_eq!(answer.status, 200);
    assert!(started.elapsed() < Duration::from_secs(8), "less than one silent stranger is given");
    assert!(reqwest::get(format!("{url}/livez")).await.is_err(), "plain HTTP is not answered");
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start_and_are_named() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    write_certificate(&folder, &[]);
    write(folder.path(), "other.pem", &KeyPair::generate().unwrap().serialize_pem());
    write(folder.path(), "empty.pem", "");
    write(folder.path(), "nonsense.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");

    for (variable, file) in [
        ("COUNTERSIGN_TLS_CERTIFICATE", "missing.pem"),
        ("COUNTERSIGN_TLS_CERTIFICATE", "empty.pem"),
        ("COUNTERSIGN_TLS_CERTIFICATE", KEY),
        ("COUNTERSIGN_TLS_KEY", "missing.pem"),
        ("COUNTERSIGN_TLS_KEY", "empty.pem"),
        ("COUNTERSIGN_TLS_KEY", "nonsense.pem"),
        ("COUNTERSIGN_TLS_KEY", "other.pem"),
        ("COUNTERSIGN_TLS_KEY", CHAIN),
    ] {
        let program = program(&database, &folder).with(variable, file);
        let outcome = program.run(&["serve"]).await;

        assert_eq!(outcome.code, Some(1), "{variable}={file}: {outcome:?}");
        assert!(outcome.stderr.contains(file), "{variable}={file}: {outcome:?}");
        let doctor = program.with("COUNTERSIGN_METRICS_LISTEN", "").run(&["doctor"]).await;
        let bad = doctor.stdout.lines().find(|line| line.starts_with("BAD   TLS"));
        assert!(bad.is_some_and(|line| line.contains(file)), "{variable}={file}: {doctor:?}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_over_and_a_broken_one_is_not() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let old = write_certificate(&folder, &[]);
    let mut running = program(&database, &folder).serve(&["serve"]);
    let url = running.url().await.replace("http://", "https://");
    let answers = async |trusted: &str| {
        client(trusted).build().unwrap().get(format!("{url}/livez")).send().await.is_ok()
    };
    let hang_up_until = async |said: &str| {
        running.signal("HUP");
        while !running.stderr().contains(said) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };

    write(folder.path(), CHAIN, "half a certificate");
    hang_up_until("the old one stays").await;
    assert!(answers(&old).await);
    let new = write_certificate(&folder, &[]);
    hang_up_until("a new TLS certificate is in force").await;

    assert!(answers(&new).await);
    assert!(!answers(&old).await, "the old one is no longer shown");
}

/// An address of this machine that is not loopback, if it has one. Nothing is sent.
fn address_from_afar() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then(|| ip.to_string())
}

#[tokio::test]
async fn a_request_over_it_is_secure_and_a_plain_one_from_the_same_address_is_not() {
    let Some(ip) = address_from_afar() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: this machine has no address but loopback");
        return;
    };
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let folder = Folder::new();
    let trusted = write_certificate(&folder, std::slice::from_ref(&ip));
    let listen = format!("{ip}:0");
    let tls = program(&server.database, &folder).with("COUNTERSIGN_LISTEN", &listen);
    let plain = Program::beside(&server.database, &folder).with("COUNTERSIGN_LISTEN", &listen);
    let (mut tls, mut plain) = (tls.serve(&["serve"]), plain.serve(&["serve"]));
    let ask = async |url: String| {
        let client = client(&trusted).no_proxy().build().unwrap();
        Answer::of(client.get(format!("{url}/v1/auth/test")).bearer_auth(&key)).await
    };

    let secure = ask(tls.url().await.replace("http://", "https://")).await;
    let insecure = ask(plain.url().await).await;

    assert_eq!(secure.status, 200, "{}", secure.text);
    assert_eq!((insecure.status, insecure.error()), (403, "insecure_connection"));
}

#[tokio::test]
async fn a_doctor_asks_for_no_proxy_where_tls_is_served() {
    let server = TestServer::start().await;
    let folder = Folder::new();
    write_certificate(&folder, &[]);

    let program = program(&server.database, &folder).with("COUNTERSIGN_ISSUER", "https://auth.example");
    let outcome = program.run(&["doctor"]).await;

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("ok    TLS: chain.pem can be used with its key"), "{outcome:?}");
}
