//! Several nodes keep in memory what they are asked for on every request; what one changes is changed for all.

use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use countersign::organizations::amendment;
use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::Answer;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::TestUser;

const PATH: &str = "/v1/auth/test";

/// Two nodes, and somebody with an app who uses them.
struct Scene {
    here: TestServer,
    there: TestServer,
    ada: TestUser,
    client: OAuthClient,
}

impl Scene {
    async fn new() -> Self {
        let here = TestServer::start().await;
        let there = here.second_node().await;
        let ada = here.user("ada").await;
        let client = here.confidential_client(ada.organization).await;
        Self { here, there, ada, client }
    }

    /// What each node says of a credential, the one after the other; what it says is kept in memory.
    async fn statuses(&self, credential: &str) -> [u16; 2] {
        let here = self.here.get_as(credential, PATH).await.status;
        [here, self.there.get_as(credential, PATH).await.status]
    }

    /// After what was announced so far has reached the other node.
    async fn statuses_after(&self, credential: &str) -> [u16; 2] {
        // First, because it was told to nobody here to hear.
        let here = self.here.get_as(credential, PATH).await.status;
        self.there.hear().await;
        [here, self.there.get_as(credential, PATH).await.status]
    }

    /// An app's access token and refresh token, in the name of a person.
    async fn tokens_of(&self, person: &TestUser) -> (String, String) {
        let browser = self.here.browser_of(person).await;
        let answer = self.client.tokens(&self.here, &browser).await;
        (answer.field("access_token"), answer.field("refresh_token"))
    }

    async fn admin(&self) -> String {
        self.here.key(self.ada.organization, "admin").await.1
    }

    async fn send(&self, method: &str, path: &str, body: &serde_json::Value) -> Answer {
        let answer = self.here.send_json_as(&self.admin().await, method, path, body).await;
        assert!(answer.status < 300, "{}", answer.text);
        answer
    }
}

#[tokio::test]
async fn a_revoked_key_is_dead_on_both_nodes() {
    let scene = Scene::new().await;
    let (id, key) = scene.here.key(scene.ada.organization, "read").await;
    assert_eq!(scene.statuses(&key).await, [200; 2]);

    scene.send("DELETE", &format!("/v1/api-keys/{id}"), &json!({})).await;

    assert_eq!(scene.statuses_after(&key).await, [401; 2]);
}

#[tokio::test]
async fn a_rotated_key_is_another_on_both_nodes() {
    let scene = Scene::new().await;
    let (id, key) = scene.here.key(scene.ada.organization, "read").await;
    assert_eq!(scene.statuses(&key).await, [200; 2]);

    let answer =
        scene.send("POST", &format!("/v1/api-keys/{id}/rotate"), &json!({ "overlap_seconds": 0 })).await;

    assert_eq!(scene.statuses_after(&key).await, [401; 2]);
    assert_eq!(scene.statuses(&answer.field("key")).await, [200; 2]);
}

#[tokio::test]
async fn what_a_key_may_do_changes_on_both_nodes() {
    let scene = Scene::new().await;
    let (id, key) = scene.here.key(scene.ada.organization, "read").await;
    assert_eq!(scene.statuses(&key).await, [200; 2]);

    scene.send("PATCH", &format!("/v1/api-keys/{id}"), &json!({ "ip_allowlist": ["192.0.2.1"] })).await;

    assert_eq!(scene.statuses_after(&key).await, [403; 2]);
}

#[tokio::test]
async fn the_tokens_of_a_revoked_grant_are_dead_on_both_nodes() {
    let scene = Scene::new().await;
    let (access_token, refresh_token) = scene.tokens_of(&scene.ada).await;
    assert_eq!(scene.statuses(&access_token).await, [200; 2]);

    scene.client.post(&scene.here, "/oauth/revoke", &[("token", &refresh_token)]).await;

    assert_eq!(scene.statuses_after(&access_token).await, [401; 2]);
}

#[tokio::test]
async fn a_token_that_was_revoked_alone_is_dead_on_both_nodes() {
    let scene = Scene::new().await;
    let (access_token, refresh_token) = scene.tokens_of(&scene.ada).await;
    assert_eq!(scene.statuses(&access_token).await, [200; 2]);

    scene.client.post(&scene.here, "/oauth/revoke", &[("token", &access_token)]).await;

    assert_eq!(scene.statuses_after(&access_token).await, [401; 2]);
    assert_eq!(scene.client.refresh(&scene.there, &refresh_token).await.status, 200);
}

