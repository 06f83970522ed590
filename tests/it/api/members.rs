//! `/v1/organization/members`

use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;
use crate::support::TestUser;

const MEMBERS: &str = "/v1/organization/members";

fn path(user: &TestUser) -> String {
    format!("{MEMBERS}/{}", user.id)
}

async fn roles(server: &TestServer, credential: &str) -> Vec<(String, String)> {
    let answer = server.get_as(credential, MEMBERS).await;
    let data = answer.json["data"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    data.iter().map(|member| (text(&member["user"]["email"]), text(&member["role"]))).collect()
}

fn is(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(email, role)| (format!("{email}@example.com"), (*role).to_owned())).collect()
}

#[tokio::test]
async fn members_are_listed_by_page() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    server.colleague("mallory", eve.organization, Role::Member).await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let first = server.get_as(&admin, &format!("{MEMBERS}?limit=1")).await;
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let second = server.get_as(&admin, &format!("{MEMBERS}?limit=1&cursor={cursor}")).await;

    let member = |user: &TestUser, role: &str| {
        json!({
            "user": { "id": user.id, "email": user.email },
            "role": role,
            "since": "2030-01-01T00:00:00Z",
        })
    };
    assert_eq!(first.json, json!({ "data": [member(&ada, "owner")], "next_cursor": ada.id }));
    assert_eq!(second.json, json!({ "data": [member(&bob, "admin")], "next_cursor": null }));
}

#[tokio::test]
async fn an_admin_makes_admins_and_unmakes_them() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    let carol = server.colleague("carol", ada.organization, Role::Member).await;
    let session = server.session_of(&bob).await.access_token;

    for (role, old) in [("admin", "member"), ("member", "admin")] {
        let answer = server.send_json_as(&session, "PATCH", &path(&carol), &json!({ "role": role })).await;

        assert_eq!((answer.status, &answer.json["role"]), (200, &json!(role)));
        let recorded = server.audit_of(ada.organization, "member.role_changed").await;
        assert_eq!(recorded[0].target_id, carol.id);
        assert_eq!(recorded[0].before, Some(json!({ "role": old })));
        assert_eq!(recorded[0].after, Some(json!({ "role": role })));
    }
}

#[tokio::test]
async fn who_is_no_admin_any_more_cannot_act_as_one() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    let session = server.session_of(&bob).await.access_token;
    let (_, admin) = server.key(ada.organization, "admin").await;
    assert_eq!(server.get_as(&session, MEMBERS).await.status, 200);

    server.send_json_as(&admin, "PATCH", &path(&bob), &json!({ "role": "member" })).await;

    assert_eq!(server.get_as(&session, MEMBERS).await.status, 403);
}

#[tokio::test]
async fn nobody_becomes_or_stops_being_the_owner_by_a_change_of_role() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    let session = server.session_of(&bob).await.access_token;

    for role in ["owner", "", "Admin", "root", "admin\u{0}"] {
        let answer = server.send_json_as(&session, "PATCH", &path(&bob), &json!({ "role": role })).await;
        assert_eq!((answer.status, answer.error()), (422, "validation_error"), "{role:?}");
        assert_eq!(answer.json["error"]["field"], "role");
    }
    for (method, body) in [("PATCH", json!({ "role": "member" })), ("DELETE", json!({}))] {
        let answer = server.send_json_as(&session, method, &path(&ada), &body).await;
        assert_eq!((answer.status, answer.error()), (409, "conflict"), "{method}");
    }
    assert_eq!(roles(&server, &session).await, is(&[("ada", "owner"), ("bob", "admin")]));
}

