//! `/v1/grants`

use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::Answer;
use crate::support::Pkce;
use crate::support::TestServer;

#[tokio::test]
async fn an_admin_sees_the_consents_of_the_organization() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let client = server.public_client(ada.organization).await;
    client.tokens(&server, &server.browser_of(&bob).await).await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let answer = server.get_as(&admin, "/v1/grants").await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.json,
        json!({
            "data": [{
                "id": answer.json["data"][0]["id"],
                "client": { "id": client.id, "name": "Test app" },
                "user": { "id": bob.id, "email": "bob@example.com" },
                "organization": ada.organization,
                "scopes": ["read", "write"],
                "resources": [],
                "parent": null,
                "label": null,
                "created_at": "2030-01-01T00:00:00Z",
                "last_used_at": answer.json["data"][0]["last_used_at"],
            }],
            "next_cursor": null,
        })
    );
}

#[tokio::test]
async fn deleting_a_grant_kills_access_and_refresh_token_at_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = server.public_client(ada.organization).await;
    let tokens = client.tokens(&server, &server.browser_of(&ada).await).await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let id = server.get_as(&admin, "/v1/grants").await.json["data"][0]["id"].as_str().unwrap().to_owned();

    let answer = Answer::of(server.request("DELETE", &format!("/v1/grants/{id}")).bearer_auth(&admin)).await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
    assert_eq!(client.refresh(&server, &tokens.field("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(server.get_as(&admin, "/v1/grants").await.json["data"], json!([]));
}

#[tokio::test]
async fn deleting_a_grant_kills_a_code_that_was_not_exchanged_yet() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = server.public_client(ada.organization).await;
    let pkce = Pkce::default();
    let code = client.code(&server.browser_of(&ada).await, &pkce).await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let id = server.get_as(&admin, "/v1/grants").await.json["data"][0]["id"].as_str().unwrap().to_owned();

    Answer::of(server.request("DELETE", &format!("/v1/grants/{id}")).bearer_auth(&admin)).await;

    assert_eq!(client.exchange(&server, &code, &pkce).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_members_session_sees_and_ends_its_own_grants_only() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let client = server.public_client(ada.organization).await;
    let of_ada = client.tokens(&server, &server.browser_of(&ada).await).await.field("access_token");
    let of_bob = client.tokens(&server, &server.browser_of(&bob).await).await.field("access_token");
    let (_, admin) = server.key(ada.organization, "admin").await;
    let all = server.get_as(&admin, "/v1/grants").await.json["data"].clone();
    let adas = all.as_array().unwrap().iter().find(|grant| grant["user"]["id"] == ada.id.as_str()).unwrap();
    let session = server.session_of(&bob).await.access_token;

    let own = server.get_as(&session, "/v1/grants").await.json["data"].clone();
    let foreign = format!("/v1/grants/{}", adas["id"].as_str().unwrap());
    let refused = Answer::of(server.request("DELETE", &foreign).bearer_auth(&session)).await;
    let own_path = format!("/v1/grants/{}", own[0]["id"].as_str().unwrap());
    let ended = Answer::of(server.request("DELETE", &own_path).bearer_auth(&session)).await;

    assert_eq!(own.as_array().unwrap().len(), 1);
    assert_eq!(own[0]["user"]["email"], "bob@example.com");
    assert_eq!((refused.status, refused.error()), (404, "not_found"));
    assert_eq!(ended.status, 204);
    assert_eq!(server.get_as(&of_ada, "/v1/auth/test").await.status, 200);
    assert_eq!(server.get_as(&of_bob, "/v1/auth/test").await.status, 401);
}

/// Contract §1: no credential of one organization can see another.
#[tokio::test]
async fn a_session_in_one_organization_sees_no_grants_in_another() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let eve = server.user("eve").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let browser = server.browser_of(&bob).await;
    let session = server.session_of(&bob).await.access_token;
    server.join(&bob, eve.organization, Role::Member).await;
    let client = server.public_client(eve.organization).await;
    let page = browser.get(&client.authorize_path(&Pkce::default(), &[])).await;
    let form = crate::support::form_of(&page, "/oauth/authorize");
    let elsewhere = eve.organization.to_string();
    let asked = browser.send(&form, &[("decision", "approve"), ("organization", &elsewhere)]).await;
    assert!(asked.location_params().contains_key("code"), "{}", asked.location());
    let (_, admin) = server.key(eve.organization, "admin").await;
    let there = server.get_as(&admin, "/v1/grants").await.json["data"][0]["id"].as_str().unwrap().to_owned();

    let seen = server.get_as(&session, "/v1/grants").await;
    let ended =
        Answer::of(server.request("DELETE", &format!("/v1/grants/{there}")).bearer_auth(&session)).await;

    assert_eq!(seen.json["data"], json!([]));
    assert_eq!((ended.status, ended.error()), (404, "not_found"));
}

#[tokio::test]
async fn an_app_cannot_see_the_persons_grants() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = server.public_client(ada.organization).await;
    let token = client.tokens(&server, &server.browser_of(&ada).await).await.field("access_token");

    let answer = server.get_as(&token, "/v1/grants").await;

    assert_eq!((answer.status, answer.error()), (403, "forbidden"));
}
