//! Two processes of the server on one database, as two machines run them.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::support::Answer;
use crate::support::Folder;
use crate::support::Program;
use crate::support::Running;
use crate::support::TestDatabase;

const PATH: &str = "/v1/auth/test";

struct Nodes {
    program: Program,
    here: String,
    there: String,
    // In the order in which they have to go.
    _servers: [Running; 2],
    _database: TestDatabase,
    _folder: Folder,
}

impl Nodes {
    async fn start() -> Self {
        let (folder, database) = (Folder::new(), TestDatabase::create().await);
        let program = Program::beside(&database, &folder)
            .with("COUNTERSIGN_ISSUER", "https://auth.example.com")
            .with("COUNTERSIGN_NEW_ORGANIZATION_PLAN", "pro");
        let listening = program.clone().with("COUNTERSIGN_LISTEN", "127.0.0.1:0");
        let mut servers = [listening.serve(&["serve"]), listening.serve(&["serve"])];
        let [here, there] = &mut servers;
        let (here, there) = (here.url().await, there.url().await);
        let nodes = Self { program, here, there, _servers: servers, _database: database, _folder: folder };
        let ada = ["user", "create", "--email", "ada@example.com", "--password-stdin"];
        let outcome = nodes.program.run_with_input(&ada, "correct horse battery").await;
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        nodes
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let outcome = self.program.run(arguments).await;
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
        outcome.stdout
    }

    async fn create(&self, arguments: &[&str]) -> Value {
        let ends = ["--organization", "1", "--json"];
        serde_json::from_str(&self.run(&[arguments, &ends].concat()).await).unwrap()
    }

    async fn key(&self, scope: &str) -> (String, String) {
        let made = self.create(&["apikey", "create", "--label", "test", "--scope", scope]).await;
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }

    async fn statuses(&self, credential: &str) -> [u16; 2] {
        [ask(&self.here, credential).await, ask(&self.there, credential).await]
    }

    /// It takes as long as an announcement takes from one process to another.
    async fn until_both_refuse(&self, credential: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.statuses(credential).await != [401; 2] {
            assert!(Instant::now() < deadline, "a node does not hear of it");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn ask(url: &str, credential: &str) -> u16 {
    Answer::of(reqwest::Client::new().get(format!("{url}{PATH}")).bearer_auth(credential)).await.status
}

#[tokio::test]
async fn what_one_revokes_the_other_refuses() {
    let nodes = Nodes::start().await;
    let (_, admin) = nodes.key("admin").await;
    let (id, key) = nodes.key("read").await;
    assert_eq!(nodes.statuses(&key).await, [200; 2]);

    let request = reqwest::Client::new().delete(format!("{}/v1/api-keys/{id}", nodes.here));
    assert_eq!(Answer::of(request.bearer_auth(&admin)).await.status, 204);

    assert_eq!(ask(&nodes.here, &key).await, 401, "the node that did it");
    nodes.until_both_refuse(&key).await;
    assert_eq!(nodes.statuses(&admin).await, [200; 2]);
}

#[tokio::test]
async fn a_token_signed_by_a_revoked_key_is_dead_on_both_and_a_new_one_counts_on_both() {
    let nodes = Nodes::start().await;
    let client = ["client", "create", "--name", "Job", "--type", "confidential", "--scope", "read"];
    let client = nodes.create(&[&client[..], &["--grant-type", "client_credentials"]].concat()).await;
    let token = async |url: &str| {
        let request = reqwest::Client::new().post(format!("{url}/oauth/token"));
        let request =
            request.basic_auth(client["client_id"].as_str().unwrap(), client["client_secret"].as_str());
        Answer::of(request.form(&[("grant_type", "client_credentials")])).await.field("access_token")
    };
    let old = token(&nodes.here).await;
    assert_eq!(nodes.statuses(&old).await, [200; 2]);
    let keys = nodes.run(&["keys", "list"]).await;
    let signing = keys.lines().find(|line| line.contains("ES256") && line.contains("  signs")).unwrap();

    nodes.run(&["keys", "revoke", signing.split_whitespace().nth(1).unwrap()]).await;

    nodes.until_both_refuse(&old).await;
    assert_eq!(nodes.statuses(&token(&nodes.there).await).await, [200; 2]);
}
