//! `/v1/organization/credits`

use countersign::base::ids::OrganizationId;
use countersign::organizations::amendment;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const CREDITS: &str = "/v1/organization/credits";
const DEBIT: &str = "/v1/organization/credits/debit";
const GRANT: &str = "/v1/organization/credits/grant";

fn of(amount_cents: i64) -> Value {
    json!({ "amount_cents": amount_cents, "reason": "calls in May" })
}

fn of_other(organization: OrganizationId, amount_cents: i64) -> Value {
    json!({ "amount_cents": amount_cents, "reason": "calls in May", "organization": organization })
}

/// An admin's key of the company that runs the server.
async fn operators_key(server: &TestServer) -> String {
    let operator = server.user("operator").await;
    let mut tx = server.app.db.begin().await.unwrap();
    amendment::set_operator(&mut tx, operator.organization, true, &server.act()).await.unwrap();
    tx.commit().await.unwrap();
    server.key(operator.organization, "admin").await.1
}

async fn balance(server: &TestServer, admin: &str) -> i64 {
    server.get_as(admin, "/v1/organization").await.json["credits"]["balance_cents"].as_i64().unwrap()
}

#[tokio::test]
async fn a_debit_takes_what_it_says_and_stands_in_the_ledger() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (key, admin) = server.key(ada.organization, "admin").await;

    let answer = server.send_json_as(&admin, "POST", DEBIT, &of(120)).await;

    assert_eq!(answer.status, 200);
    let expected = json!({
        "id": answer.json["id"],
        "organization": ada.organization,
        "amount_cents": -120,
        "balance_cents": 380,
        "reason": "calls in May",
        "created_by": format!("api_key:{key}"),
        "created_at": "2030-01-01T00:00:00Z",
    });
    assert_eq!(answer.json, expected);
    let ledger = server.get_as(&admin, CREDITS).await;
    assert_eq!(ledger.json, json!({ "data": [expected], "next_cursor": null }));
    assert_eq!(balance(&server, &admin).await, 380);
}

#[tokio::test]
async fn a_debit_beyond_the_balance_takes_nothing_and_is_told_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for _ in 0..2 {
        let answer = server.send_json_as(&admin, "POST", DEBIT, &of(501)).await;
        assert_eq!((answer.status, answer.error()), (402, "payment_required"), "{}", answer.text);
    }

    assert_eq!(balance(&server, &admin).await, 500);
    assert_eq!(server.get_as(&admin, CREDITS).await.json["data"], json!([]));
    let recorded = server.audit_of(ada.organization, "credits.exhausted").await;
    let [entry] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(entry.after, Some(json!({ "balance_cents": 500, "asked_cents": 501 })));
}

#[tokio::test]
async fn debits_at_once_never_take_more_than_there_is() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let requests = (0..12).map(|_| server.request("POST", DEBIT).bearer_auth(&admin).json(&of(100)));
    let mut statuses: Vec<_> = Answer::of_all(requests).await.iter().map(|answer| answer.status).collect();

    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 5].as_slice(), [402; 7].as_slice()].concat());
    assert_eq!(balance(&server, &admin).await, 0);
    let ledger = server.get_as(&admin, CREDITS).await.json["data"].clone();
    let mut balances: Vec<_> =
        ledger.as_array().unwrap().iter().map(|entry| entry["balance_cents"].as_i64().unwrap()).collect();
    balances.sort_unstable();
    assert_eq!(balances, [0, 100, 200, 300, 400]);
    assert_eq!(server.audit_of(ada.organization, "credits.exhausted").await.len(), 1);
}

#[tokio::test]
async fn the_last_cent_is_the_end_until_the_next_grant() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let operator = operators_key(&server).await;
    let exhausted_at =
        async || server.get_as(&admin, "/v1/organization").await.json["credits"]["exhausted_at"].clone();

    server.send_json_as(&admin, "POST", DEBIT, &of(499)).await;
    let before = exhausted_at().await;
    server.send_json_as(&admin, "POST", DEBIT, &of(1)).await;
    let after = exhausted_at().await;
    let granted = server.send_json_as(&operator, "POST", GRANT, &of_other(ada.organization, 50)).await;

    assert_eq!((before, after), (json!(null), json!("2030-01-01T00:00:00Z")));
    assert_eq!((granted.status, &granted.json["balance_cents"]), (200, &json!(50)));
    assert_eq!(exhausted_at().await, json!(null));
    server.send_json_as(&admin, "POST", DEBIT, &of(50)).await;
    assert_eq!(server.audit_of(ada.organization, "credits.exhausted").await.len(), 2);
    let [granted] = &server.audit_of(ada.organization, "credits.granted").await[..] else { panic!() };
    assert_eq!(
        granted.after,
        Some(json!({ "balance_cents": 50, "amount_cents": 50, "reason": "calls in May" }))
    );
}

