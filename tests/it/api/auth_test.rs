//! `GET /v1/auth/test`

use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn a_key_is_told_who_it_is() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (id, key) = server.key(ada.organization, "read write").await;

    let answer = server.get_as(&key, "/v1/auth/test").await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({
            "authenticated": true,
            "user": null,
            "client": null,
            "key": { "id": id, "label": "test" },
            "organization": { "id": ada.organization, "number": 1, "name": "ada Inc", "plan": "pro" },
            "scopes": ["read", "write"],
            "rate_limit": { "limit": 500, "remaining": 499, "reset": 1_893_456_060 },
        })
    );
}

#[tokio::test]
async fn an_app_is_told_for_whom_it_acts() {
    let server = TestServer::start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let client = server.public_client(ada.organization).await;
    let token = client.tokens(&server, &server.browser_of(&bob).await).await.field("access_token");

    let answer = server.get_as(&token, "/v1/auth/test").await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({
            "authenticated": true,
            "user": { "id": bob.id, "email": "bob@example.com" },
            "client": { "id": client.id, "name": "Test app" },
            "key": null,
            "organization": { "id": bob.organization, "number": 2, "name": "bob Inc", "plan": "pro" },
            "scopes": ["read", "write"],
            "rate_limit": { "limit": 500, "remaining": 499, "reset": 1_893_456_060 },
        })
    );
}

#[tokio::test]
async fn an_app_that_acts_for_itself_has_no_person() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let client = server.confidential_client(ada.organization).await;
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let token = client.post(&server, "/oauth/token", &form).await.field("access_token");

    let answer = server.get_as(&token, "/v1/auth/test").await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["user"], json!(null));
    assert_eq!(answer.json["client"], json!({ "id": client.id, "name": "Test app" }));
    assert_eq!(answer.json["scopes"], json!(["read"]));
}

#[tokio::test]
async fn a_session_may_what_the_persons_role_may() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let admin = server.colleague("bob", ada.organization, Role::Admin).await;
    let member = server.colleague("cyn", ada.organization, Role::Member).await;

    for (person, expected) in [
        (&ada, json!(["read", "write", "delete", "admin"])),
        (&admin, json!(["read", "write", "delete", "admin"])),
        (&member, json!(["read", "write", "delete"])),
    ] {
        let session = server.session_of(person).await.access_token;
        let answer = server.get_as(&session, "/v1/auth/test").await;

        assert_eq!(answer.json["user"], json!({ "id": person.id, "email": person.email }));
        assert_eq!(answer.json["scopes"], expected, "{}", person.email);
    }
}
