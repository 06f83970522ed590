//! How long a credential that was revoked still works: at the node that did it, and at another.

use std::time::Duration;
use std::time::Instant;

use countersign::base::clock::Clock;

use anyhow::ensure;

use crate::bench::Bench;
use crate::connection::Connection;
use crate::credentials;
use crate::fill;
use crate::requests;
use crate::server::Server;
use crate::table::Row;
use crate::tenants;

const COUNT: u64 = 200;
const LIMIT: Duration = Duration::from_millis(50);
/// Then it is not going to end.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5);

/// One credential: what ends it, and what uses it.
struct Revocation {
    revoke: Vec<u8>,
    ask: Vec<u8>,
}

pub async fn measure(bench: &mut Bench, server: &Server) -> anyhow::Result<()> {
    let other = bench.start_server().await?;
    // From the far end of those not in use: pgbench begins at the near one.
    let spare = |place: u64| bench.population.spare(bench.population.spare_count() - 1 - place);
    let keys: Vec<Revocation> = (0..COUNT).map(|place| of_key(spare(place))).collect();
    let now = Clock::System.now();
    let grants = (0..COUNT).map(|place| {
        let number = spare(place);
        let token = bench.credentials.refresh_token(number, 1)?;
        let tenant = tenants::of(&bench.tenants, number);
        anyhow::Ok(Revocation {
            revoke: requests::form("/oauth/revoke", tenant, &format!("token={token}")),
            ask: requests::verify(&bench.credentials.access_token(&bench.tenants, number, now)?),
        })
    });
    let grants = grants.collect::<anyhow::Result<Vec<_>>>()?;
    for (path, revocations) in [("DELETE /v1/api-keys/{id}", keys), ("POST /oauth/revoke", grants)] {
        let row = measure_one(path, server, &other, &revocations).await?;
        bench.table.push(row);
    }
    other.stop().await
}

/// By the first key of the organization, which may do everything.
fn of_key(number: u64) -> Revocation {
    let admin = credentials::api_key(number % u64::try_from(tenants::COUNT).unwrap_or_default());
    Revocation {
        revoke: requests::delete(&format!("/v1/api-keys/{}", fill::key_id(number)), &admin),
        ask: requests::verify(&credentials::api_key(number)),
    }
}

async fn measure_one(
    path: &str,
    server: &Server,
    other: &Server,
    revocations: &[Revocation],
) -> anyhow::Result<Row> {
    let mut here = Connection::open(server.address).await?;
    let mut there = Connection::open(other.address).await?;
    let mut late_here = 0;
    let mut delays = Vec::new();
    for Revocation { revoke, ask } in revocations {
        // Both know it, and may remember that.
        here.succeed(ask).await?;
        there.succeed(ask).await?;
        here.succeed(revoke).await?;
        let revoked = Instant::now();
        if here.ask(ask).await?.is_success() {
            late_here += 1;
        }
        delays.push(until_refused(&mut there, ask, revoked).await?);
    }
    delays.sort_unstable();
    let p99 = delays[delays.len() * 99 / 100];
    let milliseconds = |delay: Duration| delay.as_secs_f64() * 1000.0;
    Ok(Row {
        path: format!("{path}, on another node"),
        goal: format!("p99 ≤ {} ms; at once on its own", LIMIT.as_millis()),
        figure: format!("{:.1} ms; {late_here} of {} late on its own", milliseconds(p99), delays.len()),
        reference: format!("p50 {:.1} ms", milliseconds(delays[delays.len() / 2])),
        ratio: String::new(),
        is_met: p99 <= LIMIT && late_here == 0,
    })
}

/// From the answer to the revocation to the request that was the first to be refused.
async fn until_refused(
    connection: &mut Connection,
    ask: &[u8],
    revoked: Instant,
) -> anyhow::Result<Duration> {
    loop {
        let asked = revoked.elapsed();
        let answer = connection.ask(ask).await?;
        if !answer.is_success() {
            ensure!(answer.status == 401, "a revoked credential is refused with 401, not {}", answer.status);
            return Ok(asked);
        }
        if asked > GIVEN_UP_AFTER {
            return Ok(asked);
        }
    }
}
