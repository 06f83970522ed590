//! `countersign keys list|rotate|revoke`

use crate::support::Answer;
use crate::support::Folder;
use crate::support::Program;
use crate::support::Running;
use crate::support::TestDatabase;

const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

/// Not the word in "announced, signs from".
const SIGNS: &str = "  signs";

/// A server in its own process: keys are rotated by the clock of the machine, not by that of a test.
struct Beside {
    program: Program,
    url: String,
    // In the order in which they have to go.
    _server: Running,
    _database: TestDatabase,
    _folder: Folder,
}

/// The ids of the keys in a list whose line has all of `words`.
fn ids(list: &str, words: &[&str]) -> Vec<String> {
    let lines = list.lines().filter(|line| words.iter().all(|word| line.contains(word)));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
}

async fn start() -> Beside {
    let (folder, database) = (Folder::new(), TestDatabase::create().await);
    let program = Program::beside(&database, &folder);
    let mut server = program.clone().with("COUNTERSIGN_LISTEN", "127.0.0.1:0").serve(&["serve"]);
    let url = server.url().await;
    Beside { program, url, _server: server, _database: database, _folder: folder }
}

async fn published(beside: &Beside) -> Vec<String> {
    let jwks = Answer::of(reqwest::Client::new().get(format!("{}/oauth/jwks", beside.url))).await;
    let keys = jwks.json["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn run(program: &Program, arguments: &[&str]) -> String {
    let outcome = program.run(arguments).await;
    assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:?}");
    outcome.stdout
}

#[tokio::test]
async fn a_list_tells_what_each_key_is_doing() {
    let beside = start().await;

    let list = run(&beside.program, &["keys", "list"]).await;

    for algorithm in ALGORITHMS {
        assert_eq!(ids(&list, &["signing", algorithm, SIGNS]).len(), 1, "{list}");
    }
    // Keys of one moment are in no order.
    let (mut listed, mut published) = (ids(&list, &["signing", SIGNS]), published(&beside).await);
    listed.sort();
    published.sort();
    assert_eq!(listed, published);
    assert_eq!(ids(&list, &["token", "derives"]).len(), 1);
    assert_eq!(list.lines().count(), 4, "{list}");
}

#[tokio::test]
async fn a_rotated_signing_key_is_announced_before_it_signs() {
    let beside = start().await;
    let before = ids(&run(&beside.program, &["keys", "list"]).await, &["signing"]);

    run(&beside.program, &["keys", "rotate"]).await;

    let list = run(&beside.program, &["keys", "list"]).await;
    let announced = ids(&list, &["signing", "announced"]);
    assert_eq!(announced.len(), 1, "{list}");
    assert!(!before.contains(&announced[0]), "{list}");
    assert_eq!(ids(&list, &["signing", "ES256"]).len(), 2, "{list}");
    assert_eq!(ids(&list, &["signing", SIGNS]), before);
}

#[tokio::test]
async fn the_keys_of_one_algorithm_are_rotated_and_the_others_stay() {
    let beside = start().await;
    let before = ids(&run(&beside.program, &["keys", "list"]).await, &["signing"]);

    for algorithm in ALGORITHMS {
        let program = beside.program.clone().with("COUNTERSIGN_SIGNING_ALGORITHM", "EdDSA");
        run(&program, &["keys", "rotate", "--now", "--algorithm", algorithm]).await;

        let list = run(&beside.program, &["keys", "list"]).await;
        let signs = ids(&list, &["signing", algorithm, SIGNS]);
        assert!(signs.len() == 1 && !before.contains(&signs[0]), "{algorithm}: {list}");
        assert_eq!(ids(&list, &["signing", algorithm, "verifies until"]).len(), 1, "{algorithm}: {list}");
        assert_eq!(ids(&list, &["signing", SIGNS]).len(), 3, "{algorithm}: {list}");
    }
}

