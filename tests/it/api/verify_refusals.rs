//! Forward-auth: who may not pass, and how a proxy is told so.

use std::time::Duration;

use countersign::base::ids::OrganizationId;
use serde_json::Value;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::support::Answer;
use crate::support::RawConnection;
use crate::support::TestServer;

const PATH: &str = "/v1/auth/verify";

async fn ask(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request("GET", path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

/// What an operator has done to an organization.
async fn change(server: &TestServer, organization: OrganizationId, to: &str) {
    let sql = format!("update organizations set {to} where id = $1");
    sqlx::query(AssertSqlSafe(sql)).bind(organization).execute(&server.app.db).await.unwrap();
    server.hear().await;
}

async fn behind_a_proxy() -> TestServer {
    TestServer::start_with(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await
}

/// The same refusal three times: as it is, to nginx, and to Envoy.
async fn assert_refused(server: &TestServer, headers: &[(&str, &str)], status: u16, code: &str) {
    let plain = ask(server, PATH, headers).await;
    let mapped = ask(server, &format!("{PATH}?status=403"), headers).await;
    let by_path = ask(server, &format!("{PATH}/v1/contacts?status=403"), headers).await;

    assert_eq!((plain.status, plain.error()), (status, code), "{}", plain.text);
    assert_eq!((mapped.status, by_path.status), (403, status), "{code}");
    assert_eq!(mapped.header("x-auth-status"), Some(status.to_string().as_str()), "{code}");
    assert_eq!(plain.header("x-auth-status"), None, "{code}");
    for answer in [&plain, &mapped, &by_path] {
        assert_eq!(answer.json, plain.json, "{code}");
        let in_header: Value = serde_json::from_str(answer.header("x-auth-error").unwrap()).unwrap();
        assert_eq!(in_header, plain.json, "{code}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{code}");
        for name in ["retry-after", "www-authenticate", "x-ratelimit-limit", "content-type"] {
            assert_eq!(answer.header(name), plain.header(name), "{code} {name}");
        }
        for name in ["x-auth-subject", "x-auth-organization", "x-auth-scopes", "x-auth-credential"] {
            assert_eq!(answer.header(name), None, "{code} {name}");
        }
    }
}

#[tokio::test]
async fn each_refusal_is_told_as_it_is_or_as_403() {
    let server = behind_a_proxy().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let (_, key) = server.key(ada.organization, "read").await;
    let (_, writer) = server.key(ada.organization, "write").await;
    let (_, suspended) = server.key(bob.organization, "read").await;
    let eve = server.user("eve").await;
    let (_, broke) = server.key(eve.organization, "read").await;
    let zoe = server.user("zoe").await;
    let (_, elsewhere) = server.key(zoe.organization, "read").await;
    change(&server, bob.organization, "suspended_at = created_at").await;
    change(&server, eve.organization, "credits_cents = 0, credits_exhausted_at = created_at").await;
    change(&server, zoe.organization, "ip_allowlist_enabled = true, ip_allowlist = '{192.0.2.0/24}'").await;
    let plain_http = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http")];

    assert_refused(&server, &[], 401, "unauthorized").await;
    assert_refused(&server, &[("x-api-key", "junk")], 401, "unauthorized").await;
    assert_refused(&server, &[("x-api-key", &key), ("authorization", "Bearer other")], 400, "bad_request")
        .await;
    assert_refused(&server, &[("x-api-key", &writer)], 403, "forbidden").await;
    assert_refused(&server, &[("x-api-key", &suspended)], 403, "forbidden").await;
    assert_refused(&server, &[("x-api-key", &elsewhere)], 403, "ip_not_allowed").await;
    assert_refused(
        &server,
        &[&[("x-api-key", key.as_str())], &plain_http[..]].concat(),
        403,
        "insecure_connection",
    )
    .await;
    assert_refused(&server, &[("x-api-key", &broke)], 402, "payment_required").await;
    let free = server.user_on_plan("fay", "free").await;
    let (_, busy) = server.key(free.organization, "read").await;
    for _ in 0..10 {
        assert_eq!(ask(&server, PATH, &[("x-api-key", &busy)]).await.status, 200);
    }
    assert_refused(&server, &[("x-api-key", &busy)], 429, "rate_limit_exceeded").await;
    server.lose_database().await;
    assert_refused(&server, &[("x-api-key", &key)], 503, "unavailable").await;
}

/// Nobody passes on what is remembered, and a proxy that asks for 403 is not told 403 as if it were meant.
#[tokio::test]
async fn without_the_database_nobody_passes() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let session = server.session_of(&ada).await.access_token;
    let client = server.confidential_client(ada.organization).await;
    let token = client.tokens(&server, &server.browser_of(&ada).await).await.field("access_token");
    for credential in [&key, &session, &token] {
        assert_eq!(server.get_as(credential, PATH).await.status, 200);
    }
    server.lose_database().await;

    for credential in [&key, &session, &token] {
        let answer = server.get_as(credential, PATH).await;

        assert_eq!(answer.status, 503);
        let error = json!({ "code": "unavailable", "message": "The service is temporarily unavailable",
                            "retry_after": 2 });
        assert_eq!(
            (answer.json, answer.headers["retry-after"].to_str().unwrap()),
            (json!({ "error": error }), "2")
        );
    }
    server.database.bring_back().await;
    assert_eq!(server.get_as(&key, PATH).await.status, 200);
}

/// A checksum tells that it is junk: with the pool closed, any look-up would be a 503.
#[tokio::test]
async fn junk_is_refused_without_the_database() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    server.app.db.close().await;
    let flipped = |at: usize| {
        let mut bytes = key.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        String::from_utf8(bytes).unwrap()
    };

    let mut junk: Vec<String> = (3..key.len()).step_by(5).map(flipped).collect();
    junk.extend(["", "junk", "sk_", "Bearer", &key[..key.len() - 1], &format!("{key}x")].map(str::to_owned));
    for junk in junk {
        for name in ["x-api-key", "authorization"] {
            let value = if name == "authorization" { format!("Bearer {junk}") } else { junk.clone() };
            assert_eq!(ask(&server, PATH, &[(name, &value)]).await.status, 401, "{name}: {value}");
        }
    }
    assert_eq!(ask(&server, PATH, &[("x-api-key", &key)]).await.status, 503, "the real one is looked for");
}

/// A proxy sets one kind of header; its caller may have made up the other.
#[tokio::test]
async fn headers_that_disagree_are_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "admin").await;

    for (headers, status) in [
        (&[("x-forwarded-method", "GET"), ("x-original-method", "GET")][..], 200),
        (&[("x-forwarded-uri", "/a?b"), ("x-original-URI", "/a?b")], 200),
        (&[("x-forwarded-method", "DELETE"), ("x-original-method", "GET")], 400),
        (&[("x-forwarded-method", "GET"), ("x-original-method", "DELETE")], 400),
        (&[("x-forwarded-method", "DELETE"), ("x-forwarded-method", "GET")], 400),
        (&[("x-original-method", "GET"), ("x-original-method", "GET")], 400),
        (&[("x-forwarded-method", "GET, DELETE")], 400),
        (&[("x-forwarded-method", "")], 400),
        (&[("x-forwarded-uri", "/a"), ("x-original-uri", "/b")], 400),
        (&[("x-original-uri", "/a"), ("x-original-uri", "/a")], 400),
    ] {
        let headers = [&[("x-api-key", key.as_str())], headers].concat();
        let plain = ask(&server, PATH, &headers).await;
        let mapped = ask(&server, &format!("{PATH}?status=403"), &headers).await;

        assert_eq!(plain.status, status, "{headers:?}");
        assert_eq!(mapped.status, if status == 200 { 200 } else { 403 }, "{headers:?}");
        if status != 200 {
            assert_eq!((plain.error(), mapped.header("x-auth-status")), ("bad_request", Some("400")));
        }
    }
}

