//! When the document of a client is fetched, and what comes of it when it cannot be had.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use chrono::TimeDelta;
use countersign::app::client_documents::Unavailable;
use countersign::base::document;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::oauth::assert_refused;
use crate::oauth::assert_shown_as_page;
use crate::oauth::client_metadata_document::World;
use crate::oauth::client_metadata_document::assert_not_usable;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::Receiver;
use crate::support::TestServer;

/// What a server answers about a URL as a client.
async fn visit(server: &TestServer, url: &str) -> Answer {
    let client = OAuthClient { id: url.to_owned(), secret: None };
    server.get(&client.authorize_path(&Pkce::default(), &[])).await
}

#[tokio::test]
async fn only_a_proper_https_url_is_a_client() {
    let world = World::new().await;
    let authority = world.host.url.strip_prefix("http://").unwrap().strip_suffix("/hook").unwrap();

    for url in [
        "http://app.example/client.json",
        "http://192.168.0.1/client.json",
        "ftp://app.example/client.json",
        "https://app.example",
        "https://app.example?a=b",
        "https://",
        "https:///client.json",
        "https:app.example/client.json",
        "https://me@app.example/client.json",
        "https://app.example/client.json#x",
        "https://app.example\\client.json",
        " https://app.example/client.json",
        "https://app.example/cli ent.json",
        &format!("http://{authority}"),
        &format!("http://me@{authority}/hook"),
        &format!("http://{authority}/hook#x"),
        &format!("http://{authority}/./hook"),
        &format!("http://{authority}/a/../hook"),
        &format!("http://{authority}/a/%2e%2E/hook"),
        &format!("http://{authority}\\hook"),
        &format!("http://{authority}/{}", "x".repeat(2000)),
    ] {
        assert_shown_as_page(&visit(&world.server, url).await, url);
        let client = OAuthClient { id: url.to_owned(), secret: None };
        assert_refused(&client.refresh(&world.server, "x").await, 401, "invalid_client");
    }
    assert_eq!(world.fetches(), 0);
}

#[tokio::test]
async fn only_a_200_with_json_is_a_document() {
    let world = World::new().await;
    let good = world.document(&json!({})).to_string();

    for status in [201, 203, 204, 206, 301, 304, 400, 403, 404, 500, 503] {
        world.host.answer(status, good.as_bytes());
        world.host.add_header("content-type", "application/json");
        assert_not_usable(&world.visit().await, &format!("The answer had the status {status}, not 200"));
    }
    for content_type in ["text/plain", "text/html", "application/jsonp", "application/x-json", "json", ""] {
        world.host.answer(200, good.as_bytes());
        world.host.add_header("content-type", content_type);
        assert_not_usable(&world.visit().await, "The content type is not application/json");
    }
    for body in ["", "{", "[]", "null", "\"x\"", "{}{}", "<html>"] {
        world.host.answer(200, body.as_bytes());
        world.host.add_header("content-type", "application/json");
        assert_not_usable(&world.visit().await, "It is not a JSON object");
    }
    for content_type in ["application/json; charset=utf-8", "Application/JSON", "application/cimd+json"] {
        world.host.answer(200, good.as_bytes());
        world.host.add_header("content-type", content_type);
        world.host.add_header("cache-control", "max-age=300");
        assert_eq!(world.visit().await.status, 303, "{content_type}");
        world.server.clock.advance(TimeDelta::minutes(5));
    }
}

