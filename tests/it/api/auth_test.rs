//! `GET /v1/auth/test`

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