/// They could be sent with `scope=` as well; only where a request comes from is a matter of trust.
#[tokio::test]
async fn what_a_stranger_forwards_gains_nothing() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    change(&server, ada.organization, "ip_allowlist_enabled = true, ip_allowlist = '{192.0.2.0/24}'").await;

    for name in ["x-forwarded-for", "x-real-ip", "forwarded", "x-original-for", "client-ip"] {
        let value = if name == "forwarded" { "for=192.0.2.1" } else { "192.0.2.1" };
        let answer = ask(&server, PATH, &[("x-api-key", &key), (name, value)]).await;
        assert_eq!((answer.status, answer.error()), (403, "ip_not_allowed"), "{name}");
    }
    let own = [
        ("x-auth-subject", "root"),
        ("x-auth-scopes", "admin"),
        ("x-auth-status", "200"),
        ("x-auth-organization", "x"),
    ];
    change(&server, ada.organization, "ip_allowlist = '{127.0.0.1}'").await;
    let headers = [&[("x-api-key", key.as_str()), ("x-forwarded-method", "PUT")], &own[..]].concat();
    assert_eq!(ask(&server, PATH, &headers).await.status, 403);
    let headers = [&[("x-api-key", key.as_str())], &own[..]].concat();
    let answer = ask(&server, PATH, &headers).await;
    assert_eq!((answer.status, answer.header("x-auth-scopes")), (200, Some("read")));
}

