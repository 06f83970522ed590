//! Where answers may be sent: exactly where the client registered (RFC 9700 §4.1.3), save the port of a
//! loopback host (RFC 8252 §7.3).

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::assert_shown_as_page;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;

impl Scene {
    async fn registered(uris: &[&str]) -> Self {
        Self::with_client(|registration| {
            registration.redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        })
        .await
    }

    /// Asked by somebody who is not signed in: a good request leads to the sign-in.
    async fn ask_for(&self, redirect_uri: &str) -> Answer {
        let path = self.client.authorize_path(&Pkce::default(), &[("redirect_uri", redirect_uri)]);
        self.server.get(&path).await
    }

    async fn exchange_naming(&self, redirect_uri: &str, code: &str, pkce: &Pkce) -> Answer {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code), ("code_verifier", &pkce.verifier)];
        if !redirect_uri.is_empty() {
            form.push(("redirect_uri", redirect_uri));
        }
        self.post_token(&form).await
    }
}

#[tokio::test]
async fn what_is_not_registered_to_the_letter_is_shown_and_never_redirected_to() {
    let scene = Scene::new().await;

    for uri in [
        "https://app.example/callback/",
        "https://app.example/callback?",
        "https://app.example/callback?a=1",
        "https://app.example/callback#top",
        "https://app.example/callback%2F",
        "https://app.example/callback/../callback",
        "https://app.example/./callback",
        "https://app.example//callback",
        "https://app.example/%63allback",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "HTTPS://app.example/callback",
        "http://app.example/callback",
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "https://app.example./callback",
        "https://app.example",
        "https://app.example/",
        "https://app.example.evil.example/callback",
        "https://evil.example/callback",
        "https://app.example@evil.example/callback",
        "https://app.example:x@evil.example/callback",
        "https://evil.example\\@app.example/callback",
        "https://user@app.example/callback",
        "https://user:pass@app.example/callback",
        "https://\u{430}pp.example/callback",
        " https://app.example/callback",
        "https://app.example/callback ",
        "https://app.example/callback\r\nx: y",
        "https:/app.example/callback",
        "//app.example/callback",
        "/callback",
        "callback",
        "javascript:alert(1)",
        "data:text/html,hi",
        "http://127.0.0.1/callback",
        "*",
    ] {
        let answer = scene.ask_for(uri).await;

        assert_shown_as_page(&answer, uri);
        assert_eq!(answer.status, 400, "{uri}");
    }
}

#[tokio::test]
async fn the_page_shows_what_was_asked_and_what_is_registered() {
    let scene = Scene::registered(&[CALLBACK, "https://app.example/other"]).await;

    let answer = scene.ask_for("https://evil.example/<script>").await;

    assert_shown_as_page(&answer, "evil");
    assert!(answer.text.contains("https://evil.example/&#60;script&#62;"), "{}", answer.text);
    assert!(
        answer.text.contains(CALLBACK) && answer.text.contains("https://app.example/other"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("href=\"https://evil.example"), "{}", answer.text);
}

#[tokio::test]
async fn every_registered_uri_may_be_asked_for() {
    let uris =
        [CALLBACK, "https://app.example/callback?tenant=1", "com.example.app:/callback", "https://x.example"];
    let scene = Scene::registered(&uris).await;

    for uri in uris {
        let answer = scene.client.ask(&scene.browser, &Pkce::default(), &[("redirect_uri", uri)]).await;

        assert!(answer.location().starts_with(uri), "{uri}: {}", answer.location());
        assert!(answer.location_params().contains_key("code"), "{uri}");
    }
}

#[tokio::test]
async fn a_uri_keeps_its_own_query() {
    let uri = "https://app.example/callback?tenant=1&x=%20y";
    let scene = Scene::registered(&[uri]).await;

    let granted = scene.client.ask(&scene.browser, &Pkce::default(), &[("redirect_uri", uri)]).await;
    let changes = [("redirect_uri", uri), ("scope", "unknown")];
    let refused = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &changes)).await;

    assert!(granted.location().starts_with(&format!("{uri}&code=")), "{}", granted.location());
    assert!(refused.location().starts_with(&format!("{uri}&error=")), "{}", refused.location());
}

