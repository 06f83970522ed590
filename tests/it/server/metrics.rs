//! What Prometheus is told.

use crate::support::Answer;
use crate::support::Folder;
use crate::support::Program;
use crate::support::TestDatabase;
use crate::support::TestServer;

/// The values whose name and labels begin so, whatever their order.
fn values(server: &TestServer, beginning: &str) -> Vec<(String, u64)> {
    let text = server.app.metrics.to_text().unwrap();
    let lines = text.lines().filter(|line| line.starts_with(beginning));
    let mut values: Vec<(String, u64)> = lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values
}

fn value(server: &TestServer, name: &str) -> u64 {
    let found = values(server, &format!("{name} "));
    let text = server.app.metrics.to_text().unwrap();
    found.first().unwrap_or_else(|| panic!("no {name} in {text}")).1
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (id, key) = server.key(ada.organization, "admin").await;

    server.get_as(&key, "/v1/auth/test").await;
    server.get_as(&key, "/v1/auth/test").await;
    server.get_as("junk", "/v1/auth/test").await;
    server.get_as(&key, &format!("/v1/api-keys/{id}")).await;

    let requests = |rest: &str| value(&server, &format!("countersign_requests_total{rest}"));
    assert_eq!(requests(r#"{route="/v1/auth/test",method="GET",status="200"}"#), 2);
    assert_eq!(requests(r#"{route="/v1/auth/test",method="GET",status="401"}"#), 1);
    assert_eq!(requests(r#"{route="/v1/api-keys/{id}",method="GET",status="200"}"#), 1);
    let duration = r#"countersign_request_duration_seconds_count{route="/v1/auth/test",method="GET"}"#;
    assert_eq!(value(&server, duration), 3);
}

#[tokio::test]
async fn no_caller_makes_values_of_labels_up() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    for path in
        ["/evil", "/evil/1", "/v1/evil", "/v1/evil/2", "/v1/api-keys/evil", "/api/auth/evil", "/errors/evil"]
    {
        for method in ["GET", "EVIL", "EVIL2", "POST"] {
            Answer::of(server.request(method, path).bearer_auth(&key).header("host", "evil")).await;
        }
    }

    let text = server.app.metrics.to_text().unwrap();
    assert!(!text.to_lowercase().contains("evil"), "{text}");
    assert!(text.contains(r#"method="other""#), "{text}");
    assert!(text.contains(r#"route="(none)""#), "{text}");
    assert!(!text.contains("private"), "no route of the router's own making: {text}");
}

#[tokio::test]
async fn decisions_tokens_and_the_database_are_told_of() {
    let server = TestServer::start().await;
    let ada = server.user_on_plan("ada", "free").await;
    let (_, key) = server.key(ada.organization, "read").await;
    let client = server.confidential_client(ada.organization).await;
    for _ in 0..12 {
        server.get_as(&key, "/v1/auth/test").await;
    }
    server.get("/api/auth/me").await;

    client.post(&server, "/oauth/token", &[("grant_type", "client_credentials")]).await;
    client.post(&server, "/oauth/token", &[("grant_type", "client_credentials"), ("scope", "none")]).await;
    server.write_access_log().await;

    let decisions = values(&server, "countersign_rate_limit_decisions_total");
    let expected = [
        (r#"{subject="address",outcome="allowed"}"#, 1),
        (r#"{subject="credential",outcome="allowed"}"#, 10),
        (r#"{subject="credential",outcome="refused"}"#, 2),
    ];
    let expected =
        expected.map(|(rest, value)| (format!("countersign_rate_limit_decisions_total{rest}"), value));
    assert_eq!(decisions, expected);
    let issues = values(&server, "countersign_token_issues_total");
    let issue = r#"countersign_token_issues_total{grant_type="client_credentials"}"#.to_owned();
    assert_eq!(issues, [(issue, 1)], "what was refused is none");
    assert_eq!(value(&server, "countersign_access_log_written_total"), 12);
    assert_eq!(value(&server, "countersign_access_log_dropped_total"), 0);
    assert_eq!(value(&server, "countersign_access_log_waiting"), 0);
    assert_eq!(value(&server, "countersign_rate_limit_fallbacks_total"), 0);
    assert!(value(&server, "countersign_database_connections") >= 1);
    let connections = value(&server, "countersign_database_connections");
    assert!(value(&server, "countersign_database_connections_idle") <= connections);
    assert_eq!(value(&server, "countersign_cache_trusted"), 1);
    assert!(values(&server, "countersign_redis_up").is_empty(), "there is no Redis");
}

#[tokio::test]
async fn they_are_on_an_address_of_their_own() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_METRICS_LISTEN", "127.0.0.1:0");
    let mut running = program.serve(&["serve"]);
    let url = running.url().await;
    let said = running.stderr();
    let address = said.split("metrics=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let address = address.unwrap_or_else(|| panic!("no address of metrics in {said}"));
    let get = |url: String| Answer::of(reqwest::Client::new().get(url));
    get(format!("{url}/livez")).await;

    let metrics = get(format!("http://{address}/metrics")).await;

    assert_eq!(metrics.status, 200);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.header("content-type"), Some(content_type));
    let request = r#"countersign_requests_total{route="/livez",method="GET",status="200"} 1"#;
    assert!(metrics.text.contains(request), "{}", metrics.text);
    assert!(metrics.text.ends_with("# EOF\n"), "{}", metrics.text);
    assert_eq!(get(format!("{url}/metrics")).await.status, 404, "callers do not see them");
    assert_eq!(get(format!("http://{address}/livez")).await.status, 404);
}

#[tokio::test]
async fn where_they_cannot_be_had_the_server_serves_all_the_same() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = Program::beside(&database, &folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_METRICS_LISTEN", &address);
    let mut running = program.serve(&["serve"]);

    let url = running.url().await;

    assert_eq!(Answer::of(reqwest::Client::new().get(format!("{url}/livez"))).await.status, 200);
    let warning = format!("there are no metrics: cannot listen on {address}");
    assert!(running.stderr().contains(&warning), "{}", running.stderr());
}
