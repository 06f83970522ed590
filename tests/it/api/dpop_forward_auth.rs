//! Tokens that are bound to a key, at an API behind a proxy: the proof is for the URL that the caller called.

use countersign::app::config::Settings;

use crate::api::dpop::Scene;
use crate::api::dpop::assert_refused;
use crate::api::dpop::token;
use crate::support::Answer;

const PATH: &str = "/v1/auth/verify";
const API: &str = "https://api.example/v2/contacts";
const FILES: &str = "https://files.example:8443/api";

fn behind_a_proxy(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    settings.resources = vec![FILES.to_owned(), "urn:abstract".to_owned()];
}

impl Scene {
    async fn verify(&self, path: &str, token: &str, proof: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.server.request("GET", path).header("authorization", format!("DPoP {token}"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Answer::of(request.header("dpop", proof)).await
    }

    /// Whether a proof for `url` passes when the proxy says this.
    async fn passes(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> bool {
        let proof = self.prover.call(&self.server, (method, url), &self.token);
        let answer = self.verify(PATH, &self.token, &proof, headers).await;
        if answer.status != 200 {
            assert_refused(&answer, "DPoP", "invalid_dpop_proof");
        }
        answer.status == 200
    }
}

fn told<'a>(proto: &'a str, host: &'a str, uri: &'a str) -> [(&'static str, &'a str); 3] {
    [("x-forwarded-proto", proto), ("x-forwarded-host", host), ("x-forwarded-uri", uri)]
}

#[tokio::test]
async fn a_proof_is_for_the_url_that_was_called() {
    let scene = Scene::with(behind_a_proxy).await;
    let uri = "/v2/contacts?q=1";

    assert!(scene.passes("GET", API, &told("https", "api.example", uri)).await);
    assert!(scene.passes("GET", API, &told("https", "api.example:443", uri)).await);
    assert!(scene.passes("GET", API, &told("https", "evil.example, api.example", uri)).await);
    for (url, headers) in [
        ("https://api.example/v2/contact", told("https", "api.example", uri)),
        ("https://evil.example/v2/contacts", told("https", "api.example", uri)),
        (API, told("https", "other.example", uri)),
        (API, told("https", "api.example:8443", uri)),
        (API, told("https", "api.example", "/v2/contacts/7")),
        (API, told("https", "api.example@evil.example", uri)),
        (API, told("https", "", uri)),
    ] {
        assert!(!scene.passes("GET", url, &headers).await, "{url} {headers:?}");
    }
}

#[tokio::test]
async fn a_proof_is_for_the_method_that_was_called() {
    let scene = Scene::with(behind_a_proxy).await;
    let headers =
        [&told("https", "api.example", "/v2/contacts")[..], &[("x-forwarded-method", "HEAD")]].concat();

    assert!(scene.passes("HEAD", API, &headers).await);
    assert!(!scene.passes("GET", API, &headers).await);
}

/// Whoever can say which URL was called can use a proof for any.
#[tokio::test]
async fn where_nobody_who_is_trusted_says_what_was_called_nothing_is_proven() {
    let trusting = Scene::with(behind_a_proxy).await;
    let trusting_nobody = Scene::new().await;
    let headers = told("https", "api.example", "/v2/contacts");

    assert!(!trusting_nobody.passes("GET", API, &headers).await);
    assert!(!trusting_nobody.passes("GET", API, &[("host", "api.example"), headers[0], headers[2]]).await);
    assert!(!trusting.passes("GET", API, &headers[1..]).await, "no scheme");
    assert!(!trusting.passes("GET", API, &headers[..2]).await, "no path");
}

/// Without a word of another request this one is meant.
#[tokio::test]
async fn who_asks_for_itself_proves_it() {
    let scene = Scene::with(behind_a_proxy).await;
    let own = format!("{}{PATH}", scene.server.issuer());

    assert!(scene.passes("GET", &own, &[]).await);
    assert!(!scene.passes("GET", &own, &[("x-forwarded-uri", "/v2/contacts")]).await);
}

#[tokio::test]
async fn at_a_named_resource_its_own_host_counts_and_not_the_forwarded_one() {
    let scene = Scene::with(behind_a_proxy).await;
    let token = token(&scene.server, &scene.client, Some(&scene.prover), &[("resource", FILES)]).await;
    let ask = async |url: &str, host: &str| {
        let proof = scene.prover.call(&scene.server, ("GET", url), &token);
        let path = format!("{PATH}?resource={FILES}");
        scene.verify(&path, &token, &proof, &told("https", host, "/api/list?x")).await
    };

    let good = ask("https://files.example:8443/api/list", "files.example:8443").await;
    let whatever_is_forwarded = ask("https://files.example:8443/api/list", "evil.example").await;
    let elsewhere = ask("https://evil.example/api/list", "evil.example").await;

    assert_eq!((good.status, whatever_is_forwarded.status), (200, 200), "{}", good.text);
    assert_refused(&elsewhere, "DPoP", "invalid_dpop_proof");
    let challenge = elsewhere.header("www-authenticate").unwrap();
    let metadata = "https://files.example:8443/.well-known/oauth-protected-resource/api";
    assert!(challenge.contains(metadata), "{challenge}");
    let names_no_host = token_for_urn(&scene).await;
    assert_eq!(names_no_host.status, 200, "{}", names_no_host.text);
}

async fn token_for_urn(scene: &Scene) -> Answer {
    let token =
        token(&scene.server, &scene.client, Some(&scene.prover), &[("resource", "urn:abstract")]).await;
    let proof = scene.prover.call(&scene.server, ("GET", API), &token);
    let path = format!("{PATH}?resource=urn:abstract");
    scene.verify(&path, &token, &proof, &told("https", "api.example", "/v2/contacts")).await
}

#[tokio::test]
async fn behind_envoy_the_path_and_the_host_say_what_was_called() {
    let scene = Scene::with(behind_a_proxy).await;
    let ask = async |url: &str, headers: &[(&str, &str)]| {
        let proof = scene.prover.call(&scene.server, ("GET", url), &scene.token);
        scene.verify(&format!("{PATH}/v2/contacts?q=1"), &scene.token, &proof, headers).await
    };
    let envoy = [("host", "api.example"), ("x-forwarded-proto", "https")];

    assert_eq!(ask(API, &envoy).await.status, 200);
    assert_refused(&ask("https://evil.example/v2/contacts", &envoy).await, "DPoP", "invalid_dpop_proof");
    assert_refused(&ask(API, &[("host", "evil.example"), envoy[1]]).await, "DPoP", "invalid_dpop_proof");
    let forged = [envoy[0], envoy[1], ("x-forwarded-uri", "/v2/other")];
    assert_eq!(ask(API, &forged).await.status, 200, "that header is the caller's");
}

#[tokio::test]
async fn a_proxy_is_told_the_nonce_for_its_caller() {
    let scene = Scene::with(|settings| {
        behind_a_proxy(settings);
        "everywhere".clone_into(&mut settings.dpop_nonces);
    })
    .await;
    let headers = told("https", "api.example", "/v2/contacts");

    let proof = scene.prover.call(&scene.server, ("GET", API), &scene.token);
    let without = scene.verify(&format!("{PATH}?status=403"), &scene.token, &proof, &headers).await;

    assert_eq!((without.status, without.header("x-auth-status")), (403, Some("401")));
    assert!(without.header("dpop-nonce").is_some());
    assert!(without.header("www-authenticate").unwrap().contains("error=\"use_dpop_nonce\""));
}

#[tokio::test]
async fn a_proof_counts_once_behind_a_proxy_too() {
    let scene = Scene::with(behind_a_proxy).await;
    let headers = told("https", "api.example", "/v2/contacts");
    let proof = scene.prover.call(&scene.server, ("GET", API), &scene.token);

    let first = scene.verify(PATH, &scene.token, &proof, &headers).await;
    let again = scene.verify(PATH, &scene.token, &proof, &headers).await;

    assert_eq!(first.status, 200, "{}", first.text);
    assert_refused(&again, "DPoP", "invalid_dpop_proof");
}
