//! What every measurement is handed.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use countersign::base::db;

use crate::connection::Connection;
use crate::credentials::Credentials;
use crate::fill::Filling;
use crate::hello::Hello;
use crate::load;
use crate::load::Lanes;
use crate::load::Run;
use crate::load::Watched;
use crate::postgres::Postgres;
use crate::server::Server;
use crate::table::Table;
use crate::tenants;
use crate::tenants::Tenant;

/// At the most, for what the server is to remember before it is measured.
const WARM_UP: Duration = Duration::from_secs(15);

/// How often two servers that are compared take turns.
const TURNS: u32 = 5;

pub struct Bench {
    pub scratch: PathBuf,
    pub postgres: Postgres,
    pub tenants: Vec<Tenant>,
    pub credentials: Credentials,
    pub population: Population,
    /// Of one run.
    pub seconds: Duration,
    pub table: Table,
}

/// How many keys and grants there are, and which of them are in use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Population {
    pub total: u64,
    pub in_use: u64,
    /// How many there were at the stage before, all of which may have been used.
    pub before: u64,
}

impl Population {
    const fn step(self) -> u64 {
        if self.total < 3 * self.in_use { 1 } else { self.total / self.in_use - 1 }
    }

    /// The numbers of those in use, spread over all.
    pub fn in_use(self) -> impl Iterator<Item = u64> {
        (0..self.in_use).map(move |place| place * self.step())
    }

    /// Those between two in use were never used, but for the first few.
    const fn gaps(self) -> (u64, u64) {
        let first = self.before / self.step() + 1;
        (first, self.in_use - first)
    }

    /// How many there are that were never used.
    pub const fn spare_count(self) -> u64 {
        self.gaps().1 * (self.step() - 1)
    }

    /// The number of one of them.
    pub const fn spare(self, place: u64) -> u64 {
        let (first, gaps) = self.gaps();
        (place % gaps + first) * self.step() + 1 + place / gaps
    }

    /// The same in pgbench's language.
    pub fn spare_in_pgbench(self, place: &str) -> String {
        let ((first, gaps), step) = (self.gaps(), self.step());
        format!("({place} % {gaps} + {first}) * {step} + 1 + {place} / {gaps}")
    }

    /// Numbers spread over all, whether in use or not.
    pub fn spread(self, count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(move |place| place * (self.total / count).max(1))
    }
}

impl Bench {
    pub async fn prepare(scratch: &Path, seconds: Duration) -> anyhow::Result<Self> {
        let postgres = Postgres::start(&scratch.join("postgres")).await?;
        let mut db = postgres.connect().await?;
        db::migrate(&mut db).await?;
        let credentials = Credentials::open(&mut db).await?;
        let tenants = tenants::create(&mut db).await?;
        let population = Population::default();
        let (scratch, table) = (scratch.to_owned(), Table::default());
        Ok(Self { scratch, postgres, tenants, credentials, population, seconds, table })
    }

    pub fn filling(&self) -> Filling<'_> {
        Filling { postgres: &self.postgres, tenants: &self.tenants, token_key: self.credentials.token_key() }
    }

    pub async fn grow(&mut self, total: u64, in_use: u64) -> anyhow::Result<()> {
        self.filling().grow(self.population.total, total).await?;
        self.population = Population { total, in_use, before: self.population.total };
        Ok(())
    }

    pub async fn start_server(&self) -> anyhow::Result<Server> {
        Server::start(&self.postgres.url(), &self.scratch).await
    }

    pub async fn run(&self, server: &Server, lanes: &Lanes, within: Duration) -> anyhow::Result<Run> {
        load::run(server.address, lanes, within, self.watched(server.pid())).await
    }

    const fn watched(&self, server: u32) -> Watched {
        Watched { server, postmaster: self.postgres.postmaster }
    }

    /// The server and the one that does nothing, with the same requests, taking turns: what else goes on at the machine
    /// is to hit both.
    pub async fn beside_hello(&self, server: &Server, lanes: &Lanes) -> anyhow::Result<(Run, Run)> {
        let mut connection = Connection::open(server.address).await?;
        let example = connection.succeed(lanes.first()).await?;
        let hello = Hello::start(lanes.first(), example).await?;
        self.run(server, &lanes.one_pass(), WARM_UP).await?;
        let (mut ours, mut theirs) = (Run::default(), Run::default());
        for _ in 0..TURNS {
            let within = self.seconds / TURNS;
            ours.add(self.run(server, lanes, within).await?);
            theirs.add(load::run(hello.address, lanes, within, self.watched(hello.pid())).await?);
        }
        Ok((ours, theirs))
    }
}
