//! `countersign doctor mcp`

use std::collections::BTreeSet;

use countersign::base::secret::Secret;
use countersign::scopes::Scopes;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::Fault;
use crate::support::Folder;
use crate::support::Outcome;
use crate::support::Program;
use crate::support::Receiver;
use crate::support::StandIn;
use crate::support::TestServer;
use crate::support::form_of;

const CORS: [&str; 4] = [
    "cors: resource metadata",
    "cors: server metadata",
    "cors: token endpoint",
    "cors: registration endpoint",
];
const FLOW: [&str; 7] = [
    "flow: answer to the app",
    "flow: tokens for the code",
    "flow: resource takes the token",
    "flow: refresh",
    "flow: refresh with all scopes and resource",
    "flow: refresh again, the answer was lost",
    "flow: revocation",
];

/// The table of a run with `--json`.
struct Table(Vec<Value>);

impl Table {
    fn of(outcome: &Outcome) -> Self {
        let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
        let rows = document["rows"].as_array().unwrap().clone();
        let count = |result| rows.iter().filter(|row| row["result"] == result).count();
        for (name, result) in [("passed", "pass"), ("failed", "fail"), ("skipped", "skipped")] {
            assert_eq!(document[name], count(result), "{name}: {outcome:?}");
        }
        for row in &rows {
            assert_eq!(
                row["result"] == "fail",
                row["advice"].is_string(),
                "only a failure has advice: {row}"
            );
        }
        assert_eq!(outcome.code, Some(i32::from(count("fail") > 0)), "{outcome:?}");
        Self(rows)
    }

    fn with(&self, result: &str) -> BTreeSet<&str> {
        let rows = self.0.iter().filter(|row| row["result"] == result);
        rows.map(|row| row["check"].as_str().unwrap()).collect()
    }

    fn failed(&self) -> BTreeSet<&str> {
        self.with("fail")
    }

    fn reason(&self, check: &str) -> &str {
        let row = self.0.iter().find(|row| row["check"] == check);
        row.unwrap_or_else(|| panic!("no row {check}"))["reason"].as_str().unwrap()
    }
}

async fn examine(url: &str) -> Table {
    let folder = Folder::new();
    Table::of(&Program::new(&folder).run(&["doctor", "mcp", url, "--json"]).await)
}

#[tokio::test]
async fn a_healthy_server_passes_and_is_left_as_it_was() {
    let server = StandIn::start(Fault::None).await;
    let folder = Folder::new();

    let outcome = Program::new(&folder).run(&["doctor", "mcp", &server.url]).await;

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.starts_with(&format!("{}, as an MCP server", server.url)), "{outcome:?}");
    assert!(!outcome.stdout.contains("FAIL") && outcome.stdout.contains(" 0 failed, "), "{outcome:?}");
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
    let (registered, left) = server.clients();
    assert!(registered > 8 && left == 0, "{left} of {registered}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it makes no files");
}

#[tokio::test]
async fn the_rows_stand_under_each_other() {
    let server = StandIn::start(Fault::StraySlash).await;
    let folder = Folder::new();

    let outcome = Program::new(&folder).run(&["doctor", "mcp", &server.url]).await;

    let mut lines = outcome.stdout.lines().skip(2).take_while(|line| !line.is_empty());
    let column = lines.clone().find_map(|line| line.find("401 with")).unwrap();
    assert!(
        lines.clone().all(|line| line.chars().count() <= 120 || line.contains("http")),
        "{}",
        outcome.stdout
    );
    assert!(lines.clone().all(|line| line.as_bytes()[column - 1] == b' '), "{}", outcome.stdout);
    assert!(lines.any(|line| line.starts_with(&format!("{}Do: ", " ".repeat(column)))), "{}", outcome.stdout);
}

#[tokio::test]
async fn an_issuer_is_recognised_and_the_resource_left_out() {
    let server = StandIn::start(Fault::StraySlash).await;

    let table = examine(&server.issuer).await;

    assert_eq!(table.failed(), BTreeSet::from(["server: issuer"]));
    assert!(table.with("skipped").contains("resource"));
    assert!(table.reason("server: issuer").contains("the slash at the end differs"));
}

/// Each fault with what fails because of it, and a part of the first reason.
async fn assert_caught(expected: &[(Fault, &[&str], &str)]) {
    for (fault, checks, reason) in expected {
        let server = StandIn::start(*fault).await;

        let table = examine(&server.url).await;

        assert_eq!(table.failed(), checks.iter().copied().collect(), "{fault:?}");
        if let Some(check) = checks.first() {
            assert!(table.reason(check).contains(reason), "{fault:?}: {}", table.reason(check));
        }
    }
}