#[tokio::test]
async fn a_removed_members_tokens_are_dead_at_once_and_their_keys_stay() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    let client = server.public_client(ada.organization).await;
    let browser = server.browser_of(&bob).await;
    let tokens = client.tokens(&server, &browser).await;
    let session = server.session_of(&bob).await;
    let new = json!({ "label": "made by bob", "scopes": ["read"] });
    let key = server.send_json_as(&session.access_token, "POST", "/v1/api-keys", &new).await.field("key");
    let (_, admin) = server.key(ada.organization, "admin").await;

    let answer = Answer::of(server.request("DELETE", &path(&bob)).bearer_auth(&admin)).await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.get_as(&session.access_token, "/v1/auth/test").await.status, 401);
    assert_eq!(server.refresh_session(&session.refresh_token).await.status, 401);
    assert_eq!(server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
    assert_eq!(client.refresh(&server, &tokens.field("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(server.get_as(&key, "/v1/auth/test").await.status, 200);
    assert_eq!(roles(&server, &admin).await, is(&[("ada", "owner")]));
}

#[tokio::test]
async fn only_the_owner_in_a_session_of_their_own_hands_the_organization_over() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    let to_bob = format!("{}/transfer-ownership", path(&bob));
    let (_, key) = server.key(ada.organization, "admin").await;
    let (of_ada, of_bob) = (server.session_of(&ada).await, server.session_of(&bob).await);

    for credential in [&key, &of_bob.access_token] {
        let answer = server.send_json_as(credential, "POST", &to_bob, &json!({})).await;
        assert_eq!((answer.status, answer.error()), (403, "forbidden"));
    }
    let answer = server.send_json_as(&of_ada.access_token, "POST", &to_bob, &json!({})).await;

    assert_eq!((answer.status, &answer.json["role"]), (200, &json!("owner")));
    assert_eq!(roles(&server, &key).await, is(&[("ada", "admin"), ("bob", "owner")]));
    let recorded = server.audit_of(ada.organization, "organization.ownership_transferred").await;
    let [entry] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(
        (&entry.before, &entry.after),
        (&Some(json!({ "owner": ada.id })), &Some(json!({ "owner": bob.id })))
    );
    let left = server.send_json_as(&of_ada.access_token, "POST", "/v1/organization/leave", &json!({})).await;
    assert_eq!(left.status, 204);
}

#[tokio::test]
async fn an_organization_is_not_handed_to_a_stranger_nor_to_its_owner() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let session = server.session_of(&ada).await.access_token;

    for (to, expected) in [(&eve, (404, "not_found")), (&ada, (409, "conflict"))] {
        let path = format!("{}/transfer-ownership", path(to));
        let answer = server.send_json_as(&session, "POST", &path, &json!({})).await;
        assert_eq!((answer.status, answer.error()), expected);
    }
    assert_eq!(roles(&server, &session).await, is(&[("ada", "owner")]));
}

#[tokio::test]
async fn handing_over_and_leaving_at_once_never_leaves_an_organization_without_its_owner() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let of_ada = server.session_of(&ada).await.access_token;

    for round in 0..8 {
        let bob = server.colleague(&format!("bob{round}"), ada.organization, Role::Member).await;
        let of_bob = server.session_of(&bob).await.access_token;
        let transfer = server.request("POST", &format!("{}/transfer-ownership", path(&bob)));
        let leave = server.request("POST", "/v1/organization/leave");
        let answers = Answer::of_all([transfer.bearer_auth(&of_ada), leave.bearer_auth(&of_bob)]).await;

        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        let owners = roles(&server, &admin).await.into_iter().filter(|(_, role)| role == "owner").count();
        assert_eq!(owners, 1, "{statuses:?}");
        match statuses[..] {
            [200, 409] => {
                let back = format!("{}/transfer-ownership", path(&ada));
                let answer = Answer::of(server.request("POST", &back).bearer_auth(&of_bob)).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
            }
            // The session may also end before the transfer looks.
            [404, 204] => {}
            _ => panic!("{statuses:?}"),
        }
    }
}

#[tokio::test]
async fn two_transfers_at_once_make_one_owner() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let carol = server.colleague("carol", ada.organization, Role::Member).await;
    let session = server.session_of(&ada).await.access_token;

    let requests = [&bob, &carol]
        .map(|to| server.request("POST", &format!("{}/transfer-ownership", path(to))).bearer_auth(&session));
    let mut statuses: Vec<_> = Answer::of_all(requests).await.iter().map(|answer| answer.status).collect();

    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    let owners = roles(&server, &session).await.into_iter().filter(|(_, role)| role == "owner").count();
    assert_eq!(owners, 1);
}