/// The first request after the replay is refused, on the node that saw it.
#[tokio::test]
async fn a_replay_on_one_node_ends_the_grant_on_both() {
    let scene = Scene::new().await;
    let (_, first) = scene.tokens_of(&scene.ada).await;
    let second = scene.client.refresh(&scene.there, &first).await.field("refresh_token");
    let third = scene.client.refresh(&scene.here, &second).await;
    assert_eq!(scene.statuses(&third.field("access_token")).await, [200; 2]);

    let replayed = scene.client.refresh(&scene.here, &first).await;

    assert_eq!(replayed.json["error"], "invalid_grant");
    assert_eq!(scene.statuses_after(&third.field("access_token")).await, [401; 2]);
    assert_eq!(scene.client.refresh(&scene.there, &third.field("refresh_token")).await.status, 400);
}

/// The other node derives the same successor.
#[tokio::test]
async fn a_lost_answer_is_given_again_by_the_other_node() {
    let scene = Scene::new().await;
    let (_, first) = scene.tokens_of(&scene.ada).await;

    let lost = scene.client.refresh(&scene.here, &first).await;
    let again = scene.client.refresh(&scene.there, &first).await;

    assert_eq!((lost.status, again.status), (200, 200));
    assert_eq!(lost.field("refresh_token"), again.field("refresh_token"));
}

#[tokio::test]
async fn the_tokens_of_who_has_left_are_dead_on_both_nodes() {
    let scene = Scene::new().await;
    let bob = scene.here.colleague("bob", scene.ada.organization, Role::Member).await;
    let (access_token, _) = scene.tokens_of(&bob).await;
    assert_eq!(scene.statuses(&access_token).await, [200; 2]);

    scene.send("DELETE", &format!("/v1/organization/members/{}", bob.id), &json!({})).await;

    assert_eq!(scene.statuses_after(&access_token).await, [401; 2]);
}