#[tokio::test]
async fn behind_a_proxy_the_caller_s_address_counts() {
    let server = behind_a_proxy().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let list = "ip_allowlist_enabled = true, ip_allowlist = '{192.0.2.0/24,2001:db8::/32}'";
    change(&server, ada.organization, list).await;

    for (from, status) in [
        ("192.0.2.1", 200),
        ("::ffff:192.0.2.1", 200),
        ("2001:db8::1", 200),
        ("192.0.3.1", 403),
        ("192.0.2.1, 203.0.113.9", 403),
        ("203.0.113.9, 192.0.2.1", 200),
        ("192.0.2.1, 127.0.0.2", 200),
        ("nonsense", 403),
        ("192.0.2.1, nonsense", 403),
    ] {
        let headers =
            [("x-api-key", key.as_str()), ("x-forwarded-for", from), ("x-forwarded-proto", "https")];
        assert_eq!(ask(&server, PATH, &headers).await.status, status, "{from}");
    }
}

#[tokio::test]
async fn a_body_is_not_waited_for() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "write").await;

    for path in [PATH.to_owned(), format!("{PATH}/v1/contacts")] {
        for framing in ["content-length: 104857600", "transfer-encoding: chunked"] {
            let mut connection = RawConnection::open(&server).await;
            let request =
                format!("POST {path} HTTP/1.1\r\nhost: test\r\nx-api-key: {key}\r\n{framing}\r\n\r\n");
            let answer = tokio::time::timeout(Duration::from_secs(5), connection.send(&request)).await;

            assert_eq!(answer.expect("it waits for the body").status, 200, "{path} {framing}");
        }
    }
}

/// Caddy does so unless it is told otherwise; a caller could choose the scope.
#[tokio::test]
async fn a_query_that_is_the_caller_s_own_is_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let ask_about = async |query: &str, uri: &str| {
        let headers =
            [("x-api-key", key.as_str()), ("x-forwarded-method", "DELETE"), ("x-forwarded-uri", uri)];
        ask(&server, &format!("{PATH}?{query}"), &headers).await
    };

    let passed_on = ask_about("scope=read", "/v1/contacts?scope=read").await;
    let resource = ask_about("resource=x", "/v1/contacts?resource=x").await;
    let own = ask_about("scope=read", "/v1/contacts?scope=read&x").await;
    let harmless = ask_about("status=403", "/v1/contacts?status=403").await;

    let error = json!({ "code": "bad_request", "message": "The proxy passes the query of its caller on" });
    for answer in [passed_on, resource] {
        assert_eq!((answer.status, answer.json), (400, json!({ "error": error })));
    }
    assert_eq!(own.status, 200, "set by the proxy");
    assert_eq!((harmless.status, harmless.error()), (403, "forbidden"), "the method counts");
}