#[tokio::test]
async fn only_the_operator_grants_or_touches_other_organizations() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (_, key) = server.key(ada.organization, "read write delete").await;
    let own = of_other(ada.organization, 1);
    let foreign = of_other(eve.organization, 1);
    let nonsense = json!({ "amount_cents": 1, "reason": "x", "organization": "x" });

    for (credential, path, body, expected) in [
        (&admin, DEBIT, &own, (200, "")),
        (&admin, DEBIT, &foreign, (404, "not_found")),
        (&admin, DEBIT, &nonsense, (404, "not_found")),
        (&admin, GRANT, &own, (403, "forbidden")),
        (&admin, GRANT, &foreign, (404, "not_found")),
        (&key, DEBIT, &own, (403, "forbidden")),
        (&key, DEBIT, &foreign, (403, "forbidden")),
    ] {
        let answer = server.send_json_as(credential, "POST", path, body).await;
        assert_eq!((answer.status, answer.error()), expected, "{path} {body}");
    }
    let operator = operators_key(&server).await;
    for (path, body, status) in [(DEBIT, &foreign, 200), (GRANT, &foreign, 200), (GRANT, &nonsense, 404)] {
        assert_eq!(server.send_json_as(&operator, "POST", path, body).await.status, status, "{path} {body}");
    }
}

#[tokio::test]
async fn a_superadmin_in_their_own_session_is_the_operator() {
    let server = TestServer::start().await;
    let (ada, root) = (server.user("ada").await, server.user("root").await);
    sqlx::query("update users set is_superadmin = true where email = 'root@example.com'")
        .execute(&server.app.db)
        .await
        .unwrap();
    let session = server.session_of(&root).await.access_token;
    let body = json!({ "label": "x", "scopes": ["admin"] });
    let key = server.send_json_as(&session, "POST", "/v1/api-keys", &body).await.field("key");

    let by_session = server.send_json_as(&session, "POST", GRANT, &of_other(ada.organization, 1)).await;
    let by_key = server.send_json_as(&key, "POST", GRANT, &of_other(ada.organization, 1)).await;

    assert_eq!((by_session.status, by_key.status), (200, 404), "a key of theirs has no such rights");
}

#[tokio::test]
async fn an_amount_or_a_reason_that_will_not_do_moves_nothing() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for (body, field) in [
        (of(0), "amount_cents"),
        (of(-5), "amount_cents"),
        (of(i64::MAX), "amount_cents"),
        (of(i64::MIN), "amount_cents"),
        (json!({ "amount_cents": 1.5, "reason": "x" }), "amount_cents"),
        (json!({ "amount_cents": "1", "reason": "x" }), "amount_cents"),
        (json!({ "amount_cents": 18_446_744_073_709_551_615_u64, "reason": "x" }), "amount_cents"),
        (json!({ "reason": "x" }), "amount_cents"),
        (json!({ "amount_cents": 1 }), "reason"),
        (json!({ "amount_cents": 1, "reason": " " }), "reason"),
        (json!({ "amount_cents": 1, "reason": "a\u{202e}b" }), "reason"),
        (json!({ "amount_cents": 1, "reason": "a\0b" }), "reason"),
        (json!({ "amount_cents": 1, "reason": "x".repeat(201) }), "reason"),
        (json!({ "amount_cents": 1, "reason": "x", "to": "me" }), "to"),
    ] {
        let answer = server.send_json_as(&admin, "POST", DEBIT, &body).await;
        assert_eq!((answer.status, answer.error()), (422, "validation_error"), "{body}");
        assert_eq!(answer.json["error"]["field"], field, "{body}");
    }
    assert_eq!(balance(&server, &admin).await, 500);
}

#[tokio::test]
async fn a_balance_has_an_upper_end() {
    let server = TestServer::start().await;
    let operator = operators_key(&server).await;

    let most = server.send_json_as(&operator, "POST", GRANT, &of(1_000_000_000_000_000 - 500)).await;
    let more = server.send_json_as(&operator, "POST", GRANT, &of(1)).await;

    assert_eq!((most.status, &most.json["balance_cents"]), (200, &json!(1_000_000_000_000_000_i64)));
    assert_eq!((more.status, &more.json["error"]["field"]), (422, &json!("amount_cents")));
}

#[tokio::test]
async fn a_debit_sent_again_with_its_key_is_taken_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for _ in 0..3 {
        let request = server.request("POST", DEBIT).bearer_auth(&admin).header("idempotency-key", "may");
        assert_eq!(Answer::of(request.json(&of(100))).await.json["balance_cents"], 400);
    }

    assert_eq!(balance(&server, &admin).await, 400);
}

#[tokio::test]
async fn the_ledger_is_read_by_page() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (_, foreign) = server.key(eve.organization, "admin").await;
    for amount in [1, 2, 3] {
        server.send_json_as(&admin, "POST", DEBIT, &of(amount)).await;
    }
    server.send_json_as(&foreign, "POST", DEBIT, &of(77)).await;

    let first = server.get_as(&admin, &format!("{CREDITS}?limit=2")).await;
    let cursor = first.field("next_cursor");
    let second = server.get_as(&admin, &format!("{CREDITS}?limit=2&cursor={cursor}")).await;

    let amounts = |page: &Answer| -> Vec<i64> {
        page.json["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["amount_cents"].as_i64().unwrap())
            .collect()
    };
    assert_eq!((amounts(&first), amounts(&second)), (vec![-3, -2], vec![-1]));
    assert_eq!(second.json["next_cursor"], json!(null));
    let junk = server.get_as(&admin, &format!("{CREDITS}?cursor=x")).await;
    assert_eq!((junk.status, &junk.json["error"]["field"]), (400, &json!("cursor")));
}
