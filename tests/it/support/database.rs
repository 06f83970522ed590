//! A database per test, on one PostgreSQL for all of them: migrated once into a template, with the keys of a server
//! that was started before, then cloned.

use std::path::Path;
use std::thread;

use countersign::base::db::MIGRATIONS;
use countersign::base::embedded_postgres::Durability;
use countersign::base::embedded_postgres::EmbeddedPostgres;
use countersign::base::secret::Secret;
use countersign::base::server_secret::ServerSecret;
use countersign::signing::keyring::Keyring;
use jsonwebtoken::Algorithm;
use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use crate::support::SERVER_SECRET;

/// What decides how a key looks in the database.
const KEY_SOURCES: [&[u8]; 3] = [
    include_bytes!("../../../src/base/server_secret.rs"),
    include_bytes!("../../../src/signing/key.rs"),
    include_bytes!("../../../src/signing/private_key.rs"),
];

/// Stops when the test process ends, however it ends.
static POSTGRES: OnceCell<EmbeddedPostgres> = OnceCell::const_new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

pub struct TestDatabase {
    pub options: PgConnectOptions,
    name: String,
    server: PgConnectOptions,
}

impl TestDatabase {
    pub async fn create() -> Self {
        let postgres = POSTGRES
            .get_or_init(async || {
                let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres");
                EmbeddedPostgres::start(&folder, Durability::None).await.unwrap()
            })
            .await;
        let server = postgres.connect_options();
        let template = TEMPLATE.get_or_init(|| template(server.clone())).await;

        let name = format!("test_{:016x}", rand::random::<u64>());
        let mut admin = server.connect().await.unwrap();
        run(&mut admin, format!("create database {name} template {template}")).await;
        Self { options: server.clone().database(&name), name, server }
    }

    /// Few connections: there are many tests at once.
    pub fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(std::time::Duration::from_secs(3))
            .connect_lazy_with(self.options.clone())
    }

    /// As a database that is away: nobody gets in, and whoever is in is thrown out.
    pub async fn take_away(&self) {
        let mut admin = self.server.connect().await.unwrap();
        run(&mut admin, format!("alter database {} allow_connections false", self.name)).await;
        let throw_out =
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.name);
        run(&mut admin, throw_out).await;
    }

    pub async fn bring_back(&self) {
        let mut admin = self.server.connect().await.unwrap();
        run(&mut admin, format!("alter database {} allow_connections true", self.name)).await;
    }

    /// For what runs in a process of its own.
    pub fn url(&self) -> String {
        let socket = self.server.get_socket().unwrap().display().to_string();
        let socket: String = url::form_urlencoded::byte_serialize(socket.as_bytes()).collect();
        format!("postgres://countersign@localhost/{}?host={socket}", self.name)
    }
}

impl Drop for TestDatabase {
    /// A failed test keeps its database and says its name.
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("kept database {}", self.name);
            return;
        }
        let (server, sql) = (self.server.clone(), format!("drop database {} with (force)", self.name));
        // On a thread of its own: the test's runtime cannot wait for itself.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { run(&mut server.connect().await.unwrap(), sql).await });
        });
        dropped.join().unwrap();
    }
}

/// Named after the migrations and the code of the keys, so changing one builds a new template.
async fn template(server: PgConnectOptions) -> String {
    let migrations = MIGRATIONS.iter().flat_map(|migration| migration.checksum.iter());
    let sum = migrations
        .chain(KEY_SOURCES.into_iter().flatten())
        .chain(SERVER_SECRET.as_bytes())
        .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let name = format!("template_{sum:x}");
    let mut admin = server.connect().await.unwrap();
    let exists: bool = sqlx::query_scalar("select exists(select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    if !exists {
        run(&mut admin, format!("drop database if exists {name}_new")).await;
        run(&mut admin, format!("create database {name}_new")).await;
        let mut fresh = server.clone().database(&format!("{name}_new")).connect().await.unwrap();
        MIGRATIONS.run(&mut fresh).await.unwrap();
        make_keys(&mut fresh).await;
        fresh.close().await.unwrap();
        run(&mut admin, format!("alter database {name}_new rename to {name}")).await;
    }
    name
}

/// Here, because no test should wait for an RSA key. Before any clock that a test may have.
async fn make_keys(fresh: &mut PgConnection) {
    let secret = ServerSecret::new(&Secret::new(SERVER_SECRET));
    let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
    Keyring::open(fresh, secret, Algorithm::ES256, long_ago).await.unwrap();
}

async fn run(admin: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(admin).await.unwrap();
}