#[tokio::test]
async fn an_app_s_tokens_may_do_no_more_than_their_person_on_both_nodes() {
    let scene = Scene::new().await;
    let cleo = scene.here.colleague("cleo", scene.ada.organization, Role::Admin).await;
    let client = scene.here.client(scene.ada.organization, |registration| {
        registration.scopes = countersign::scopes::Scopes::parse("read admin").unwrap();
        registration.default_scopes = countersign::scopes::Scopes::parse("read").unwrap();
    });
    let scene = Scene { client: client.await, ..scene };
    let (browser, pkce) = (scene.here.browser_of(&cleo).await, crate::support::Pkce::default());
    let asked = scene.client.ask(&browser, &pkce, &[("scope", "read admin")]).await;
    let code = asked.location_params().remove("code").unwrap();
    let token = scene.client.exchange(&scene.here, &code, &pkce).await.field("access_token");
    let is_admin = async |node: &TestServer| node.get_as(&token, "/v1/audit-log").await.status;
    assert_eq!([is_admin(&scene.here).await, is_admin(&scene.there).await], [200; 2]);

    let path = format!("/v1/organization/members/{}", cleo.id);
    let answer = scene.here.session_of(&scene.ada).await;
    let answer =
        scene.here.send_json_as(&answer.access_token, "PATCH", &path, &json!({ "role": "member" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);

    scene.there.hear().await;
    assert_eq!([is_admin(&scene.here).await, is_admin(&scene.there).await], [403; 2]);
}

#[tokio::test]
async fn a_disabled_client_and_a_deleted_secret_are_dead_on_both_nodes() {
    let scene = Scene::new().await;
    let issue = async |node: &TestServer| {
        scene.client.post(node, "/oauth/token", &[("grant_type", "client_credentials")]).await
    };
    let token = issue(&scene.here).await.field("access_token");
    assert_eq!(issue(&scene.there).await.status, 200);
    assert_eq!(scene.statuses(&token).await, [200; 2]);

    scene.send("PATCH", &format!("/v1/clients/{}", scene.client.id), &json!({ "disabled": true })).await;

    assert_eq!(scene.statuses_after(&token).await, [401; 2]);
    assert_eq!([issue(&scene.here).await.status, issue(&scene.there).await.status], [401; 2]);
    scene.send("PATCH", &format!("/v1/clients/{}", scene.client.id), &json!({ "disabled": false })).await;
    scene.there.hear().await;
    assert_eq!([issue(&scene.here).await.status, issue(&scene.there).await.status], [200; 2]);

    let secrets = scene.here.get_as(&scene.admin().await, &format!("/v1/clients/{}", scene.client.id)).await;
    let secret = secrets.json["secrets"][0]["id"].as_str().unwrap().to_owned();
    scene.send("DELETE", &format!("/v1/clients/{}/secrets/{secret}", scene.client.id), &json!({})).await;

    scene.there.hear().await;
    assert_eq!([issue(&scene.here).await.status, issue(&scene.there).await.status], [401; 2]);
}

#[tokio::test]
async fn what_becomes_of_an_organization_counts_on_both_nodes() {
    let scene = Scene::new().await;
    let (_, key) = scene.here.key(scene.ada.organization, "read").await;
    let limit = async |node: &TestServer| node.get_as(&key, PATH).await.json["rate_limit"]["limit"].clone();
    assert_eq!([limit(&scene.here).await, limit(&scene.there).await], [json!(500), json!(500)]);

    let mut tx = scene.here.app.db.begin().await.unwrap();
    let (id, act) = (scene.ada.organization, scene.here.act());
    assert!(amendment::change_plan(&mut tx, id, "starter", &act).await.unwrap());
    tx.commit().await.unwrap();

    scene.here.hear().await;
    scene.there.hear().await;
    assert_eq!([limit(&scene.here).await, limit(&scene.there).await], [json!(50), json!(50)]);

    let mut tx = scene.here.app.db.begin().await.unwrap();
    assert!(amendment::suspend(&mut tx, id, &act).await.unwrap());
    tx.commit().await.unwrap();

    scene.here.hear().await;
    scene.there.hear().await;
    assert_eq!(scene.statuses(&key).await, [403; 2]);
}

/// Of the connection on which a node listens: its process in the database.
async fn listening_process(node: &TestServer, other: &TestServer) -> i32 {
    let query = "select pid from pg_stat_activity
                  where datname = current_database() and application_name = 'countersign announcements'
                  order by backend_start";
    let pids: Vec<i32> = sqlx::query_scalar(query).fetch_all(&node.app.db).await.unwrap();
    assert_eq!(pids.len(), 2, "{}", other.url);
    pids[1]
}

async fn until_cut_off(node: &TestServer) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while node.app.cache.lease().holds() {
        assert!(Instant::now() < deadline, "the node believes that it hears everything");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn until_it_hears(node: &TestServer) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !node.app.cache.lease().holds() {
        assert!(Instant::now() < deadline, "the node does not listen again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_node_that_has_lost_its_connection_asks_the_database() {
    let scene = Scene::new().await;
    let (id, key) = scene.here.key(scene.ada.organization, "read").await;
    let (_, other_key) = scene.here.key(scene.ada.organization, "read").await;
    assert_eq!((scene.statuses(&key).await, scene.statuses(&other_key).await), ([200; 2], [200; 2]));
    let pid = listening_process(&scene.there, &scene.here).await;

    sqlx::query("select pg_terminate_backend($1)").bind(pid).execute(&scene.here.app.db).await.unwrap();
    until_cut_off(&scene.there).await;
    scene.send("DELETE", &format!("/v1/api-keys/{id}"), &json!({})).await;

    assert_eq!(scene.statuses(&key).await, [401; 2]);
    until_it_hears(&scene.there).await;
    assert_eq!((scene.statuses(&key).await, scene.statuses(&other_key).await), ([401; 2], [200; 2]));
}

/// As when a network swallows everything: no error says so.
#[tokio::test]
async fn a_node_that_is_cut_off_without_knowing_it_asks_the_database() {
    let scene = Scene::new().await;
    let (id, key) = scene.here.key(scene.ada.organization, "read").await;
    assert_eq!(scene.statuses(&key).await, [200; 2]);
    let pid = listening_process(&scene.there, &scene.here).await.to_string();

    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    until_cut_off(&scene.there).await;
    scene.send("DELETE", &format!("/v1/api-keys/{id}"), &json!({})).await;
    let refused = scene.statuses(&key).await;
    signal("-CONT");

    assert_eq!(refused, [401; 2]);
}

/// Of a column that nobody thought of, changes would never be heard.
#[tokio::test]
async fn all_that_a_key_has_is_announced_but_when_it_was_used() {
    let server = TestServer::start().await;
    let left_out = "select attname from pg_attribute a
                     where attrelid = 'api_keys'::regclass and attnum > 0 and not attisdropped and attname <> 'id'
                       and not exists (select from information_schema.triggered_update_columns t
                                        where t.event_object_table = 'api_keys'
                                          and t.trigger_name = 'announce_update'
                                          and t.event_object_column = a.attname)
                     order by attname";

    let left_out: Vec<String> = sqlx::query_scalar(left_out).fetch_all(&server.app.db).await.unwrap();

    assert_eq!(left_out, ["last_used_at", "last_used_from"]);
}
