//! Model Context Protocol, Authorization: what its clients rely on, all in one, and where it says more than the
//! standards that it is made of.

use countersign::app::config::Settings;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::oauth::client_metadata_document::World;
use crate::oauth::register::app;
use crate::oauth::register::client;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;
use crate::support::TestServer;
use crate::support::form_of;

const MCP: &str = "https://mcp.example/mcp";

fn with_mcp(settings: &mut Settings) {
    settings.resources = vec![MCP.to_owned()];
    settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

/// Below this server what a URL says.
fn path<'a>(server: &TestServer, url: &'a str) -> &'a str {
    url.strip_prefix(server.issuer()).unwrap_or_else(|| panic!("{url} is elsewhere"))
}

/// The client knows the API's address and its own, and nothing else.
#[tokio::test]
async fn a_client_that_nobody_registered_gets_from_the_api_to_a_token() {
    let World { server, browser, client, .. } = &World::new().await;

    let refused = server.get("/v1/profile").await;
    let pointer = refused.header("www-authenticate").unwrap().split('"').nth(1).unwrap();
    let api = server.get(path(server, pointer)).await.json;
    let resource = api["resource"].as_str().unwrap();
    let issuer = api["authorization_servers"][0].as_str().unwrap();
    let well_known = format!("{issuer}/.well-known/oauth-authorization-server");
    let metadata = server.get(path(server, &well_known)).await.json;
    let pkce = Pkce::default();
    let asked = [("resource", resource), ("scope", "read"), ("state", "of-mine")];
    let granted = client.ask(browser, &pkce, &asked).await.location_params();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &granted["code"]),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &pkce.verifier),
        ("resource", resource),
    ];
    let token_endpoint = metadata["token_endpoint"].as_str().unwrap();
    let tokens = client.post(server, path(server, token_endpoint), &form).await;
    let profile = server.get_as(&tokens.field("access_token"), "/v1/profile").await;

    assert_eq!(refused.status, 401);
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["authorization_endpoint"], format!("{issuer}/oauth/authorize"));
    assert_eq!((granted["iss"].as_str(), granted["state"].as_str()), (issuer, "of-mine"));
    assert_eq!(claims(&tokens.field("access_token"))["aud"], resource);
    assert_eq!((tokens.field("scope").as_str(), profile.status), ("read", 200));
}

#[tokio::test]
async fn a_resource_is_known_by_its_url_however_it_is_written() {
    let scene = Scene::with(with_mcp, |_| {}).await;
    let pkce = Pkce::default();

    let asked = [("resource", "HTTPS://MCP.Example/mcp")];
    let code =
        scene.client.ask(&scene.browser, &pkce, &asked).await.location_params().remove("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &pkce.verifier),
        ("resource", "https://MCP.EXAMPLE:443/mcp"),
    ];
    let tokens = scene.post_token(&form).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.field("refresh_token")),
        ("resource", "Https://mcp.example/mcp"),
    ];
    let refreshed = scene.post_token(&form).await;

    for answer in [tokens, refreshed] {
        let token = answer.field("access_token");
        assert_eq!(claims(&token)["aud"], MCP, "as the server writes it");
        let passed = scene.server.get_as(&token, &format!("/v1/auth/verify?resource={MCP}")).await;
        assert_eq!(passed.status, 200, "{}", passed.text);
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_not_read() {
    let scene = Scene::with(with_mcp, |_| {}).await;
    let changes = [("scope", "openid read")];
    let token = scene.tokens_with(&changes).await.field("access_token");
    let forwarded = scene
        .server
        .request("GET", "/v1/auth/verify")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-uri", format!("/mcp?access_token={token}"));

    let at_api = scene.server.get(&format!("/v1/profile?access_token={token}")).await;
    let at_userinfo = scene.server.get(&format!("/oauth/userinfo?access_token={token}")).await;
    let behind_proxy = Answer::of(forwarded).await;
    let in_header = scene.server.get_as(&token, "/v1/profile").await;

    for answer in [at_api, at_userinfo, behind_proxy] {
        assert_eq!(answer.status, 401, "{}", answer.text);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(!challenge.contains("error="), "as if nothing had been sent: {challenge}");
    }
    assert_eq!(in_header.status, 200);
}

/// Who has said yes trusts the address. Where any program on the person's machine could take the answer, that is asked
/// each time.
#[tokio::test]
async fn an_unverified_app_asks_each_person_before_it_sends_them_on() {
    let server = TestServer::start().await;
    let ada = server.browser_of(&server.user("ada").await).await;
    let bob = server.browser_of(&server.user("bob").await).await;

    for (uri, is_asked_again) in [(CALLBACK, false), ("http://127.0.0.1:7777/callback", true)] {
        let app = client(&server.register(&app(&json!({ "redirect_uris": [uri] }))).await);
        let path = app.authorize_path(&Pkce::default(), &[("redirect_uri", uri)]);

        let stranger = server.browser().get(&path).await;
        let first = ada.get(&path).await;
        let allowed = ada.send(&form_of(&first, "/oauth/authorize"), &[("decision", "approve")]).await;
        let again = ada.get(&path).await;
        let other = bob.get(&path).await;

        assert!(stranger.location().starts_with("/login?"), "{}", stranger.location());
        for page in [first, other] {
            assert_eq!(page.status, 200, "{uri}: {:?}", page.headers);
            assert!(page.text.contains("Not verified."), "{uri}: {}", page.text);
        }
        assert!(allowed.location().starts_with(uri), "{}", allowed.location());
        assert_eq!(again.status == 200, is_asked_again, "{uri}: {:?}", again.headers);
    }
}
