//! The load generator: connections that each ask again as soon as they are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::machine;

pub const CONNECTIONS: usize = 32;

/// What each connection sends, one after the other.
#[derive(Clone)]
pub struct Lanes {
    lanes: Vec<Arc<Vec<Vec<u8>>>>,
    /// From the beginning again after the last one.
    repeats: bool,
}

impl Lanes {
    /// Requests that can be sent again and again, by any connection.
    pub fn repeated(requests: Vec<Vec<u8>>, connections: usize) -> Self {
        let mut lanes = vec![Vec::new(); connections];
        for (number, request) in requests.into_iter().enumerate() {
            lanes[number % connections].push(request);
        }
        Self { lanes: lanes.into_iter().map(Arc::new).collect(), repeats: true }
    }

    /// Each request works once; those of one lane are sent in their order.
    pub fn once(lanes: Vec<Vec<Vec<u8>>>) -> Self {
        Self { lanes: lanes.into_iter().map(Arc::new).collect(), repeats: false }
    }

    /// The same, but nothing twice.
    pub fn one_pass(&self) -> Self {
        Self { repeats: false, ..self.clone() }
    }

    /// One request as an example.
    pub fn first(&self) -> &[u8] {
        &self.lanes[0][0]
    }
}

/// Whose processor time is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    pub server: u32,
    pub postmaster: u32,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Run {
    elapsed: Duration,
    /// In microseconds; in order.
    latencies: Vec<u32>,
    server: Duration,
    generator: Duration,
    postgres: Duration,
}

impl Run {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX)) / self.elapsed.as_secs_f64()
    }

    /// In milliseconds; `of` a hundred requests.
    pub fn percentile(&self, of: usize) -> f64 {
        let at = (self.latencies.len() * of / 100).min(self.latencies.len().saturating_sub(1));
        f64::from(self.latencies.get(at).copied().unwrap_or_default()) / 1000.0
    }

    /// Of a core, in percent: the server, the load generator, PostgreSQL.
    pub fn shares(&self) -> [f64; 3] {
        [self.server, self.generator, self.postgres]
            .map(|time| 100.0 * time.as_secs_f64() / self.elapsed.as_secs_f64())
    }

    /// Microseconds that the server has worked on a request: what it costs also where the machine is shared.
    pub fn work(&self) -> f64 {
        1e6 * self.server.as_secs_f64()
            / f64::from(u32::try_from(self.latencies.len().max(1)).unwrap_or(u32::MAX))
    }

    pub fn add(&mut self, other: Self) {
        self.elapsed += other.elapsed;
        self.server += other.server;
        self.generator += other.generator;
        self.postgres += other.postgres;
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
    }
}

/// Asks for as long as told, or until everything was asked that can be. Fails if any answer is no success.
pub async fn run(
    address: SocketAddr,
    lanes: &Lanes,
    within: Duration,
    watched: Watched,
) -> anyhow::Result<Run> {
    let mut connections = Vec::new();
    for _ in &lanes.lanes {
        connections.push(Connection::open(address).await?);
    }
    let times = || {
        let own = machine::time_of(std::process::id());
        [machine::time_of(watched.server), own, machine::time_of_family(watched.postmaster)]
    };
    // Whoever sleeps must be woken by the answer: over loopback that is work of the server's, and a slower server would
    // have more of it than hello-world. Where PostgreSQL does most of the work it needs this core more.
    let awake = lanes.repeats.then(|| tokio::spawn(stay_awake()));
    let before = times();
    let began = Instant::now();
    let mut driving = JoinSet::new();
    for (connection, lane) in connections.into_iter().zip(&lanes.lanes) {
        driving.spawn(drive(connection, Arc::clone(lane), lanes.repeats, began + within));
    }
    let mut latencies = Vec::new();
    while let Some(driven) = driving.join_next().await {
        latencies.extend(driven??);
    }
    let elapsed = began.elapsed();
    let after = times();
    if let Some(awake) = awake {
        awake.abort();
    }
    latencies.sort_unstable();
    let [server, generator, postgres] = std::array::from_fn(|at| after[at].saturating_sub(before[at]));
    Ok(Run { elapsed, latencies, server, generator, postgres })
}

/// Until it is aborted.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}

async fn drive(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    repeats: bool,
    until: Instant,
) -> anyhow::Result<Vec<u32>> {
    let mut latencies = Vec::new();
    loop {
        for request in requests.iter() {
            let sent = Instant::now();
            if sent >= until {
                return Ok(latencies);
            }
            connection.succeed(request).await?;
            latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        if !repeats || requests.is_empty() {
            return Ok(latencies);
        }
    }
}
