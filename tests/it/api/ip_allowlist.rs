//! From where an organization's credentials may be used, and a single key.

use std::net::IpAddr;

use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;
use crate::support::TestUser;

const PATH: &str = "/v1/organization/ip-allowlist";
const HERE: &str = "127.0.0.1/32";
const ELSEWHERE: &str = "192.0.2.0/24";

async fn start() -> (TestServer, TestUser, String) {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    (server, ada, admin)
}

async fn put(server: &TestServer, key: &str, body: Value) -> Answer {
    server.send_json_as(key, "PUT", PATH, &body).await
}

async fn is_let_in(server: &TestServer, credential: &str) -> [bool; 2] {
    let mut let_in = [false; 2];
    for (let_in, path) in let_in.iter_mut().zip(["/v1/auth/test", "/v1/auth/verify"]) {
        let answer = server.get_as(credential, path).await;
        *let_in = answer.status == 200;
        if !*let_in {
            let error =
                json!({ "code": "ip_not_allowed", "message": "Requests from 127.0.0.1 are not allowed" });
            assert_eq!((answer.status, answer.json), (403, json!({ "error": error })), "{path}");
        }
    }
    let_in
}

#[tokio::test]
async fn it_is_off_and_empty_at_first() {
    let (server, _, admin) = start().await;

    let answer = server.get_as(&admin, PATH).await;

    assert_eq!((answer.status, answer.json), (200, json!({ "enabled": false, "cidrs": [] })));
}

#[tokio::test]
async fn what_was_put_is_shown_in_its_normal_form() {
    let (server, _, admin) = start().await;
    let given = ["127.0.0.1", " 10.1.2.3/8 ", "2001:DB8::1/32", "::ffff:192.0.2.1", "10.0.0.0/8"];

    let answer = put(&server, &admin, json!({ "enabled": true, "cidrs": given })).await;

    let kept = json!({ "enabled": true, "cidrs": [HERE, "10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"] });
    assert_eq!((answer.status, &answer.json), (200, &kept), "{}", answer.text);
    assert_eq!(server.get_as(&admin, PATH).await.json, kept);
}

#[tokio::test]
async fn it_holds_for_every_credential_of_the_organization_and_for_no_other() {
    let (server, ada, admin) = start().await;
    let eve = server.user("eve").await;
    let (_, eves) = server.key(eve.organization, "read").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let session = server.session_of(&ada).await.access_token;
    let client = server.confidential_client(ada.organization).await;
    let token = client.tokens(&server, &server.browser_of(&ada).await).await.field("access_token");
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let own = client.post(&server, "/oauth/token", &form).await.field("access_token");
    let credentials = [&key, &session, &token, &own];

    let answer = put(&server, &admin, json!({ "enabled": true, "cidrs": [ELSEWHERE], "force": true })).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    for credential in credentials {
        assert_eq!(is_let_in(&server, credential).await, [false; 2]);
    }
    assert_eq!(is_let_in(&server, &eves).await, [true; 2]);
    assert_eq!(
        put(&server, &admin, json!({ "enabled": false, "cidrs": [] })).await.error(),
        "ip_not_allowed"
    );
    let browser = server.browser_of(&ada).await;
    assert_eq!(browser.get("/settings/api/security").await.status, 200, "the way out");
}

#[tokio::test]
async fn one_that_is_off_or_empty_keeps_nobody_out() {
    let (server, ada, admin) = start().await;
    let (_, key) = server.key(ada.organization, "read").await;

    for body in [
        json!({ "enabled": false, "cidrs": [ELSEWHERE] }),
        json!({ "enabled": true, "cidrs": [] }),
        json!({ "enabled": true, "cidrs": [ELSEWHERE, HERE] }),
        json!({ "enabled": true, "cidrs": ["0.0.0.0/0"] }),
    ] {
        assert_eq!(put(&server, &admin, body.clone()).await.status, 200, "{body}");
        assert_eq!(is_let_in(&server, &key).await, [true; 2], "{body}");
    }
}

#[tokio::test]
async fn a_list_that_keeps_its_maker_out_takes_force() {
    let (server, _, admin) = start().await;
    let body = |force: Value| json!({ "enabled": true, "cidrs": [ELSEWHERE, "::/0"], "force": force });

    for answer in [
        put(&server, &admin, json!({ "enabled": true, "cidrs": [ELSEWHERE, "::/0"] })).await,
        put(&server, &admin, body(json!(false))).await,
    ] {
        let message = "This request comes from 127.0.0.1, which the list keeps out: add it, or set force";
        let error = json!({ "code": "conflict", "message": message, "field": "cidrs" });
        assert_eq!((answer.status, answer.json), (409, json!({ "error": error })));
    }
    assert_eq!(server.get_as(&admin, PATH).await.json["enabled"], false);
    assert_eq!(put(&server, &admin, body(json!(true))).await.status, 200);
    assert_eq!(server.get_as(&admin, PATH).await.error(), "ip_not_allowed");
}

