//! `/v1/organization`

use countersign::organizations::amendment;
use countersign::organizations::member::Role;
use countersign::organizations::organization::OwnLimits;
use countersign::scopes::Scopes;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const ORGANIZATION: &str = "/v1/organization";

#[tokio::test]
async fn it_tells_plan_limits_overrides_and_credits() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    server.colleague("bob", ada.organization, Role::Member).await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let limits = OwnLimits { requests_per_hour: Some(7), requests_per_minute: None };
    let mut tx = server.app.db.begin().await.unwrap();
    assert!(amendment::set_own_limits(&mut tx, ada.organization, limits, &server.act()).await.unwrap());
    tx.commit().await.unwrap();
    server.hear().await;

    let answer = server.get_as(&admin, ORGANIZATION).await;

    assert_eq!(answer.status, 200);
    let expected = json!({
        "id": ada.organization,
        "number": answer.json["number"],
        "name": "ada Inc",
        "plan": {
            "name": "pro",
            "requests_per_hour": 7,
            "requests_per_minute": 500,
            "oauth_apps": true,
            "ip_allowlist": true,
        },
        "overrides": { "requests_per_hour": 7, "requests_per_minute": null },
        "credits": { "balance_cents": 500, "exhausted_at": null },
        "member_count": 2,
        "created_at": "2030-01-01T00:00:00Z",
    });
    assert_eq!(answer.json, expected);
    assert!(answer.json["number"].is_i64());
}

#[tokio::test]
async fn it_is_renamed_and_the_change_recorded_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (key, admin) = server.key(ada.organization, "admin").await;

    for _ in 0..2 {
        let body = json!({ "name": "  Zoë & Söhne 株式会社 " });
        let answer = server.send_json_as(&admin, "PUT", ORGANIZATION, &body).await;
        assert_eq!((answer.status, &answer.json["name"]), (200, &json!("Zoë & Söhne 株式会社")));
    }

    let recorded = server.audit_of(ada.organization, "organization.updated").await;
    let [entry] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(entry.actor_id.as_deref(), Some(key.to_string().as_str()));
    assert_eq!(entry.before, Some(json!({ "name": "ada Inc" })));
    assert_eq!(entry.after, Some(json!({ "name": "Zoë & Söhne 株式会社" })));
}

#[tokio::test]
async fn a_name_that_would_mislead_is_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for name in ["", "  ", "Acme\u{202e}knaB", "a\nBcc: x", "Ac\u{200b}me", &"x".repeat(101), "a\0b"] {
        let answer = server.send_json_as(&admin, "PUT", ORGANIZATION, &json!({ "name": name })).await;

        assert_eq!((answer.status, answer.error()), (422, "validation_error"), "{name:?}");
        assert_eq!(answer.json["error"]["field"], "name");
    }
    for body in
        [json!({}), json!({ "name": 1 }), json!({ "name": null }), json!({ "name": "x", "plan": "pro" })]
    {
        let answer = server.send_json_as(&admin, "PUT", ORGANIZATION, &body).await;
        assert_eq!((answer.status, answer.error()), (422, "validation_error"), "{body}");
    }
    assert_eq!(server.get_as(&admin, ORGANIZATION).await.json["name"], "ada Inc");
}

#[tokio::test]
async fn a_member_leaves_and_every_credential_they_had_there_is_dead_at_once() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let bob = server.colleague("bob", ada.organization, Role::Member).await;
    let client = server.public_client(ada.organization).await;
    let tokens = client.tokens(&server, &server.browser_of(&bob).await).await;
    let session = server.session_of(&bob).await;
    server.join(&bob, eve.organization, Role::Member).await;

    let answer =
        server.send_json_as(&session.access_token, "POST", "/v1/organization/leave", &json!({})).await;

    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(server.get_as(&session.access_token, "/v1/auth/test").await.status, 401);
    assert_eq!(server.refresh_session(&session.refresh_token).await.status, 401);
    assert_eq!(server.get_as(&tokens.field("access_token"), "/v1/auth/test").await.status, 401);
    assert_eq!(client.refresh(&server, &tokens.field("refresh_token")).await.error(), "invalid_grant");
    let login = server.log_in(&bob.email, crate::support::PASSWORD).await;
    assert_eq!(login.status, 200, "bob still belongs to eve's: {}", login.text);
    let [removed] = &server.audit_of(ada.organization, "member.removed").await[..] else { panic!() };
    assert_eq!(removed.actor_id.as_deref(), Some(bob.id.as_str()));
    assert_eq!((&removed.before, &removed.after), (&Some(json!({ "role": "member" })), &None));
    assert_eq!(server.audit_of(ada.organization, "grant.revoked").await.len(), 1);
}

#[tokio::test]
async fn the_owner_cannot_leave() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await.access_token;

    let answer = server.send_json_as(&session, "POST", "/v1/organization/leave", &json!({})).await;

    assert_eq!((answer.status, answer.error()), (409, "conflict"));
    assert_eq!(server.get_as(&session, ORGANIZATION).await.json["member_count"], 1);
}

#[tokio::test]
async fn no_key_and_no_app_makes_somebody_leave() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let bob = server.colleague("bob", ada.organization, Role::Admin).await;
    let client = server
        .client(ada.organization, |new| new.scopes = Scopes::parse("read write delete admin").unwrap())
        .await;
    let token = client.tokens(&server, &server.browser_of(&bob).await).await.field("access_token");
    let (_, key) = server.key(ada.organization, "admin").await;

    for credential in [key, token] {
        let path = "/v1/organization/leave";
        let answer = Answer::of(server.request("POST", path).bearer_auth(&credential)).await;
        assert_eq!((answer.status, answer.error()), (403, "forbidden"), "{}", answer.text);
    }
}

#[tokio::test]
async fn what_the_operator_changes_is_recorded() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let id = ada.organization;
    let act = server.act();

    let mut tx = server.app.db.begin().await.unwrap();
    assert!(amendment::change_plan(&mut tx, id, "free", &act).await.unwrap());
    assert!(amendment::suspend(&mut tx, id, &act).await.unwrap());
    assert!(amendment::suspend(&mut tx, id, &act).await.unwrap());
    assert!(amendment::resume(&mut tx, id, &act).await.unwrap());
    assert!(amendment::set_operator(&mut tx, id, true, &act).await.unwrap());
    tx.commit().await.unwrap();

    for (action, after) in [
        ("organization.plan_changed", json!({ "plan": "free" })),
        ("organization.suspended", json!({ "suspended_at": "2030-01-01T00:00:00Z" })),
        ("organization.resumed", json!({ "suspended_at": null })),
        ("organization.updated", json!({ "is_operator": true })),
    ] {
        let recorded = server.audit_of(id, action).await;
        let [entry] = &recorded[..] else { panic!("{action}: {recorded:?}") };
        assert_eq!((entry.actor_kind.as_str(), entry.after.as_ref()), ("operator", Some(&after)));
    }
}