#[tokio::test]
async fn the_port_of_a_loopback_host_is_free() {
    let scene = Scene::registered(&[
        "http://127.0.0.1/cb",
        "http://localhost:3000/cb?x=1",
        "http://[::1]",
        "http://localhost",
    ])
    .await;

    for uri in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb",
        "http://127.0.0.1:1/cb",
        "http://localhost:3000/cb?x=1",
        "http://localhost:65535/cb?x=1",
        "http://localhost/cb?x=1",
        "http://[::1]",
        "http://[::1]:8080",
        "http://localhost:9999",
    ] {
        let answer = scene.ask_for(uri).await;

        assert_eq!(answer.status, 303, "{uri}: {}", answer.text);
        assert!(answer.location().starts_with("/login"), "{uri}: {}", answer.location());
    }
}

#[tokio::test]
async fn nothing_but_the_port_of_a_loopback_host_is_free() {
    let scene =
        Scene::registered(&["http://127.0.0.1/cb", "http://localhost/cb", "https://app.example/cb"]).await;

    for uri in [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/cb/",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004/cb#x",
        "http://127.0.0.1:51004",
        "http://127.0.0.2:51004/cb",
        "http://127.1:51004/cb",
        "http://2130706433/cb",
        "http://[::1]:51004/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://0.0.0.0:51004/cb",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:80:80/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost.evil.example/cb",
        "http://localhost:80@evil.example/cb",
        "http://localhost:80\\@evil.example/cb",
        "http://LOCALHOST:51004/cb",
        "http://user@localhost:51004/cb",
        "https://app.example:51004/cb",
    ] {
        let answer = scene.ask_for(uri).await;

        assert_shown_as_page(&answer, uri);
    }
}

#[tokio::test]
async fn a_code_sent_to_a_port_is_exchanged_for_that_port() {
    let scene = Scene::registered(&["http://127.0.0.1/cb"]).await;
    let (pkce, uri) = (Pkce::default(), "http://127.0.0.1:51004/cb");

    let granted = scene.client.ask(&scene.browser, &pkce, &[("redirect_uri", uri)]).await;
    let code = &granted.location_params()["code"];
    let for_the_registered = scene.exchange_naming("http://127.0.0.1/cb", code, &pkce).await;
    let for_the_asked = scene.exchange_naming(uri, code, &pkce).await;

    assert!(granted.location().starts_with(&format!("{uri}?")), "{}", granted.location());
    assert_refused(&for_the_registered, 400, "invalid_grant");
    assert_eq!(for_the_asked.status, 200, "{}", for_the_asked.text);
}

#[tokio::test]
async fn a_code_is_exchanged_only_for_the_uri_that_it_was_sent_to() {
    let other = "https://app.example/other";
    let scene = Scene::registered(&[CALLBACK, other]).await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;

    for (uri, error) in [
        (other, "invalid_grant"),
        ("https://evil.example/", "invalid_grant"),
        ("https://app.example/callback/", "invalid_grant"),
        ("https://APP.example/callback", "invalid_grant"),
        ("nonsense", "invalid_grant"),
        ("", "invalid_request"),
    ] {
        let answer = scene.exchange_naming(uri, &code, &pkce).await;

        assert_eq!((answer.status, answer.error()), (400, error), "{uri}: {}", answer.text);
    }
    assert_eq!(scene.exchange(&code, &pkce).await.status, 200, "none of it consumed the code");
}

#[tokio::test]
async fn the_only_registered_uri_need_not_be_named() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();

    let granted = scene.client.ask(&scene.browser, &pkce, &[("redirect_uri", "")]).await;
    let exchanged = scene.exchange_naming("", &granted.location_params()["code"], &pkce).await;

    assert!(granted.location().starts_with(&format!("{CALLBACK}?code=")), "{}", granted.location());
    assert_eq!(exchanged.status, 200, "{}", exchanged.text);
}

#[tokio::test]
async fn one_of_two_registered_uris_must_be_named() {
    let scene = Scene::registered(&[CALLBACK, "https://app.example/other"]).await;

    let answer = scene.ask_for("").await;

    assert_shown_as_page(&answer, "redirect_uri missing");
    assert_eq!(answer.status, 400);
}
