//! `countersign client create`, `user create`, `apikey create`: beside a running server, on its database.

use serde_json::json;

use crate::support::CALLBACK;
use crate::support::Folder;
use crate::support::OAuthClient;
use crate::support::Outcome;
use crate::support::PASSWORD;
use crate::support::Program;
use crate::support::TestServer;
use crate::support::TestUser;

struct Beside {
    server: TestServer,
    ada: TestUser,
    program: Program,
    _folder: Folder,
}

impl Beside {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let ada = server.user("ada").await;
        let folder = Folder::new();
        let program = Program::beside(&server.database, &folder);
        Self { server, ada, program, _folder: folder }
    }

    async fn create_user(&self, arguments: &[&str]) -> Outcome {
        let arguments = [&["user", "create", "--password-stdin", "--json"], arguments].concat();
        self.program.run_with_input(&arguments, &format!("{PASSWORD}\n")).await
    }
}

#[tokio::test]
async fn a_public_client_works_at_once() {
    let beside = Beside::start().await;

    let outcome = beside
        .program
        .run(&[
            "client",
            "create",
            "--organization",
            "ada Inc",
            "--name",
            "CRM",
            "--type",
            "public",
            "--redirect-uri",
            CALLBACK,
            "--redirect-uri",
            "http://127.0.0.1/callback",
            "--scope",
            "read",
            "--scope",
            "write",
            "--json",
        ])
        .await;

    let created = outcome.json();
    let client = OAuthClient { id: created["client_id"].as_str().unwrap().to_owned(), secret: None };
    assert_eq!(created, json!({ "client_id": client.id }));
    let browser = beside.server.browser_of(&beside.ada).await;
    client.tokens(&beside.server, &browser).await;
}

#[tokio::test]
async fn a_confidential_client_comes_with_its_secret() {
    let beside = Beside::start().await;

    let outcome = beside
        .program
        .run(&[
            "client",
            "create",
            "--organization",
            "1",
            "--name",
            "Jobs",
            "--type",
            "confidential",
            "--scope",
            "read write",
            "--grant-type",
            "client_credentials",
            "--json",
        ])
        .await;

    let created = outcome.json();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    let client = OAuthClient { id: text("client_id"), secret: Some(text("client_secret")) };
    assert_eq!(created, json!({ "client_id": client.id, "client_secret": client.secret }));
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let answer = client.post(&beside.server, "/oauth/token", &form).await;
    assert_eq!((answer.status, &answer.json["scope"]), (200, &json!("read")), "{}", answer.text);
}

#[tokio::test]
async fn a_person_gets_an_organization_of_their_own_and_can_sign_in() {
    let beside = Beside::start().await;

    let created = beside.create_user(&["--email", "bob@example.com"]).await.json();

    let answer = beside.server.log_in("bob@example.com", PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(created["id"], answer.json["user"]["id"]);
    assert_eq!(created["email"], "bob@example.com");
    assert_eq!(answer.json["user"]["companyId"], 2);
}

#[tokio::test]
async fn a_person_can_join_an_organization() {
    let beside = Beside::start().await;

    let number = beside.ada.organization.to_string();
    beside
        .create_user(&["--email", "bob@example.com", "--organization", &number, "--role", "member"])
        .await
        .json();

    let answer = beside.server.log_in("bob@example.com", PASSWORD).await;
    assert_eq!(answer.json["user"]["companyId"], 1);
    let session = crate::support::Session::of(&answer);
    let who = beside.server.get_as(&session.access_token, "/v1/auth/test").await;
    assert_eq!(who.json["scopes"], json!(["read", "write", "delete"]));
}

#[tokio::test]
async fn the_audit_log_of_the_server_tells_of_a_superadmin_made_here() {
    let beside = Beside::start().await;

    let created = beside.create_user(&["--email", "root@example.com", "--superadmin"]).await.json();

    let browser = beside.server.browser();
    browser.sign_in("root@example.com", PASSWORD).await;
    let page = browser.get("/admin/audit-log").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for told in ["user.superadmin_changed", "operator", created["id"].as_str().unwrap()] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
}

#[tokio::test]
async fn a_key_works_at_once() {
    let beside = Beside::start().await;

    let arguments = ["apikey", "create", "--organization", "1", "--label", "CI", "--scope", "read", "--json"];
    let created = beside.program.run(&arguments).await.json();

    let (id, key) = (created["id"].as_str().unwrap(), created["key"].as_str().unwrap());
    assert_eq!(created, json!({ "id": id, "key": key }));
    let who = beside.server.get_as(key, "/v1/auth/test").await;
    assert_eq!(who.json["key"], json!({ "id": id, "label": "CI" }));
    assert_eq!(who.json["scopes"], json!(["read"]));
    assert_eq!(who.json["organization"]["id"], beside.ada.organization.to_string());
}

#[tokio::test]
async fn without_json_a_person_can_read_it() {
    let beside = Beside::start().await;

    let arguments = ["apikey", "create", "--organization", "1", "--label", "CI", "--scope", "read"];
    let outcome = beside.program.run(&arguments).await;

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.lines().any(|line| line.starts_with("key: sk_")), "{outcome:?}");
}

