//! Right and wrong calls.

use crate::support::Folder;
use crate::support::Program;
use crate::support::TestDatabase;

#[tokio::test]
async fn a_wrong_call_is_told_what_is_right_and_exits_with_2() {
    let folder = Folder::new();
    let program = Program::new(&folder);

    for arguments in [
        &["fly"][..],
        &["serve", "--fly"],
        &["doctor", "fly"],
        &["doctor", "mcp"],
        &["doctor", "mcp", "auth.example"],
        &["doctor", "mcp", "ftp://auth.example"],
        &["doctor", "mcp", "https://me:hunter2@auth.example"],
        &["keys"],
        &["keys", "revoke"],
        &["keys", "rotate", "--token", "--now"],
        &["client", "create"],
        &["client", "create", "--organization", "1", "--name", "x", "--type", "secret", "--scope", "read"],
        &["client", "create", "--organization", "1", "--name", "x", "--type", "public"],
        &["user", "create", "--email", "ada@example.com"],
        &["apikey", "create", "--organization", "1", "--label", "x"],
        &["config"],
        &["config", "fly"],
    ] {
        let outcome = program.run(arguments).await;

        assert_eq!(outcome.code, Some(2), "{arguments:?}: {outcome:?}");
        assert!(outcome.stdout.is_empty(), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains("--help"), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a wrong call makes no files");
}

#[tokio::test]
async fn help_and_version_are_answers() {
    let folder = Folder::new();
    let program = Program::new(&folder);

    let help = program.run(&["--help"]).await;
    let version = program.run(&["--version"]).await;

    assert_eq!((help.code, version.code), (Some(0), Some(0)));
    for command in ["serve", "migrate", "doctor", "keys", "client", "user", "apikey", "config"] {
        assert!(help.stdout.contains(&format!("  {command} ")), "{command}: {}", help.stdout);
    }
    assert_eq!(version.stdout.trim(), concat!("countersign ", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn migrating_twice_is_migrating_once() {
    let folder = Folder::new();
    let database = TestDatabase::create().await;
    let program = Program::beside(&database, &folder);

    for _ in 0..2 {
        let outcome = program.run(&["migrate"]).await;

        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!(outcome.stdout, "The database is up to date.\n");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_a_failure_in_words() {
    let folder = Folder::new();
    let program = Program::new(&folder)
        .with("DATABASE_URL", "postgres://me:hunter2-hunter2@127.0.0.1:1/nothing")
        .with("COUNTERSIGN_SECRET", crate::support::SERVER_SECRET);

    for arguments in [&["migrate"][..], &["keys", "list"]] {
        let outcome = program.run(arguments).await;

        assert_eq!(outcome.code, Some(1), "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.starts_with("countersign: "), "{outcome:?}");
        assert!(!outcome.stderr.contains("hunter2") && !outcome.stderr.contains("panicked"), "{outcome:?}");
    }
}
