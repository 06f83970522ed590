//! How the access log is written: beside the requests, and never in their way.

use std::net::IpAddr;

use chrono::TimeDelta;
use countersign::base::ids::AccessEntryId;
use countersign::base::ids::OrganizationId;
use countersign::base::ids::SessionId;
use countersign::organizations::access_log::AccessEntry;
use countersign::organizations::access_log::Via;
use countersign::organizations::credential::Credential;
use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use crate::support::Answer;
use crate::support::Pkce;
use crate::support::TestServer;

fn entry(server: &TestServer, organization: OrganizationId) -> AccessEntry {
    let at = server.clock.now();
    AccessEntry {
        id: AccessEntryId::new(at),
        at,
        organization,
        credential: Credential::Session(SessionId::new(at)),
        client: None,
        user: None,
        via: Via::Api,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        status: 200,
        reason: None,
        address: IpAddr::from([203, 0, 113, 9]),
        user_agent: None,
        duration: TimeDelta::zero(),
        is_use: true,
        exceeded: None,
    }
}

async fn count(server: &TestServer) -> i64 {
    sqlx::query_scalar("select count(*) from access_log").fetch_one(&server.app.db).await.unwrap()
}

async fn days(server: &TestServer) -> Vec<String> {
    let parts = "select inhrelid::regclass::text from pg_inherits where inhparent = 'access_log'::regclass order by 1";
    sqlx::query_scalar(parts).fetch_all(&server.app.db).await.unwrap()
}

#[tokio::test]
async fn a_full_queue_loses_entries_counts_them_and_keeps_nobody_waiting() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    while server.app.access_log.dropped() == 0 {
        server.app.access_log.push(entry(&server, ada.organization));
    }
    let waiting = server.app.access_log.waiting();

    let answer = server.get_as(&key, "/v1/profile").await;
    server.write_access_log().await;

    assert_eq!(answer.status, 200);
    assert_eq!(server.app.access_log.dropped(), 2);
    assert_eq!(count(&server).await, i64::try_from(waiting).unwrap());
    assert_eq!(server.app.access_log.waiting(), 0);
}

#[tokio::test]
async fn what_came_while_the_database_was_away_is_written_once_when_it_is_back() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    server.get_as(&key, "/v1/profile").await;
    server.lose_database().await;

    for _ in 0..3 {
        server.try_to_write_access_log().await.unwrap_err();
        server.app.access_log.push(entry(&server, ada.organization));
    }
    server.database.bring_back().await;
    server.write_access_log().await;
    server.write_access_log().await;

    assert_eq!(count(&server).await, 4);
    assert_eq!(server.app.access_log.dropped(), 0);
}

#[tokio::test]
async fn a_batch_whose_commit_went_unanswered_is_written_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let once = entry(&server, ada.organization);

    for _ in 0..2 {
        server.app.access_log.push(once.clone());
        server.write_access_log().await;
    }

    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn each_day_has_its_partition_and_goes_when_its_time_is_over() {
    let server = TestServer::start_with(|settings| settings.access_log_days = 2).await;
    let ada = server.user("ada").await;
    for _ in 0..4 {
        server.app.access_log.push(entry(&server, ada.organization));
        server.write_access_log().await;
        server.clock.advance(TimeDelta::days(1));
    }
    let names = |days: &[u8]| -> Vec<String> {
        days.iter().map(|day| format!("access_log_203001{day:02}")).collect()
    };
    assert_eq!(days(&server).await, names(&[1, 2, 3, 4]));

    server.clean_up().await;

    assert_eq!(days(&server).await, names(&[3, 4, 6]), "two days, and tomorrow's");
    assert_eq!(count(&server).await, 2);
}