#[tokio::test]
async fn a_plan_without_it_can_only_turn_it_off() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "standard").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let on = put(&server, &admin, json!({ "enabled": true, "cidrs": [HERE] })).await;
    let off = put(&server, &admin, json!({ "enabled": false, "cidrs": [HERE] })).await;

    let error = json!({ "code": "payment_required", "message": "IP allowlists need the plan pro" });
    assert_eq!((on.status, on.json), (402, json!({ "error": error })));
    assert_eq!((off.status, off.json), (200, json!({ "enabled": false, "cidrs": [HERE] })));
}

/// Who pays less must not find a door open that they had shut.
#[tokio::test]
async fn it_goes_on_to_hold_when_the_plan_has_it_no_more() {
    let (server, ada, admin) = start().await;
    let (_, key) = server.key(ada.organization, "read").await;
    put(&server, &admin, json!({ "enabled": true, "cidrs": [ELSEWHERE], "force": true })).await;

    sqlx::query("update organizations set plan = 'free'").execute(&server.app.db).await.unwrap();
    server.hear().await;

    assert_eq!(is_let_in(&server, &key).await, [false; 2]);
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let (server, _, admin) = start().await;
    let many: Vec<String> = (0..201).map(|i| format!("10.0.0.{i}")).collect();

    for (body, field) in [
        (json!({ "enabled": true, "cidrs": ["localhost"] }), "cidrs"),
        (json!({ "enabled": true, "cidrs": [HERE, "10.0.0.0/33"] }), "cidrs"),
        (json!({ "enabled": true, "cidrs": [HERE, ""] }), "cidrs"),
        (json!({ "enabled": true, "cidrs": [HERE, "127.0.0.1\u{0}"] }), "cidrs"),
        (json!({ "enabled": true, "cidrs": many }), "cidrs"),
        (json!({ "enabled": true, "cidrs": HERE }), "cidrs"),
        (json!({ "enabled": true, "cidrs": [1] }), "cidrs"),
        (json!({ "enabled": true, "cidrs": null }), "cidrs"),
        (json!({ "enabled": true }), "cidrs"),
        (json!({ "cidrs": [HERE] }), "enabled"),
        (json!({ "enabled": "yes", "cidrs": [HERE] }), "enabled"),
        (json!({ "enabled": true, "cidrs": [HERE], "force": 1 }), "force"),
        (json!({ "enabled": true, "cidrs": [HERE], "forced": true }), "forced"),
    ] {
        let answer = put(&server, &admin, body.clone()).await;

        assert_eq!((answer.status, answer.error()), (422, "validation_error"), "{body}: {}", answer.text);
        assert_eq!(answer.json["error"]["field"], field, "{body}: {}", answer.text);
    }
    assert_eq!(server.get_as(&admin, PATH).await.json, json!({ "enabled": false, "cidrs": [] }));
}

