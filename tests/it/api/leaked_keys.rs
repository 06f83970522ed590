//! `POST /leaked-keys`: whoever finds a key ends it.

use serde_json::json;

use crate::support::TestServer;

#[tokio::test]
async fn a_reported_key_is_dead_at_once_and_its_organization_can_read_why() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, key) = server.key(ada.organization, "read").await;
    let (_, other) = server.key(ada.organization, "read").await;

    let answer = server.post_json("/leaked-keys", &json!({ "keys": ["junk", key] })).await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.get_as(&key, "/v1/auth/test").await.status, 401);
    assert_eq!(server.get_as(&other, "/v1/auth/test").await.status, 200);
    let log = server.get_as(&admin, "/v1/audit-log?action=api_key.leaked").await;
    assert_eq!(log.json["data"][0]["target"]["id"], id.to_string());
    assert_eq!(log.json["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_told_of_what_is_no_key() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (id, revoked) = server.key(ada.organization, "read").await;
    server.revoke_key(ada.organization, id).await;
    let unknown = "sk_00000000000000000000000000000000000000000000AB";

    for keys in [json!([]), json!([revoked]), json!([unknown]), json!(["", "sk_", "\u{fc}"])] {
        let answer = server.post_json("/leaked-keys", &json!({ "keys": keys })).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{keys}");
    }
}

#[tokio::test]
async fn a_report_that_is_none_is_refused() {
    let server = TestServer::start().await;

    for (body, field) in [
        (json!({}), "keys"),
        (json!({ "keys": "sk_x" }), "keys"),
        (json!({ "keys": [1] }), "keys"),
        (json!({ "keys": vec!["x"; 101] }), "keys"),
        (json!({ "keys": [], "more": 1 }), "more"),
    ] {
        let answer = server.post_json("/leaked-keys", &body).await;
        assert_eq!((answer.status, &answer.json["error"]["field"]), (422, &json!(field)), "{body}");
    }
    assert_eq!(server.get("/leaked-keys").await.status, 405);
}