#[tokio::test]
async fn a_partition_that_is_gone_is_made_again() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    server.app.access_log.push(entry(&server, ada.organization));
    server.write_access_log().await;
    sqlx::query("drop table access_log_20300101").execute(&server.app.db).await.unwrap();
    server.app.access_log.push(entry(&server, ada.organization));

    server.try_to_write_access_log().await.unwrap_err();
    server.write_access_log().await;

    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn the_last_use_of_everything_is_seen() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, key) = server.key(ada.organization, "read").await;
    let client = server.confidential_client(ada.organization).await;
    let tokens = client.tokens(&server, &server.browser_of(&ada).await).await;
    let token = tokens.field("access_token");
    server.write_access_log().await;
    server.clock.advance(TimeDelta::minutes(3));
    client.post(&server, "/oauth/introspect", &[("token", &token)]).await;
    server.clock.advance(TimeDelta::minutes(2));

    server.get_as(&token, "/v1/profile").await;
    server.get_as(&key, "/v1/api-keys").await;
    server.write_access_log().await;

    let key = server.get_as(&admin, &format!("/v1/api-keys/{id}")).await.json;
    let app = server.get_as(&admin, &format!("/v1/clients/{}", client.id)).await.json;
    let grant = server.get_as(&admin, "/v1/grants").await.json["data"][0].clone();
    assert_eq!(
        (&key["last_used_at"], &key["last_used_from"]),
        (&json!("2030-01-01T00:05:00Z"), &json!("127.0.0.1"))
    );
    assert_eq!(app["secrets"][0]["last_used_at"], "2030-01-01T00:03:00Z");
    assert_eq!(app["last_used_at"], "2030-01-01T00:05:00Z");
    assert_eq!(grant["last_used_at"], "2030-01-01T00:05:00Z");
}

#[tokio::test]
async fn a_use_that_is_written_late_does_not_undo_a_later_one() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, _) = server.key(ada.organization, "read").await;
    let credential = Credential::ApiKey(id);
    let early = AccessEntry { credential, ..entry(&server, ada.organization) };
    server.clock.advance(TimeDelta::hours(1));
    let late = AccessEntry { credential, ..entry(&server, ada.organization) };

    for batch in
        [vec![late.clone(), AccessEntry { id: AccessEntryId::new(early.at), ..early.clone() }], vec![early]]
    {
        for entry in batch {
            server.app.access_log.push(entry);
        }
        server.write_access_log().await;
    }

    let shown = server.get_as(&admin, &format!("/v1/api-keys/{id}")).await;
    assert_eq!(shown.json["last_used_at"], "2030-01-01T01:00:00Z");
}

#[tokio::test]
async fn a_revoked_key_that_is_tried_was_not_used() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (id, key) = server.key(ada.organization, "read").await;
    Answer::of(server.request("DELETE", &format!("/v1/api-keys/{id}")).bearer_auth(&admin)).await;

    assert_eq!(server.get_as(&key, "/v1/profile").await.status, 401);
    server.write_access_log().await;

    let shown = server.get_as(&admin, &format!("/v1/api-keys/{id}")).await;
    assert_eq!(shown.json["last_used_at"], Value::Null);
}

#[tokio::test]
async fn a_wrong_secret_is_no_use_of_the_right_one() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let mut client = server.confidential_client(ada.organization).await;
    client.secret = Some("cs_wrong".to_owned());

    let answer = client.exchange(&server, "ac_x", &Pkce::default()).await;
    server.write_access_log().await;

    assert_eq!(answer.error(), "invalid_client");
    let app = server.get_as(&admin, &format!("/v1/clients/{}", client.id)).await.json;
    assert_eq!((&app["last_used_at"], &app["secrets"][0]["last_used_at"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_limit_is_told_of_once_in_its_window() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (id, key) = server.key(ada.organization, "read").await;
    sqlx::query(
        "insert into webhook_endpoints (id, organization_id, url, description, events, secret_sealed, created_at)
         values ($1, $2, 'https://hooks.example/', '', '{limit.exceeded}', '', now())",
    )
    .bind(Uuid::from_bytes([7; 16]))
    .bind(ada.organization)
    .execute(&server.app.db)
    .await
    .unwrap();

    for _ in 0..2 {
        for _ in 0..15 {
            server.get_as(&key, "/v1/profile").await;
        }
        server.write_access_log().await;
        server.clock.advance(TimeDelta::minutes(1));
    }

    let told: Vec<Value> = sqlx::query_scalar("select data from webhook_events order by id")
        .fetch_all(&server.app.db)
        .await
        .unwrap();
    let event = |resets_at: &str| json!({ "credential": format!("api_key:{id}"), "limit": 10, "window": "minute", "resets_at": resets_at });
    assert_eq!(told, [event("2030-01-01T00:01:00Z"), event("2030-01-01T00:02:00Z")]);
}