#[tokio::test]
async fn the_client_is_told_why_too() {
    let world = World::new().await;
    world.publish(&json!({ "client_id": "https://app.example/" }));

    let answer = world.client.refresh(&world.server, "x").await;

    assert_refused(&answer, 401, "invalid_client");
    assert_eq!(
        answer.json["error_description"],
        "The document of the client cannot be used: Its client_id is not its URL to the letter"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new().await;
    let other = Receiver::start().await;
    other.publish(&world.document(&json!({})), "max-age=600");
    world.host.redirect_to(&other.url);

    assert_not_usable(&world.visit().await, "The answer had the status 307, not 200");

    assert_eq!(other.received().len(), 0);
}

#[tokio::test]
async fn nothing_is_fetched_from_a_private_network() {
    let server = TestServer::start().await;
    let host = Receiver::start().await;
    let port = host.url.split([':', '/']).nth(4).unwrap();

    for url in [
        host.url.clone(),
        format!("https://127.0.0.1:{port}/hook"),
        format!("https://localhost:{port}/hook"),
        format!("https://[::1]:{port}/hook"),
        format!("https://[::ffff:127.0.0.1]:{port}/hook"),
        format!("https://2130706433:{port}/hook"),
        "https://10.0.0.1/client.json".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://app.example:22/client.json".to_owned(),
    ] {
        assert_shown_as_page(&visit(&server, &url).await, &url);
    }
    assert_eq!(host.received().len(), 0);
}

#[tokio::test]
async fn a_document_that_is_too_large_or_too_slow_is_refused() {
    let world = World::new().await;
    world.publish(&json!({ "x": "y".repeat(5 * 1024) }));
    assert_not_usable(&world.visit().await, "longer than 5120 bytes");

    let started = Instant::now();
    let huge = Arc::new(Pouring::start(Duration::ZERO).await);
    let slow = Pouring::start(Duration::from_millis(200)).await;
    assert_not_usable(&visit(&world.server, &huge.url).await, "longer than 5120 bytes");
    assert!(started.elapsed() < Duration::from_secs(5) && huge.poured() < 20_000_000, "{}", huge.poured());
    assert_not_usable(&visit(&world.server, &slow.url).await, "No answer came within 5 seconds");
    world.host.be_silent(true);
    assert_not_usable(&world.visit().await, "No answer came within 5 seconds");

    assert!(started.elapsed() < Duration::from_secs(15));
}

/// Says that it has a hundred megabytes, and pours them out.
struct Pouring {
    url: String,
    poured: Arc<std::sync::atomic::AtomicUsize>,
}

impl Pouring {
    /// `pause`: after each byte; none: as fast as they are taken.
    async fn start(pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/client.json", listener.local_addr().unwrap());
        let poured: Arc<std::sync::atomic::AtomicUsize> = Arc::default();
        let counter = Arc::clone(&poured);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n{";
                let _ = stream.write_all(head.as_bytes()).await;
                let chunk = if pause.is_zero() { [b' '; 8192].to_vec() } else { vec![b' '] };
                while stream.write_all(&chunk).await.is_ok() {
                    counter.fetch_add(chunk.len(), std::sync::atomic::Ordering::Relaxed);
                    tokio::time::sleep(pause).await;
                }
            }
        });
        Self { url, poured }
    }

    fn poured(&self) -> usize {
        self.poured.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_document_is_kept_as_long_as_its_headers_say_within_bounds() {
    for (cache_control, seconds) in [
        ("max-age=600", 600),
        ("max-age=1", 300),
        ("no-store", 300),
        ("no-cache", 300),
        ("max-age=8640000", 86_400),
        ("public", 3600),
    ] {
        let world = World::new().await;
        world.host.publish(&world.document(&json!({})), cache_control);
        assert_eq!(world.visit().await.status, 303);

        world.server.clock.advance(TimeDelta::seconds(seconds - 1));
        world.visit().await;
        let before = world.fetches();
        world.server.clock.advance(TimeDelta::seconds(1));
        world.visit().await;

        assert_eq!((before, world.fetches()), (1, 2), "{cache_control}");
    }
}

#[tokio::test]
async fn a_document_is_fetched_again_when_it_is_old() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    world.publish(&json!({ "client_name": "Port" }));
    world.let_it_age();

    let refreshed = world.client.refresh(&world.server, &tokens.field("refresh_token")).await;

    assert_eq!((refreshed.status, world.fetches()), (200, 2));
    assert!(world.browser.get("/settings/apps").await.text.contains("Port"));
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let world = World::new().await;

    for (status, body) in [(404, "{}"), (503, ""), (200, "{}"), (200, "<html>")] {
        world.host.answer(status, body.as_bytes());
        world.host.add_header("content-type", "application/json");
        world.host.add_header("cache-control", "max-age=86400");
        assert_shown_as_page(&world.visit().await, body);

        world.host.publish(&world.document(&json!({})), "no-store");
        assert_eq!(world.visit().await.status, 303, "{status} {body}");
        world.server.clock.advance(TimeDelta::minutes(5));
    }
}

#[tokio::test]
async fn a_document_that_was_good_serves_while_its_host_is_away() {
    let world = World::new().await;
    let mut refresh = world.tokens().await.field("refresh_token");
    world.let_it_age();
    let hour = async |refresh: &str| {
        world.server.clock.advance(TimeDelta::hours(1));
        world.client.refresh(&world.server, refresh).await
    };

    // It was away for a moment once; that does not count against it.
    world.host.answer(503, b"");
    refresh = hour(&refresh).await.field("refresh_token");
    world.publish(&json!({}));
    for _ in 0..30 {
        refresh = hour(&refresh).await.field("refresh_token");
    }
    world.host.answer(500, b"");
    for _ in 0..24 {
        refresh = hour(&refresh).await.field("refresh_token");
    }
    let refused = hour(&refresh).await;

    assert_refused(&refused, 401, "invalid_client");
    world.publish(&json!({}));
    assert_eq!(hour(&refresh).await.status, 200);
}