#[tokio::test]
async fn each_fault_on_the_way_to_the_server_is_caught_and_nothing_else() {
    let unchallenged = [
        "resource: request without a token",
        "resource: metadata that the challenge names",
        "resource: token that is none",
    ];
    let pages = [
        "resource: metadata at the root",
        "server: metadata, OpenID, path inserted",
        "server: metadata, OpenID, path appended",
    ];
    assert_caught(&[
        (Fault::OpenToAll, &unchallenged, "200 OK"),
        (Fault::UnquotedChallenge, &["resource: metadata that the challenge names"], "double quotes"),
        (Fault::MetadataOfAnother, &["resource: metadata names this resource"], "/other"),
        (Fault::PageForEverything, &pages, "no JSON object"),
        (Fault::StraySlash, &["server: issuer"], "the slash at the end differs"),
        (Fault::DiscoveryBreaks, &["server: metadata, RFC 8414"], "502"),
        (Fault::EndlessMetadata, &["server: metadata, RFC 8414"], "longer than"),
        (Fault::NoPkce, &["server: PKCE with S256"], "lacks S256"),
        (Fault::NoCors, &CORS, "405"),
        (Fault::CorsWithStar, &CORS, "lacks authorization"),
    ])
    .await;
}

#[tokio::test]
async fn each_fault_of_the_server_itself_is_caught_and_nothing_else() {
    let several = ["registration: as VS Code", "registration: several response types"];
    let ports = ["authorize: another port on 127.0.0.1", "authorize: another port on localhost"];
    let gone = "token: client that was deleted";
    assert_caught(&[
        (Fault::StrictRegistration, &several, "invalid_client_metadata"),
        (Fault::RegistrationsCounted, &[], ""),
        (Fault::FixedPort, &ports, "400 Bad Request, invalid_request"),
        (Fault::OpenRedirect, &["authorize: wrong redirect URI"], "never registered"),
        (Fault::NoScopes, &["authorize: scopes of the resource"], "invalid_scope: none"),
        (
            Fault::WrongWord,
            &["token: code that is none", "token: refresh token that is none"],
            "invalid_request",
        ),
        (Fault::UnknownClientIs400, &["token: client that is unknown", gone], "the status is not"),
        (Fault::Undeletable, &["registration: test clients deleted"], "500"),
        (Fault::NoDeletion, &[], ""),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_to_a_registration_that_clients_cannot_read_is_caught_for_each_of_them() {
    let server = StandIn::start(Fault::NullInRegistration).await;

    let table = examine(&server.url).await;

    let failed = table.failed();
    assert!(failed.contains("registration: as Claude") && failed.contains("registration: as Cursor"));
    assert!(failed.iter().all(|check| check.starts_with("registration: ")), "{failed:?}");
    assert!(table.reason("registration: as Claude").contains("client_uri is null"));
    assert_eq!(server.clients().1, 0, "they are deleted all the same");
}

#[tokio::test]
async fn clients_that_cannot_be_deleted_are_named() {
    let server = StandIn::start(Fault::NoDeletion).await;

    let table = examine(&server.url).await;

    let reason = table.reason("registration: test clients deleted");
    assert!((0..server.clients().1).all(|id| reason.contains(&format!("client-{id}"))), "{reason}");
}

#[tokio::test]
async fn what_a_server_says_does_not_reach_the_terminal_as_it_is() {
    let server = StandIn::start(Fault::NoScopes).await;
    let folder = Folder::new();

    let outcome = Program::new(&folder).run(&["doctor", "mcp", &server.url]).await;

    assert!(outcome.stdout.contains("[2Jhere") && !outcome.stdout.contains('\u{1b}'), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_away() {
    let table = examine("http://127.0.0.1:1/mcp").await;

    assert_eq!(table.failed(), BTreeSet::from(["answers"]));
    assert!(table.reason("answers").contains("no answer"));
}

#[tokio::test]
async fn a_person_goes_through_the_whole_flow() {
    let server = StandIn::start(Fault::None).await;

    let table = interactively(&server.url, &[], async |url| {
        Answer::of(reqwest::Client::new().get(format!("{url}&agree=1"))).await;
    })
    .await;

    assert_eq!(table.failed(), BTreeSet::new());
    assert!(table.with("pass").is_superset(&BTreeSet::from(FLOW)), "{:?}", table.0);
    assert_eq!(server.clients().1, 0);
}

#[tokio::test]
async fn a_fault_in_the_flow_is_caught() {
    for (fault, failed, skipped) in [
        (Fault::OtherIss, FLOW[0], &FLOW[1..]),
        (Fault::SameRefreshToken, FLOW[3], &FLOW[4..]),
        (Fault::NoSecondAnswer, FLOW[5], &[]),
    ] {
        let server = StandIn::start(fault).await;

        let table = interactively(&server.url, &[], async |url| {
            Answer::of(reqwest::Client::new().get(format!("{url}&agree=1"))).await;
        })
        .await;

        assert_eq!(table.failed(), BTreeSet::from([failed]), "{fault:?}");
        assert!(
            table.with("skipped").is_superset(&skipped.iter().copied().collect()),
            "{fault:?}: {:?}",
            table.0
        );
        assert_eq!(server.clients().1, 0, "{fault:?}: the clients are deleted all the same");
    }
}

#[tokio::test]
async fn a_token_from_elsewhere_is_tried_and_never_shown() {
    let server = StandIn::start(Fault::None).await;
    let folder = Folder::new();

    for (token, failed) in [("at-good", vec![]), ("at-stolen", vec!["flow: resource takes the token"])] {
        let program = Program::new(&folder).with("MCP_TOKEN", token);
        let outcome = program.run(&["doctor", "mcp", &server.url, "--json"]).await;

        assert_eq!(Table::of(&outcome).failed(), failed.into_iter().collect(), "{token}");
        assert!(!outcome.stdout.contains(token) && !outcome.stderr.contains(token), "{outcome:?}");
    }
}

#[tokio::test]
async fn this_server_passes_and_keeps_nothing_of_it() {
    for path in ["", "/tenants/one"] {
        let server = TestServer::start_with(|settings| settings.issuer.push_str(path)).await;

        let as_api = examine(&format!("{}/v1/auth/test", server.issuer())).await;
        let as_issuer = examine(server.issuer()).await;

        for table in [as_api, as_issuer] {
            assert_eq!(table.failed(), BTreeSet::new(), "{:?}", table.0);
            for check in ["server: issuer", "registration: as Claude", "authorize: another port on localhost"]
            {
                assert!(table.with("pass").contains(check), "{check}: {:?}", table.0);
            }
        }
        let clients: i64 =
            sqlx::query_scalar("select count(*) from clients").fetch_one(&server.app.db).await.unwrap();
        assert_eq!(clients, 0, "{path}");
    }
}

#[tokio::test]
async fn a_server_at_which_nobody_may_register_says_so() {
    let server = TestServer::start_with(|settings| {
        settings.client_registration = "token".to_owned();
        settings.initial_access_token = Some(Secret::new("an initial access token, long enough"));
    })
    .await;

    let table = examine(server.issuer()).await;

    assert!(table.failed().contains("registration: as Claude"), "{:?}", table.0);
    assert!(table.reason("registration: as Claude").contains("registration is closed"));
}

#[tokio::test]
async fn this_server_takes_a_client_through_the_whole_flow_however_it_came() {
    let server = TestServer::start_with(|settings| settings.outgoing_to_private = true).await;
    let ada = server.user("ada").await;
    let by_hand = server
        .client(ada.organization, |registration| {
            registration.redirect_uris = vec!["http://127.0.0.1/callback".to_owned()];
            registration.scopes = Scopes::parse("read write delete admin").unwrap();
        })
        .await;
    let host = Receiver::start().await;
    let document = json!({
        "client_id": host.url,
        "client_name": "Harbour",
        "redirect_uris": ["http://127.0.0.1/callback"],
    });
    host.publish(&document, "max-age=600");
    let browser = server.browser_of(&ada).await;

    for client in [&[][..], &["--client-id", &by_hand.id], &["--client-id", &host.url]] {
        let url = format!("{}/v1/auth/test", server.url);
        let table = interactively(&url, client, async |url| agree(&browser, &url).await).await;

        assert_eq!(table.failed(), BTreeSet::new(), "{client:?}: {:?}", table.0);
        assert!(table.with("pass").is_superset(&BTreeSet::from(FLOW)), "{client:?}: {:?}", table.0);
    }
}

/// What a person does who is signed in.
async fn agree(browser: &Browser, url: &str) {
    let page = browser.get(url).await;
    let form = form_of(&page, "/oauth/authorize");
    let answer = browser.send(&form, &[("decision", "approve")]).await;
    assert_eq!(reqwest::get(answer.location()).await.unwrap().status(), 200);
}

/// `person` opens the page that is asked for.
async fn interactively(url: &str, more: &[&str], person: impl AsyncFnOnce(String)) -> Table {
    let folder = Folder::new();
    let arguments = [&["doctor", "mcp", url, "--json", "--interactive"], more].concat();
    let mut running = Program::new(&folder).serve(&arguments);
    let asked = running.until_it_says("http").await;
    let page = asked.lines().find(|line| line.starts_with("http")).unwrap();
    person(page.to_owned()).await;
    let code = running.end().await;
    Table::of(&Outcome { code, stdout: running.stdout(), stderr: running.stderr() })
}
