//! Who changed what: how it is read, and that nobody can change it.

use chrono::TimeDelta;
use countersign::audit::act::Act;
use countersign::audit::act::Actor;
use countersign::audit::act::ActorKind;
use countersign::audit::log;
use countersign::audit::log::Change;
use countersign::base::db::MIGRATIONS;
use countersign::base::ids::OrganizationId;
use serde_json::Value;
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::PgConnection;

use crate::support::TestServer;

const PATH: &str = "/v1/audit-log";

async fn record(server: &TestServer, organization: Option<OrganizationId>, action: &str, target: &str) {
    let actor =
        Actor { kind: ActorKind::User, id: Some("u-1".to_owned()), name: Some("ada@example.com".to_owned()) };
    let act = Act {
        actor,
        address: Some("203.0.113.9".parse().unwrap()),
        user_agent: Some("curl/8.5.0".to_owned()),
        at: server.clock.now(),
    };
    let kind = action.split('.').next().unwrap();
    let change = Change {
        organization,
        action,
        target: (kind, target.to_owned()),
        before: Some(json!({ "name": "old" })),
        after: Some(json!({ "name": "new" })),
    };
    let mut tx = server.app.db.begin().await.unwrap();
    log::record(&mut tx, &act, &change).await.unwrap();
    tx.commit().await.unwrap();
}

async fn list(server: &TestServer, admin: &str, query: &str) -> Vec<Value> {
    let answer = server.get_as(admin, &format!("{PATH}{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_change_is_told_in_full() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    record(&server, Some(ada.organization), "test.changed", "t-1").await;

    let told = list(&server, &admin, "?action=test.changed").await;
    assert!(told[0]["id"].as_str().unwrap().starts_with("aud_"));
    assert_eq!(
        told,
        [json!({
            "id": told[0]["id"],
            "at": "2030-01-01T00:00:00Z",
            "action": "test.changed",
            "actor": { "type": "user", "id": "u-1", "name": "ada@example.com" },
            "target": { "type": "test", "id": "t-1" },
            "before": { "name": "old" },
            "after": { "name": "new" },
            "address": "203.0.113.9",
            "user_agent": "curl/8.5.0",
        })]
    );
}

#[tokio::test]
async fn nothing_of_another_organization_or_of_the_server_is_told() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (_, foreign) = server.key(eve.organization, "admin").await;

    record(&server, Some(ada.organization), "test.changed", "t-1").await;
    record(&server, None, "test.changed", "t-2").await;

    assert_eq!(list(&server, &foreign, "?action=test.changed").await, [] as [Value; 0]);
}

#[tokio::test]
async fn filters_and_pages() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    for target in ["t-1", "t-2", "t-3"] {
        record(&server, Some(ada.organization), "test.changed", target).await;
        server.clock.advance(TimeDelta::hours(1));
    }
    record(&server, Some(ada.organization), "test.removed", "t-3").await;

    for (query, targets) in [
        ("?action=test.removed", vec!["t-3"]),
        ("?target=t-3", vec!["t-3", "t-3"]),
        ("?actor=u-1&target=t-2", vec!["t-2"]),
        ("?actor=u-2", vec![]),
        ("?action=test.changed&since=2030-01-01T01:00:00Z", vec!["t-3", "t-2"]),
        ("?action=test.changed&until=2030-01-01T01:00:00Z", vec!["t-1"]),
    ] {
        let found = list(&server, &admin, query).await;
        let found: Vec<&str> = found.iter().map(|entry| entry["target"]["id"].as_str().unwrap()).collect();
        assert_eq!(found, targets, "{query}");
    }
    let first = server.get_as(&admin, &format!("{PATH}?action=test.changed&limit=2")).await;
    let next = first.json["next_cursor"].as_str().unwrap();
    let rest = list(&server, &admin, &format!("?action=test.changed&limit=2&cursor={next}")).await;
    assert_eq!(rest[0]["target"]["id"], "t-1");
    assert_eq!(rest.len(), 1);
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_refused_with_its_name() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for (query, field) in [
        ("action=", "action"),
        ("actor=%00", "actor"),
        ("target=a&target=b", "target"),
        ("since=now", "since"),
        ("until=1", "until"),
        ("who=ada", "who"),
        ("cursor=req_1", "cursor"),
    ] {
        let answer = server.get_as(&admin, &format!("{PATH}?{query}")).await;

        assert_eq!((answer.status, answer.error()), (400, "bad_request"), "{query}: {}", answer.text);
        assert_eq!(answer.json["error"]["field"], field, "{query}");
    }
}

const ATTEMPTS: [&str; 4] = [
    "update audit_log set action = 'x'",
    "delete from audit_log",
    "delete from audit_log where false",
    "truncate audit_log",
];

async fn assert_append_only(db: &mut PgConnection) {
    for attempt in ATTEMPTS {
        let error = sqlx::query(attempt).execute(&mut *db).await.unwrap_err();
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{attempt}: {error}");
    }
}

#[tokio::test]
async fn the_server_itself_cannot_change_what_is_written() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    record(&server, Some(ada.organization), "test.changed", "t-1").await;

    assert_append_only(&mut server.app.db.acquire().await.unwrap()).await;

    let (_, admin) = server.key(ada.organization, "admin").await;
    assert_eq!(list(&server, &admin, "?action=test.changed").await.len(), 1);
}

/// The usual deployment: a role of its own that owns its database, and is no superuser.
#[tokio::test]
async fn neither_can_a_plain_role_that_owns_the_table() {
    let server = TestServer::start().await;
    let name = format!("plain_{:016x}", rand::random::<u64>());
    let mut admin = server.app.db.acquire().await.unwrap();
    for sql in [format!("create role {name} login"), format!("create database {name} owner {name}")] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *admin).await.unwrap();
    }
    let options = server.database.options.clone().username(&name).database(&name);
    let mut plain = options.connect().await.unwrap();
    MIGRATIONS.run(&mut plain).await.unwrap();
    let insert = "insert into audit_log (id, action, actor_kind, target_kind, target_id, created_at)
                  values (gen_random_uuid(), 'x', 'server', 'x', 'x', now())";
    sqlx::query(insert).execute(&mut plain).await.unwrap();

    assert_append_only(&mut plain).await;

    let without_trigger = "alter table audit_log disable trigger audit_log_append_only";
    sqlx::query(without_trigger).execute(&mut plain).await.unwrap();
    assert_append_only(&mut plain).await;
    plain.close().await.unwrap();
    for sql in [format!("drop database {name}"), format!("drop role {name}")] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *admin).await.unwrap();
    }
}