#[tokio::test]
async fn a_host_that_is_away_is_asked_once_a_minute() {
    let world = World::new().await;
    let refresh = world.tokens().await.field("refresh_token");
    world.let_it_age();
    world.host.answer(503, b"");

    let mut fetched = Vec::new();
    let mut refresh = refresh;
    for seconds in [0, 0, 59, 1, 0] {
        world.server.clock.advance(TimeDelta::seconds(seconds));
        refresh = world.client.refresh(&world.server, &refresh).await.field("refresh_token");
        fetched.push(world.fetches());
    }

    assert_eq!(fetched, [2, 2, 2, 3, 3]);
}

#[tokio::test]
async fn another_node_goes_by_what_the_document_said() {
    let world = World::new().await;
    let refresh = world.tokens().await.field("refresh_token");
    world.host.answer(503, b"");
    let other = world.server.second_node().await;

    let answer = world.client.refresh(&other, &refresh).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_document_that_is_gone_or_will_not_do_any_more_is_honoured() {
    let world = World::new().await;
    let mut refresh = world.tokens().await.field("refresh_token");

    for (status, body) in [(404, "{}"), (410, ""), (200, "{}"), (200, "<html>")] {
        world.let_it_age();
        world.host.answer(status, body.as_bytes());
        world.host.add_header("content-type", "application/json");
        let refused = world.client.refresh(&world.server, &refresh).await;
        assert_refused(&refused, 401, "invalid_client");
        assert_shown_as_page(&world.visit().await, body);

        world.publish(&json!({}));
        refresh = world.client.refresh(&world.server, &refresh).await.field("refresh_token");
    }
}

#[tokio::test]
async fn a_code_for_a_redirect_uri_that_was_taken_out_is_worth_nothing() {
    let world = World::new().await;
    world.host.publish(&world.document(&json!({})), "no-store");
    let pkce = Pkce::default();
    world.visit().await;
    world.server.clock.advance(TimeDelta::seconds(299));
    let code = world.client.code(&world.browser, &pkce).await;
    world.publish(&json!({ "redirect_uris": ["https://app.example/other"] }));
    world.server.clock.advance(TimeDelta::seconds(1));

    let answer = world.client.exchange(&world.server, &code, &pkce).await;

    assert_refused(&answer, 400, "invalid_grant");
    assert!(answer.text.contains("no longer has the redirect_uri"), "{}", answer.text);
}

#[tokio::test]
async fn one_fetch_serves_all_who_wait() {
    let world = World::new().await;
    world.host.be_silent(true);
    let documents = world.server.app.client_documents.clone();
    let ask = || {
        let (documents, url, now) = (documents.clone(), world.host.url.clone(), world.server.clock.now());
        tokio::spawn(async move { documents.get(&url, false, now).await })
    };
    let first = ask();
    world.host.wait_for(1).await;

    let others: Vec<_> = (0..20).map(|_| ask()).collect();
    first.abort();

    for other in others {
        let outcome = other.await.unwrap().map(|described| described.is_news);
        assert_eq!(outcome, Err(Unavailable::Document(document::Failure::TimedOut)));
    }
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn one_address_cannot_have_documents_fetched_without_end() {
    let world = World::with(|settings| settings.client_registrations_per_hour = 8, &json!({})).await;
    world.tokens().await;
    let unknown = async |at: usize| visit(&world.server, &format!("{}/{at}", world.host.url)).await;

    assert_shown_as_page(&unknown(1).await, "the second of this minute");
    let refused = unknown(2).await;

    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")), "{}", refused.text);
    assert_eq!(world.fetches(), 2);
    let client = OAuthClient { id: format!("{}/3", world.host.url), secret: None };
    assert_refused(&client.refresh(&world.server, "x").await, 429, "rate_limit_exceeded");
    let registering = world.server.register(&json!({ "redirect_uris": [CALLBACK] })).await;
    assert_refused(&registering, 429, "rate_limit_exceeded");
    world.let_it_age();
    assert_eq!(world.visit().await.status, 303, "one that is known does not count");
}

#[tokio::test]
async fn only_so_many_are_remembered() {
    let world = World::new().await;
    let documents = &world.server.app.client_documents;
    world.visit().await;
    world.server.clock.advance(TimeDelta::seconds(1));

    let mut fetched = Vec::new();
    for round in 0..2 {
        for at in 0..999 + round {
            let url = format!("nonsense {round} {at}");
            assert!(documents.get(&url, false, world.server.clock.now()).await.is_err());
        }
        world.visit().await;
        fetched.push(world.fetches());
        world.server.clock.advance(TimeDelta::seconds(1));
    }

    assert_eq!(fetched, [1, 2]);
}