#[tokio::test]
async fn without_an_algorithm_that_of_the_configuration_is_rotated() {
    let beside = start().await;
    let program = beside.program.clone().with("COUNTERSIGN_SIGNING_ALGORITHM", "EdDSA");

    run(&program, &["keys", "rotate"]).await;

    let list = run(&program, &["keys", "list"]).await;
    assert_eq!(ids(&list, &["signing", "announced"]), ids(&list, &["EdDSA", "announced"]));
    assert_eq!(ids(&list, &["EdDSA", "announced"]).len(), 1, "{list}");
}

#[tokio::test]
async fn an_algorithm_that_no_key_has_is_refused() {
    let beside = start().await;
    let before = run(&beside.program, &["keys", "list"]).await;

    for arguments in [
        &["--algorithm", "HS256"][..],
        &["--algorithm", "es256"],
        &["--algorithm", "none"],
        &["--algorithm", ""],
        &["--token", "--algorithm", "ES256"],
    ] {
        let outcome = beside.program.run(&[&["keys", "rotate"], arguments].concat()).await;
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(run(&beside.program, &["keys", "list"]).await, before);
}

#[tokio::test]
async fn a_rotated_token_key_derives_and_the_old_one_verifies() {
    let beside = start().await;
    let before = ids(&run(&beside.program, &["keys", "list"]).await, &["token", "derives"]);

    run(&beside.program, &["keys", "rotate", "--token"]).await;

    let list = run(&beside.program, &["keys", "list"]).await;
    assert_eq!(ids(&list, &["token", "verifies"]), before);
    assert_eq!(ids(&list, &["token", "derives"]).len(), 1);
}

#[tokio::test]
async fn a_revoked_key_is_said_to_be_and_another_takes_its_place() {
    let beside = start().await;
    let list = run(&beside.program, &["keys", "list"]).await;
    let (signing, token) = (ids(&list, &["signing"]), ids(&list, &["token"]).remove(0));

    for id in signing.iter().chain([&token]) {
        run(&beside.program, &["keys", "revoke", id]).await;
    }

    let list = run(&beside.program, &["keys", "list"]).await;
    assert_eq!(ids(&list, &["signing", "revoked"]), signing);
    assert_eq!(ids(&list, &["token", "revoked"]), [token]);
    for algorithm in ALGORITHMS {
        assert_eq!(ids(&list, &["signing", algorithm, SIGNS]).len(), 1, "{list}");
    }
    assert_eq!(ids(&list, &["token", "derives"]).len(), 1, "{list}");
}

#[tokio::test]
async fn when_only_a_key_that_retires_is_left_its_successor_is_announced() {
    let beside = start().await;
    let old = ids(&run(&beside.program, &["keys", "list"]).await, &["signing", "ES256"]);
    run(&beside.program, &["keys", "rotate", "--now"]).await;
    let new = ids(&run(&beside.program, &["keys", "list"]).await, &["ES256", SIGNS]).remove(0);

    run(&beside.program, &["keys", "revoke", &new]).await;

    let list = run(&beside.program, &["keys", "list"]).await;
    assert_eq!(ids(&list, &["ES256", SIGNS]), old, "{list}");
    assert_eq!(ids(&list, &["ES256", "announced"]).len(), 1, "{list}");
}

#[tokio::test]
async fn a_key_that_is_not_there_cannot_be_revoked() {
    let beside = start().await;
    let before = run(&beside.program, &["keys", "list"]).await;

    for id in ["nothing", "99", "-1", "99999999999", ""] {
        let outcome = beside.program.run(&["keys", "revoke", "--", id]).await;
        assert_eq!(outcome.code, Some(1), "{id}: {outcome:?}");
    }
    assert_eq!(run(&beside.program, &["keys", "list"]).await, before);
}

#[tokio::test]
async fn with_another_secret_no_key_is_made() {
    let beside = start().await;
    let before = run(&beside.program, &["keys", "list"]).await;
    let stranger =
        beside.program.clone().with("COUNTERSIGN_SECRET", "another secret that is long enough, too");

    for arguments in [&["keys", "rotate"][..], &["keys", "rotate", "--now"], &["keys", "rotate", "--token"]] {
        let outcome = stranger.run(arguments).await;
        assert_eq!(outcome.code, Some(1), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(run(&beside.program, &["keys", "list"]).await, before);
}
