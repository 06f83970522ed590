//! `GET /v1/profile`

use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn a_session_is_told_person_organization_and_plan() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "starter").await;
    let session = server.session_of(&ada).await.access_token;

    let answer = server.get_as(&session, "/v1/profile").await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({
            "user": { "id": ada.id, "email": "ada@example.com" },
            "client": null,
            "key": null,
            "organization": { "id": ada.organization, "number": 1, "name": "ada Inc", "plan": "starter" },
            "plan": {
                "name": "starter",
                "requests_per_hour": 500,
                "requests_per_minute": 50,
                "oauth_apps": false,
                "ip_allowlist": false,
            },
            "scopes": ["read", "write", "delete", "admin"],
        })
    );
}

#[tokio::test]
async fn a_key_has_no_person_unless_one_made_it() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (id, key) = server.key(ada.organization, "admin").await;

    let answer = server.get_as(&key, "/v1/profile").await;

    assert_eq!(answer.json["user"], json!(null));
    assert_eq!(answer.json["key"], json!({ "id": id, "label": "test" }));
    assert_eq!(answer.json["organization"]["id"], ada.organization.to_string());
}