#[tokio::test]
async fn a_key_has_a_list_of_its_own_besides() {
    let (server, _, admin) = start().await;
    let new = json!({ "label": "x", "scopes": ["read"], "ip_allowlist": ["127.0.0.9/8", "10.1.1.1"] });
    let created = server.send_json_as(&admin, "POST", "/v1/api-keys", &new).await;
    let key = created.field("key");
    let path = format!("/v1/api-keys/{}", created.field("id"));
    let change = async |list: Value| {
        let answer = server.send_json_as(&admin, "PATCH", &path, &json!({ "ip_allowlist": list })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["ip_allowlist"].clone()
    };

    assert_eq!(created.json["ip_allowlist"], json!(["127.0.0.0/8", "10.1.1.1/32"]));
    assert_eq!(is_let_in(&server, &key).await, [true; 2]);
    assert_eq!(change(json!([ELSEWHERE])).await, json!([ELSEWHERE]));
    assert_eq!(is_let_in(&server, &key).await, [false; 2]);
    assert_eq!(server.get_as(&admin, &path).await.json["ip_allowlist"], json!([ELSEWHERE]));
    // Both lists hold.
    change(json!([HERE])).await;
    put(&server, &admin, json!({ "enabled": true, "cidrs": [ELSEWHERE], "force": true })).await;
    assert_eq!(is_let_in(&server, &key).await, [false; 2]);
    put_by_operator(&server, &[HERE]).await;
    assert_eq!(is_let_in(&server, &key).await, [true; 2]);
    assert_eq!(change(json!([])).await, json!([]));
    assert_eq!(is_let_in(&server, &key).await, [true; 2]);
}

/// As somebody does whom the list does not keep out.
async fn put_by_operator(server: &TestServer, cidrs: &[&str]) {
    let mut tx = server.app.db.begin().await.unwrap();
    let organization = sqlx::query_scalar("select id from organizations").fetch_one(&mut *tx).await.unwrap();
    let list = countersign::organizations::ip_allowlist::IpAllowlist::parse(cidrs).unwrap();
    countersign::organizations::ip_allowlist::replace(&mut tx, organization, (true, &list), &server.act())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    server.hear().await;
}

#[tokio::test]
async fn a_key_s_list_is_checked_like_the_organization_s() {
    let (server, _, admin) = start().await;
    let free = server.user_on_plan("fay", "free").await;
    let (id, frees) = server.key(free.organization, "admin").await;
    let path = format!("/v1/api-keys/{id}");
    let many: Vec<String> = (0..201).map(|i| format!("10.0.0.{i}")).collect();

    for list in [json!(["localhost"]), json!(["10.0.0.0/33"]), json!(many), json!("10.0.0.1"), json!([1])] {
        let body = json!({ "label": "x", "scopes": ["read"], "ip_allowlist": list });
        let answer = server.send_json_as(&admin, "POST", "/v1/api-keys", &body).await;
        assert_eq!((answer.status, &answer.json["error"]["field"]), (422, &json!("ip_allowlist")), "{list}");
    }
    let body = json!({ "label": "x", "scopes": ["read"], "ip_allowlist": [HERE] });
    let made = server.send_json_as(&frees, "POST", "/v1/api-keys", &body).await;
    let changed = server.send_json_as(&frees, "PATCH", &path, &json!({ "ip_allowlist": [HERE] })).await;
    let emptied = server.send_json_as(&frees, "PATCH", &path, &json!({ "ip_allowlist": [] })).await;

    for answer in [made, changed] {
        assert_eq!((answer.status, answer.error()), (402, "payment_required"));
        assert_eq!(answer.json["error"]["message"], "IP allowlists need the plan pro");
    }
    assert_eq!((emptied.status, &emptied.json["ip_allowlist"]), (200, &json!([])));
}

/// Action, before and after, newest first.
async fn audited(server: &TestServer, admin: &str) -> Vec<Value> {
    let answer = server.get_as(admin, "/v1/audit-log").await;
    let entries = answer.json["data"].as_array().unwrap().iter();
    entries.map(|entry| json!([entry["action"], entry["before"], entry["after"]])).collect()
}

#[tokio::test]
async fn a_change_is_in_the_audit_log_with_what_was_before() {
    let (server, _, admin) = start().await;
    let new = json!({ "label": "x", "scopes": ["read"] });
    let id = server.send_json_as(&admin, "POST", "/v1/api-keys", &new).await.field("id");

    put(&server, &admin, json!({ "enabled": false, "cidrs": [HERE] })).await;
    put(&server, &admin, json!({ "enabled": true, "cidrs": ["127.0.0.1"] })).await;
    put(&server, &admin, json!({ "enabled": true, "cidrs": [HERE] })).await;
    let list = json!({ "ip_allowlist": [ELSEWHERE] });
    server.send_json_as(&admin, "PATCH", &format!("/v1/api-keys/{id}"), &list).await;

    let audited = audited(&server, &admin).await;
    assert_eq!(
        audited[..3],
        [
            json!(["api_key.updated", { "ip_allowlist": [] }, { "ip_allowlist": [ELSEWHERE] }]),
            json!(["ip_allowlist.changed", { "enabled": false }, { "enabled": true }]),
            json!(["ip_allowlist.changed", { "cidrs": [] }, { "cidrs": [HERE] }]),
        ]
    );
    assert_eq!(audited[3][0], "api_key.created", "what changes nothing is no entry");
}

#[tokio::test]
async fn an_address_behind_a_trusted_proxy_is_the_caller_s() {
    let server =
        TestServer::start_with(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
            .await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let from = async |address: IpAddr, method: &str, body: Option<Value>| {
        let request = server.request(method, PATH).bearer_auth(&admin);
        let request = request.header("x-forwarded-for", address.to_string());
        let request = request.header("x-forwarded-proto", "https");
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    };
    let (home, away) = ("2001:db8::7".parse().unwrap(), "192.0.2.1".parse().unwrap());
    let list = json!({ "enabled": true, "cidrs": ["2001:db8::/64"] });

    assert_eq!(from(away, "PUT", Some(list.clone())).await.status, 409);
    assert_eq!(from(home, "PUT", Some(list)).await.status, 200);
    assert_eq!(from(home, "GET", None).await.status, 200);
    assert_eq!(from(away, "GET", None).await.error(), "ip_not_allowed");
}
