//! What the server takes of the machine: its binary, its memory, its start.

use std::fs;
use std::time::Duration;

use countersign::base::clock::Clock;

use crate::bench::Bench;
use crate::credentials;
use crate::flood;
use crate::load::CONNECTIONS;
use crate::load::Lanes;
use crate::machine;
use crate::requests;
use crate::server;
use crate::server::Server;
use crate::table::Row;

const STARTS: usize = 5;
/// Until what a start does is over.
const IDLE_AFTER: Duration = Duration::from_secs(2);
/// Half of them keys, half access tokens of as many grants.
const CACHED: u64 = 100_000;
/// More than they take.
const WITHIN: Duration = Duration::from_mins(2);

/// Of servers that nobody has asked anything.
pub async fn at_rest(bench: &mut Bench) -> anyhow::Result<()> {
    let bytes = u32::try_from(fs::metadata(server::PROGRAM)?.len())?;
    bench.table.push_bounded("release binary", (f64::from(bytes) / 1e6, 30.0), "MB");

    let mut slowest = Duration::ZERO;
    for _ in 1..STARTS {
        let server = bench.start_server().await?;
        slowest = slowest.max(server.started_in);
        server.stop().await?;
    }
    let server = bench.start_server().await?;
    slowest = slowest.max(server.started_in);
    let path = format!("start to first 200, the slowest of {STARTS}");
    bench.table.push_bounded(&path, (slowest.as_secs_f64() * 1000.0, 200.0), "ms");
    tokio::time::sleep(IDLE_AFTER).await;
    let (memory, _) = machine::memory_of(server.pid())?;
    bench.table.push_bounded("memory, idle", (memory, 40.0), "MiB");
    server.stop().await
}

pub async fn under_load(bench: &mut Bench, server: &Server) -> anyhow::Result<()> {
    let now = Clock::System.now();
    let numbers = bench.population.spread(CACHED / 2);
    let requests = numbers.map(|number| {
        let token = bench.credentials.access_token(&bench.tenants, number, now)?;
        anyhow::Ok([requests::verify(&credentials::api_key(number)), requests::verify(&token)])
    });
    let requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
    let lanes = Lanes::repeated(requests.into_iter().flatten().collect(), CONNECTIONS);
    let run = bench.run(server, &lanes.one_pass(), WITHIN).await?;
    bench.table.note("100 000 credentials, once each", &run);
    let (_, most) = machine::memory_of(server.pid())?;
    bench.table.push_bounded("memory, 100 000 credentials used", (most, flood::MEMORY_LIMIT), "MiB");
    Ok(())
}

/// What is not written costs nothing: then the other figures say less.
pub async fn access_log(bench: &mut Bench, server: &Server) -> anyhow::Result<()> {
    let [written, dropped] = server.access_log().await?;
    bench.table.push(Row {
        path: "access log, up to here".to_owned(),
        goal: "none lost".to_owned(),
        figure: format!("{dropped} lost"),
        reference: format!("{written} written"),
        ratio: String::new(),
        is_met: dropped == 0,
    });
    Ok(())
}
