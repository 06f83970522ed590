//! The keys that clients publish: when they are fetched, and when not.

use std::sync::Arc;

use chrono::TimeDelta;
use countersign::app::client_keys::Unavailable;
use countersign::base::document;
use countersign::base::outgoing;
use countersign::base::outgoing::Refusal;
use countersign::signing::foreign::key_set;
use countersign::signing::foreign::public_key;
use serde_json::Value;
use serde_json::json;

use crate::support::Receiver;
use crate::support::TestServer;

/// A server that may send to this machine, and somebody who publishes keys there.
async fn start() -> (TestServer, Receiver) {
    let server = TestServer::start_with(|settings| settings.outgoing_to_private = true).await;
    let publisher = Receiver::start().await;
    publisher.publish(&keys(), "max-age=600");
    (server, publisher)
}

fn keys() -> Value {
    json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a" },
    ] })
}

impl TestServer {
    /// What a request gets whose JWT names a key that is there, or one that is not.
    async fn keys_at(&self, uri: &str, is_there: bool) -> Result<(), Unavailable> {
        self.app.client_keys.at(uri, |_| is_there, self.clock.now()).await.map(|_| ())
    }
}

#[tokio::test]
async fn keys_are_remembered_for_as_long_as_their_publisher_says() {
    for (cache_control, seconds) in [
        ("max-age=600", 600),
        // Within bounds of this server.
        ("max-age=1", 60),
        ("no-store", 60),
        ("max-age=86400", 3600),
        // Nothing is said.
        ("public", 600),
    ] {
        let (server, publisher) = start().await;
        publisher.publish(&keys(), cache_control);
        server.keys_at(&publisher.url, true).await.unwrap();

        server.clock.advance(TimeDelta::seconds(seconds - 1));
        server.keys_at(&publisher.url, true).await.unwrap();
        let before = publisher.received().len();
        server.clock.advance(TimeDelta::seconds(1));
        server.keys_at(&publisher.url, true).await.unwrap();

        assert_eq!((before, publisher.received().len()), (1, 2), "{cache_control}");
    }
}

#[tokio::test]
async fn for_a_key_that_is_not_there_they_are_fetched_again_once_a_minute() {
    let (server, publisher) = start().await;

    let mut fetched = Vec::new();
    for seconds in [0, 0, 59, 1, 0] {
        server.clock.advance(TimeDelta::seconds(seconds));
        server.keys_at(&publisher.url, false).await.unwrap();
        fetched.push(publisher.received().len());
    }

    assert_eq!(fetched, [1, 1, 1, 2, 2]);
}

#[tokio::test]
async fn when_fetching_them_again_fails_the_old_keys_stay_as_long_as_they_may() {
    let (server, publisher) = start().await;
    server.keys_at(&publisher.url, true).await.unwrap();
    publisher.answer(503, b"");

    server.clock.advance(TimeDelta::seconds(599));
    server.keys_at(&publisher.url, false).await.unwrap();
    server.clock.advance(TimeDelta::seconds(1));
    let afterwards = server.keys_at(&publisher.url, true).await;

    assert_eq!(publisher.received().len(), 2);
    assert_eq!(afterwards, Err(document::Failure::Status(503).into()));
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_minute() {
    let (server, publisher) = start().await;
    let secret = json!({ "keys": [{ "kty": "oct", "k": "AA" }] });
    let long = json!({ "keys": [], "more": "x".repeat(key_set::MAX_LENGTH) });
    for (status, body, failure) in [
        (404, b"{}".to_vec(), document::Failure::Status(404).into()),
        (304, Vec::new(), document::Failure::Status(304).into()),
        (200, b"<html>".to_vec(), Unavailable::NotJson),
        (200, Vec::new(), Unavailable::NotJson),
        (200, b"{}".to_vec(), key_set::Refusal::NoSet.into()),
        (200, secret.to_string().into(), key_set::Refusal::Key(1, public_key::Refusal::Secret).into()),
        (200, long.to_string().into(), document::Failure::Cut(key_set::MAX_LENGTH).into()),
    ] {
        let before = publisher.received().len();
        publisher.answer(status, &body);
        for seconds in [0, 59] {
            server.clock.advance(TimeDelta::seconds(seconds));
            assert_eq!(server.keys_at(&publisher.url, true).await, Err(failure.clone()));
        }
        publisher.publish(&keys(), "max-age=1");
        server.clock.advance(TimeDelta::seconds(1));

        assert_eq!(server.keys_at(&publisher.url, true).await, Ok(()));
        assert_eq!(publisher.received().len() - before, 2, "{failure}");
        server.clock.advance(TimeDelta::minutes(1));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, publisher) = start().await;
    let other = Receiver::start().await;
    publisher.redirect_to(&other.url);

    let answer = server.keys_at(&publisher.url, true).await;

    assert_eq!(answer, Err(document::Failure::Status(307).into()));
    assert_eq!(other.received().len(), 0);
}

#[tokio::test]
async fn nobody_is_asked_at_an_address_that_is_not_public() {
    let server = TestServer::start().await;
    let publisher = Receiver::start().await;
    let port = publisher.url.split([':', '/']).nth(4).unwrap();

    for (uri, refusal) in [
        (publisher.url.clone(), Refusal::NotHttps),
        (format!("https://127.0.0.1:{port}/"), Refusal::NotPublic),
        (format!("https://localhost:{port}/"), Refusal::NotPublic),
        ("https://169.254.169.254/latest/meta-data".to_owned(), Refusal::NotPublic),
        ("file:///etc/passwd".to_owned(), Refusal::NotHttps),
    ] {
        let failure = document::Failure::Request(outgoing::Failure::Refused(refusal));
        assert_eq!(server.keys_at(&uri, true).await, Err(failure.into()), "{uri}");
    }
    assert_eq!(publisher.received().len(), 0);
}

#[tokio::test]
async fn requests_that_want_the_same_keys_have_them_fetched_once_even_if_one_hangs_up() {
    let (server, publisher) = start().await;
    publisher.be_silent(true);
    let server = Arc::new(server);
    let ask = || {
        let (server, uri) = (Arc::clone(&server), publisher.url.clone());
        tokio::spawn(async move { server.keys_at(&uri, true).await })
    };
    let first = ask();
    publisher.wait_for(1).await;

    let others: Vec<_> = (0..20).map(|_| ask()).collect();
    first.abort();

    for other in others {
        assert_eq!(other.await.unwrap(), Err(document::Failure::TimedOut.into()));
    }
    assert_eq!(publisher.received().len(), 1);
}

#[tokio::test]
async fn only_so_many_are_remembered() {
    let (server, publisher) = start().await;
    server.keys_at(&publisher.url, true).await.unwrap();
    server.clock.advance(TimeDelta::seconds(1));

    let mut fetched = Vec::new();
    for round in 0..2 {
        for at in 0..999 + round {
            server.keys_at(&format!("nonsense {round} {at}"), true).await.unwrap_err();
        }
        server.keys_at(&publisher.url, true).await.unwrap();
        fetched.push(publisher.received().len());
        server.clock.advance(TimeDelta::seconds(1));
    }

    assert_eq!(fetched, [1, 2]);
}