#[tokio::test]
async fn what_cannot_be_made_is_a_failure_and_nothing_is_made() {
    let beside = Beside::start().await;
    let long = "x".repeat(500);
    let client = ["client", "create", "--name", "x", "--json"];
    let public = ["--type", "public", "--scope", "read"];

    for arguments in [
        [&client[..], &public, &["--organization", "nobody", "--redirect-uri", CALLBACK]].concat(),
        [&client[..], &public, &["--organization", "1"]].concat(),
        [&client[..], &public, &["--organization", "1", "--redirect-uri", "javascript:alert(1)"]].concat(),
        [
            &client[..],
            &["--type", "public", "--scope", "fly", "--organization", "1", "--redirect-uri", CALLBACK],
        ]
        .concat(),
        vec!["apikey", "create", "--organization", "nobody", "--label", "x", "--scope", "read"],
        vec!["apikey", "create", "--organization", "1", "--label", "", "--scope", "read"],
        vec!["apikey", "create", "--organization", "1", "--label", &long, "--scope", "read"],
        vec!["apikey", "create", "--organization", "1", "--label", "x", "--scope", "fly"],
        vec!["apikey", "create", "--organization", "1", "--label", "x", "--scope", ""],
    ] {
        let outcome = beside.program.run(&arguments).await;

        assert_eq!(outcome.code, Some(1), "{arguments:?}: {outcome:?}");
        assert!(outcome.stdout.is_empty(), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.starts_with("countersign: "), "{arguments:?}: {outcome:?}");
    }
    for (email, password) in
        [("ada@example.com", PASSWORD), ("nobody", PASSWORD), ("eve@example.com", "short")]
    {
        let arguments = ["user", "create", "--email", email, "--password-stdin", "--json"];
        let outcome = beside.program.run_with_input(&arguments, password).await;

        assert_eq!(outcome.code, Some(1), "{email}: {outcome:?}");
    }
    let counts: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from clients), (select count(*) from api_keys), (select count(*) from users)",
    )
    .fetch_one(&beside.server.app.db)
    .await
    .unwrap();
    assert_eq!(counts, (0, 0, 1));
}

#[tokio::test]
async fn an_organization_whose_name_several_have_must_be_named_otherwise() {
    let beside = Beside::start().await;
    for email in ["one@example.com", "two@example.com"] {
        let registration = json!({ "email": email, "password": PASSWORD, "companyName": "Acme" });
        beside.server.post_json("/api/auth/register", &registration).await;
    }

    let create = async |organization: &str| {
        let arguments =
            ["apikey", "create", "--organization", organization, "--label", "x", "--scope", "read"];
        beside.program.run(&arguments).await
    };
    let (by_name, by_number) = (create("Acme").await, create("3").await);

    assert_eq!((by_name.code, by_number.code), (Some(1), Some(0)), "{by_name:?} {by_number:?}");
}
