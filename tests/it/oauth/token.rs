//! `POST /oauth/token`

use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::TestServer;

#[tokio::test]
async fn a_code_buys_an_access_token_and_a_refresh_token() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = server.public_client(ada.organization).await;
    let browser = server.browser_of(&ada).await;
    let pkce = Pkce::default();
    let code = client.code(&browser, &pkce).await;

    let answer = client.exchange(&server, &code, &pkce).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json["token_type"], "Bearer");
    assert_eq!(answer.json["expires_in"], 600);
    assert_eq!(answer.json["scope"], "read write");
    let who = server.get_as(&answer.field("access_token"), "/v1/auth/test").await;
    assert_eq!(who.json["user"]["email"], "ada@example.com");
}

#[tokio::test]
async fn a_lost_answer_is_given_again_with_the_same_successor() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client: OAuthClient = server.public_client(ada.organization).await;
    let browser = server.browser_of(&ada).await;
    let first = client.tokens(&server, &browser).await.field("refresh_token");

    let lost = client.refresh(&server, &first).await;
    let retried = client.refresh(&server, &first).await;

    assert_eq!(retried.status, 200);
    assert_eq!(lost.field("refresh_token"), retried.field("refresh_token"));
    assert_ne!(lost.field("access_token"), retried.field("access_token"));
}
