//! Starting with nothing, stopping, and starting again.

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Folder;
use crate::support::Program;
use crate::support::TestDatabase;

/// On any free port.
fn program(folder: &Folder) -> Program {
    Program::new(folder).with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
}

/// What the demo says, by the words before it.
fn said(text: &str, label: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label:?} in {text}")).trim().to_owned()
}

async fn get(url: &str, path: &str, key: &str) -> Answer {
    Answer::of(reqwest::Client::new().get(format!("{url}{path}")).bearer_auth(key)).await
}

#[tokio::test]
async fn with_nothing_set_it_starts_and_prints_a_demo_that_works() {
    let folder = Folder::new();
    let mut server = program(&folder).serve(&[]);

    let url = server.url().await;

    let text = server.stdout();
    let who = get(&url, "/v1/auth/test", &said(&text, "API key")).await;
    assert_eq!(who.status, 200, "{}", who.text);
    assert_eq!(who.json["organization"]["name"], "Demo");
    let browser = Browser::new(&url);
    browser.sign_in(&said(&text, "Person"), &said(&text, "Password")).await;
    assert!(browser.get("/settings/developer").await.text.contains(&said(&text, "Public client")));
    let start = browser.get(&format!("/playground?client_id={}", said(&text, "Confidential client"))).await;
    for grant in ["code", "pushed", "device", "client_credentials"] {
        assert!(start.text.contains(&format!("name=\"grant\" value=\"{grant}\"")), "{grant}");
    }
    let form = [("grant_type", "client_credentials")];
    let request = reqwest::Client::new().post(format!("{url}/oauth/token")).form(&form);
    let request = request.basic_auth(said(&text, "Confidential client"), Some(said(&text, "Its secret")));
    assert_eq!(Answer::of(request).await.status, 200);
    assert!(text.contains("/playground"), "{text}");
}

#[tokio::test]
async fn started_again_or_killed_it_has_the_same_credentials_and_data() {
    let folder = Folder::new();
    let program = program(&folder);
    let mut first = program.serve(&["serve"]);
    first.url().await;
    let text = first.stdout();
    first.signal("TERM");
    assert_eq!(first.end().await, Some(0), "{}", first.stderr());

    let mut second = program.serve(&["serve"]);
    second.url().await;
    assert_eq!(second.stdout(), text, "after a stop");
    second.signal("KILL");
    second.end().await;

    let mut third = program.serve(&["serve"]);
    let url = third.url().await;
    assert_eq!(third.stdout(), text, "after a crash");
    assert_eq!(get(&url, "/v1/auth/test", &said(&text, "API key")).await.status, 200);
}

#[tokio::test]
async fn a_second_server_on_the_same_data_says_so() {
    let folder = Folder::new();
    let program = program(&folder);
    let mut first = program.serve(&["serve"]);
    let url = first.url().await;

    let second = program.run(&["serve"]).await;

    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("another server is already running"), "{second:?}");
    let key = said(&first.stdout(), "API key");
    assert_eq!(get(&url, "/v1/auth/test", &key).await.status, 200, "the first goes on");
}

#[tokio::test]
async fn commands_work_beside_it_on_its_own_database() {
    let folder = Folder::new();
    let program = program(&folder);
    let mut server = program.serve(&["serve"]);
    let url = server.url().await;

    let arguments =
        ["apikey", "create", "--organization", "Demo", "--label", "CI", "--scope", "read", "--json"];
    let created = program.run(&arguments).await.json();
    let doctor = program.run(&["doctor"]).await;

    assert_eq!(get(&url, "/v1/auth/test", created["key"].as_str().unwrap()).await.status, 200);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
}

#[tokio::test]
async fn what_it_keeps_is_for_its_own_eyes() {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::new();
    let mut server = program(&folder).serve(&["serve"]);
    server.url().await;

    let secret = std::fs::metadata(folder.path().join("data/secret")).unwrap();
    let cluster = std::fs::metadata(folder.path().join("data/postgres/cluster")).unwrap();

    assert_eq!(secret.mode() & 0o077, 0);
    assert_eq!(cluster.mode() & 0o077, 0);
}

#[tokio::test]
async fn on_a_given_database_there_is_no_demo_unless_asked_for() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder).with("COUNTERSIGN_LISTEN", "127.0.0.1:0");
    let mut plain = program.serve(&["serve"]);
    plain.url().await;
    assert_eq!(plain.stdout(), "");
    plain.signal("INT");
    assert_eq!(plain.end().await, Some(0), "{}", plain.stderr());

    let mut with_demo = program.serve(&["serve", "--demo"]);
    let url = with_demo.url().await;

    assert_eq!(get(&url, "/v1/auth/test", &said(&with_demo.stdout(), "API key")).await.status, 200);
    assert!(!folder.path().join("data").exists(), "all it needs is given");
}

#[tokio::test]
async fn an_address_that_is_taken_is_said_to_be() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let outcome =
        Program::beside(&database, &folder).with("COUNTERSIGN_LISTEN", &address).run(&["serve"]).await;

    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains(&format!("cannot listen on {address}")), "{outcome:?}");
}

#[tokio::test]
async fn a_database_sealed_with_another_secret_is_not_served() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder).with("COUNTERSIGN_LISTEN", "127.0.0.1:0");
    let mut server = program.serve(&["serve"]);
    server.url().await;
    server.signal("TERM");
    server.end().await;

    let outcome =
        program.with("COUNTERSIGN_SECRET", "another secret that is long enough, too").run(&["serve"]).await;

    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("secret"), "{outcome:?}");
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_it_stops() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder).with("COUNTERSIGN_LISTEN", "127.0.0.1:0");
    let mut server = program.serve(&["serve"]);
    let url = server.url().await;
    let body = "grant_type=refresh_token&refresh_token=x&client_id=x";
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    // Answered only after the request above has reached the server.
    assert_eq!(get(&url, "/livez", "").await.status, 200);

    server.signal("TERM");
    while !server.stderr().contains("stopping") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stream.write_all(&body.as_bytes()[10..]).unwrap();

    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("invalid_client"), "{answer}");
    assert_eq!(server.end().await, Some(0), "{}", server.stderr());
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_it_from_stopping() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder).with("COUNTERSIGN_LISTEN", "127.0.0.1:0");
    let mut server = program.with("COUNTERSIGN_SHUTDOWN_SECONDS", "1").serve(&["serve"]);
    let url = server.url().await;
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n").unwrap();
    assert_eq!(get(&url, "/livez", "").await.status, 200);

    server.signal("TERM");

    assert_eq!(server.end().await, Some(0), "{}", server.stderr());
}

#[tokio::test]
async fn what_was_asked_last_is_in_the_access_log_when_it_has_stopped() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder).with("COUNTERSIGN_LISTEN", "127.0.0.1:0");
    let mut server = program.with("COUNTERSIGN_DEMO", "true").serve(&["serve"]);
    let url = server.url().await;
    let key = said(&server.stdout(), "API key");
    for _ in 0..3 {
        assert_eq!(get(&url, "/v1/auth/test", &key).await.status, 200);
    }

    server.signal("TERM");
    let code = server.end().await;

    let written: i64 =
        sqlx::query_scalar("select count(*) from access_log").fetch_one(&database.pool()).await.unwrap();
    assert_eq!((code, written), (Some(0), 3), "{}", server.stderr());
}
