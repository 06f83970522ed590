//! `countersign config check|dump`

use crate::support::Folder;
use crate::support::Program;

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

#[tokio::test]
async fn a_configuration_that_makes_sense_is_good() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("c.toml"), "issuer = \"https://auth.example\"\n").unwrap();
    let program = Program::new(&folder);

    let by_default = program.run(&["config", "check"]).await;
    let by_argument = program.run(&["config", "check", "--config", "c.toml"]).await;
    let by_variable = program.with("COUNTERSIGN_CONFIG", "c.toml").run(&["config", "check"]).await;

    for outcome in [by_default, by_argument, by_variable] {
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_told_the_nearest() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("c.toml"), "isuer = \"https://auth.example\"\n").unwrap();
    let program = Program::new(&folder);

    let in_file = program.run(&["--config", "c.toml", "config", "check"]).await;
    let in_environment = program.with("COUNTERSIGN_LISTEM", "x").run(&["config", "check"]).await;

    assert_eq!((in_file.code, in_environment.code), (Some(1), Some(1)));
    for part in ["c.toml", "isuer", "did you mean issuer?"] {
        assert!(in_file.stderr.contains(part), "{in_file:?}");
    }
    for part in ["COUNTERSIGN_LISTEM", "did you mean COUNTERSIGN_LISTEN?"] {
        assert!(in_environment.stderr.contains(part), "{in_environment:?}");
    }
}

#[tokio::test]
async fn a_bad_value_names_its_key_and_stops_every_command() {
    let folder = Folder::new();

    for (variable, value, named) in [
        ("COUNTERSIGN_ISSUER", "auth.example", "issuer"),
        ("COUNTERSIGN_ISSUER", "http://auth.example", "issuer"),
        ("COUNTERSIGN_ISSUER", "https://auth.example/", "issuer"),
        ("COUNTERSIGN_ISSUER", "https://auth.example?x", "issuer"),
        ("COUNTERSIGN_ISSUER", "https://auth.example#x", "issuer"),
        ("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.0/99", "TRUSTED_PROXIES"),
        ("COUNTERSIGN_INSECURE_HTTP", "perhaps", "INSECURE_HTTP"),
        ("COUNTERSIGN_SECRET", "short", "secret"),
        ("COUNTERSIGN_API_KEY_PREFIX", "a b", "api_key_prefix"),
        ("COUNTERSIGN_SIGNING_ALGORITHM", "HS256", "signing_algorithm"),
        ("COUNTERSIGN_ACCESS_TOKEN_SECONDS", "0", "access_token_seconds"),
        ("COUNTERSIGN_ACCESS_TOKEN_SECONDS", "ten", "ACCESS_TOKEN_SECONDS"),
        ("COUNTERSIGN_RETRY_WINDOW_SECONDS", "1801", "retry_window_seconds"),
        ("COUNTERSIGN_LOG_FORMAT", "xml", "log_format"),
        ("COUNTERSIGN_RESOURCES", "not-a-uri", "resources"),
    ] {
        let program = Program::new(&folder).with(variable, value);
        for command in [&["config", "check"][..], &["serve"], &["migrate"]] {
            let outcome = program.run(command).await;

            assert_eq!(outcome.code, Some(1), "{variable}={value} {command:?}: {outcome:?}");
            assert!(outcome.stderr.contains(named), "{variable}={value} {command:?}: {outcome:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was started");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_said_to_be() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("bad.toml"), "issuer = ").unwrap();
    let program = Program::new(&folder);

    for (file, part) in [("missing.toml", "missing.toml"), ("bad.toml", "TOML")] {
        let outcome = program.run(&["--config", file, "config", "check"]).await;

        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains(part), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_dump_has_the_values_in_force_and_no_secret() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("c.toml"), "listen = \"0.0.0.0:1\"\nregistration = false\n").unwrap();
    let program = Program::new(&folder)
        .with("DATABASE_URL", "postgres://me:hunter2@db/x")
        .with("COUNTERSIGN_SECRET", SECRET)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:9999");

    let outcome = program.run(&["--config", "c.toml", "config", "dump"]).await;

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("listen = \"127.0.0.1:9999\""), "the environment counts over the file");
    assert!(outcome.stdout.contains("registration = false"), "the file counts over the default");
    assert!(outcome.stdout.contains("retry_window_seconds = 60"), "the default");
    assert!(!outcome.stdout.contains("hunter2"), "{}", outcome.stdout);
}

#[tokio::test]
async fn a_dump_is_a_configuration_file() {
    let folder = Folder::new();
    let program = Program::new(&folder);
    let dump = program.run(&["config", "dump"]).await.stdout;
    std::fs::write(folder.path().join("dump.toml"), &dump).unwrap();

    let again = program.run(&["--config", "dump.toml", "config", "dump"]).await;

    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.stdout, dump);
}
