//! Two hundred people who log in at once, and what everybody else notices of them.

use std::time::Duration;

use crate::bench::Bench;
use crate::load::CONNECTIONS;
use crate::load::Lanes;
use crate::machine;
use crate::paths;
use crate::requests;
use crate::server::Server;
use crate::table::Row;
use crate::tenants;

const IN_FLIGHT: usize = 200;
/// Until all of them wait for their turn.
const BEFORE: Duration = Duration::from_secs(1);
const SAMPLED_EVERY: Duration = Duration::from_millis(50);

/// As under any load.
pub const MEMORY_LIMIT: f64 = 150.0;

pub async fn measure(bench: &mut Bench, server: &Server) -> anyhow::Result<()> {
    let many = paths::client_credentials(bench, CONNECTIONS);
    let one = paths::client_credentials(bench, 1);
    let calm =
        [bench.run(server, &many, bench.seconds).await?, bench.run(server, &one, bench.seconds).await?];
    let logging_in =
        (0..IN_FLIGHT).map(|number| requests::log_in(number, &tenants::email(number), tenants::PASSWORD));
    let logging_in = Lanes::repeated(logging_in.collect(), IN_FLIGHT);
    let busy = async {
        tokio::time::sleep(BEFORE).await;
        let many = bench.run(server, &many, bench.seconds).await?;
        let one = bench.run(server, &one, bench.seconds).await?;
        anyhow::Ok([many, one])
    };
    // Those in flight at its end are waited for: every log-in has to succeed.
    let flood = async {
        let within = BEFORE + 2 * bench.seconds;
        let memory = largest_memory(server.pid(), within);
        tokio::try_join!(bench.run(server, &logging_in, within), memory)
    };
    let (busy, (flood, memory)) = tokio::try_join!(busy, flood)?;

    bench.table.note("log-ins, 200 in flight", &flood);
    for (place, connections) in [CONNECTIONS, 1].into_iter().enumerate() {
        let what = format!("client_credentials, {connections} in flight");
        bench.table.note(&format!("{what}, calm"), &calm[place]);
        bench.table.note(&format!("{what}, beside the log-ins"), &busy[place]);
        let (calm, busy) = (calm[place].percentile(99), busy[place].percentile(99));
        bench.table.push(Row {
            path: format!("{what}, beside {IN_FLIGHT} log-ins"),
            goal: "p99 ≤ 3 × calm".to_owned(),
            figure: format!("{busy:.2} ms"),
            reference: format!("{calm:.2} ms"),
            ratio: format!("{:.2}", busy / calm),
            is_met: busy <= 3.0 * calm,
        });
    }
    let path = format!("memory beside {IN_FLIGHT} log-ins");
    bench.table.push_bounded(&path, (memory, MEMORY_LIMIT), "MiB");
    Ok(())
}

async fn largest_memory(pid: u32, within: Duration) -> anyhow::Result<f64> {
    let mut largest = 0.0_f64;
    let looking = async {
        loop {
            largest = largest.max(machine::memory_of(pid)?.0);
            tokio::time::sleep(SAMPLED_EVERY).await;
        }
    };
    match tokio::time::timeout(within, looking).await {
        Ok(failed) => failed,
        Err(_) => Ok(largest),
    }
}
