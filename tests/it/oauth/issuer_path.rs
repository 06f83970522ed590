//! A server whose issuer has a path, as behind a proxy that serves other things beside it.

use crate::oauth::claims;
use crate::oauth::metadata::own_urls;
use crate::support::CALLBACK;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::TestServer;
use crate::support::form_of;

const PATH: &str = "/tenants/one";

async fn server() -> TestServer {
    TestServer::start_with(|settings| settings.issuer.push_str(PATH)).await
}

#[tokio::test]
async fn the_metadata_is_at_every_place_where_clients_look() {
    let server = server().await;
    let expected = server.get(&format!("/.well-known/oauth-authorization-server{PATH}")).await;
    assert_eq!(expected.json["issuer"], server.issuer());

    for path in [
        format!("{PATH}/.well-known/oauth-authorization-server"),
        format!("/.well-known/openid-configuration{PATH}"),
        format!("{PATH}/.well-known/openid-configuration"),
    ] {
        let answer = server.get(&path).await;

        assert_eq!((answer.status, answer.json), (200, expected.json.clone()), "{path}");
    }
}

#[tokio::test]
async fn the_built_in_api_is_described_where_rfc_9728_puts_it() {
    let server = server().await;

    let answer = server.get(&format!("/.well-known/oauth-protected-resource{PATH}")).await;

    assert_eq!((answer.status, &answer.json["resource"]), (200, &server.issuer().into()));
}

#[tokio::test]
async fn every_url_in_the_metadata_is_under_the_path_and_answers() {
    let server = server().await;

    for well_known in ["oauth-authorization-server", "oauth-protected-resource"] {
        let document = server.get(&format!("/.well-known/{well_known}{PATH}")).await.json;
        for url in own_urls(&document, &server.url) {
            assert!(url.starts_with(server.issuer()), "{url}");
            let answer = server.get(url.strip_prefix(&server.url).unwrap()).await;

            assert_ne!(answer.status, 404, "{url}");
            assert!(answer.status < 500, "{url}");
        }
    }
}

#[tokio::test]
async fn a_caller_who_is_not_known_is_pointed_to_metadata_that_is_there() {
    let server = server().await;

    let answer = server.get(&format!("{PATH}/v1/auth/test")).await;

    let challenge = answer.header("www-authenticate").unwrap();
    let url = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(url, format!("{}/.well-known/oauth-protected-resource{PATH}", server.url));
    assert_eq!(server.get(url.strip_prefix(&server.url).unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_person_stays_under_the_path_from_the_request_to_the_code() {
    let server = server().await;
    let ada = server.user("ada").await;
    let client = server.public_client(ada.organization).await;
    let browser = server.browser();
    let pkce = Pkce::default();
    let is_inside =
        |target: &str| target.starts_with(&format!("{PATH}/")) || target.starts_with(server.issuer());

    let asked = browser.get(&format!("{PATH}{}", client.authorize_path(&pkce, &[]))).await;
    assert!(is_inside(asked.location()), "{}", asked.location());
    let login = browser.get(asked.location()).await;
    let form = form_of(&login, &format!("{PATH}/login"));
    let signed_in = browser.send(&form, &[("email", &ada.email), ("password", PASSWORD)]).await;
    assert!(is_inside(signed_in.location()), "{}", signed_in.location());
    let consent = browser.get(signed_in.location()).await;
    let form = form_of(&consent, &format!("{PATH}/oauth/authorize"));
    let granted = browser.send(&form, &[("decision", "approve")]).await;

    assert!(granted.location().starts_with(CALLBACK), "{}", granted.location());
    assert_eq!(granted.location_params()["iss"], server.issuer());
}

#[tokio::test]
async fn a_page_takes_its_style_and_links_from_under_the_path() {
    let server = server().await;

    for path in ["/login", "/register", "/oauth/authorize", "/errors"] {
        let page = server.get(&format!("{PATH}{path}")).await;
        for attribute in ["href=\"/", "src=\"/", "action=\"/"] {
            let mut targets = page.text.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap());

            let outside = targets.find(|target| !format!("/{target}").starts_with(PATH));
            assert_eq!(outside, None, "{path}: {attribute}");
        }
    }
}

#[tokio::test]
async fn the_token_endpoint_under_the_path_gives_tokens_of_the_whole_issuer() {
    let server = server().await;
    let ada = server.user("ada").await;
    let mut client = server.confidential_client(ada.organization).await;
    let form = [("grant_type", "client_credentials"), ("scope", "read")];

    let token = client.post(&server, &format!("{PATH}/oauth/token"), &form).await;

    let access_token = token.field("access_token");
    assert_eq!(claims(&access_token)["iss"], server.issuer());
    let who = server.get_as(&access_token, &format!("{PATH}/v1/auth/test")).await;
    assert_eq!(who.status, 200, "{}", who.text);
    client.secret = Some("cs_wrong".to_owned());
    let refused = client.post(&server, &format!("{PATH}/oauth/token"), &form).await;
    let error_uri = refused.json["error_uri"].as_str().unwrap().to_owned();
    assert!(error_uri.starts_with(server.issuer()), "{error_uri}");
    assert_eq!(server.get(error_uri.strip_prefix(&server.url).unwrap()).await.status, 200);
}
