//! `countersign doctor`

use crate::support::Folder;
use crate::support::Program;
use crate::support::TestDatabase;
use crate::support::TestServer;

#[tokio::test]
async fn a_healthy_server_is_said_to_be() {
    let server = TestServer::start().await;
    let folder = Folder::new();

    let outcome = Program::beside(&server.database, &folder).run(&["doctor"]).await;

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(!outcome.stdout.contains("BAD"), "{outcome:?}");
    for part in ["Configuration", "Issuer", "Database", "Migrations", "Clock", "Keys"] {
        assert!(outcome.stdout.contains(part), "{part}: {outcome:?}");
    }
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_named() {
    let server = TestServer::start().await;
    let folder = Folder::new();
    let healthy = Program::beside(&server.database, &folder);

    for (variable, value, named) in [
        ("COUNTERSIGN_ISSUER", "auth.example", "Configuration"),
        ("COUNTERSIGN_ISSUER", "http://auth.example", "Configuration"),
        ("COUNTERSIGN_ISSUER", "https://auth.example", "Proxy headers"),
        ("COUNTERSIGN_TRUSTED_PROXIES", "0.0.0.0/0", "Proxy headers"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1", "Redis"),
        ("REDIS_URL", "mysql://me:hunter2@127.0.0.1", "Redis"),
        ("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/x", "Database"),
        ("DATABASE_URL", "mysql://me:hunter2@db/x", "Database"),
        ("COUNTERSIGN_SECRET", "another secret that is long enough, too", "Keys"),
    ] {
        let outcome = healthy.clone().with(variable, value).run(&["doctor"]).await;

        assert_eq!(outcome.code, Some(1), "{variable}={value}: {outcome:?}");
        let bad: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with("BAD")).collect();
        assert!(bad.len() == 1 && bad[0].contains(named), "{variable}={value}: {outcome:?}");
        assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_schema_that_is_behind_is_found_and_left_as_it_is() {
    let database = TestDatabase::create().await;
    let pool = database.pool();
    for sql in [
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)",
        "delete from signing_keys",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    let folder = Folder::new();

    let outcome = Program::beside(&database, &folder).run(&["doctor"]).await;

    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("countersign migrate"), "{outcome:?}");
    let keys: i64 = sqlx::query_scalar("select count(*) from signing_keys").fetch_one(&pool).await.unwrap();
    assert_eq!(keys, 0, "a doctor makes nothing");
    pool.close().await;
}

#[tokio::test]
async fn an_algorithm_without_a_key_is_found() {
    let database = TestDatabase::create().await;
    let pool = database.pool();
    sqlx::query("delete from signing_keys where algorithm = 'RS256'").execute(&pool).await.unwrap();
    pool.close().await;
    let folder = Folder::new();

    let outcome = Program::beside(&database, &folder).run(&["doctor"]).await;

    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("keys rotate --algorithm RS256 --now"), "{outcome:?}");
}

#[tokio::test]
async fn before_the_first_start_a_doctor_makes_nothing() {
    let folder = Folder::new();

    let outcome = Program::new(&folder).run(&["doctor"]).await;

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("Database: none yet"), "{outcome:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
