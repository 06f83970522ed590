//! The paths that write: codes and refresh tokens, held against the same statements without a server.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::bench::Bench;
use crate::fill;
use crate::fill::Series;
use crate::load::CONNECTIONS;
use crate::load::Lanes;
use crate::load::Run;
use crate::requests;
use crate::server::Server;
use crate::statements::Script;
use crate::tenants;

/// More than are used up in one run.
const REFRESHES: usize = 100_000;
const CODES: u64 = 60_000;

const WARM_UP: Duration = Duration::from_secs(1);
/// From how many requests the statements are learned.
const LESSONS: u64 = 5;

/// The answer is the run of the refreshes.
pub async fn measure(bench: &mut Bench, server: &Server) -> anyhow::Result<Run> {
    exchanges(bench, server).await?;

    let run = refreshes(bench, server).await?;
    let requests = (0..LESSONS).map(|lesson| {
        let number = bench.population.spare(bench.population.spare_count() / 2 + lesson);
        Ok((number, refreshing(bench, number, 1)?))
    });
    let requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
    let script = Script::learn(bench, server, Series::Grants, &requests).await?;
    let without_server = script.replay(bench, &bench.population.spare_in_pgbench(":place")).await?;
    report(bench, "refresh_token", &run, &script, without_server);
    Ok(run)
}

fn report(bench: &mut Bench, path: &str, run: &Run, script: &Script, without_server: f64) {
    for text in script.texts() {
        eprintln!("  {path} asks: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    bench.table.note(path, run);
    bench.table.push_rate(path, 0.8, run.rate(), ("pgbench", without_server));
}

/// Refreshes of the grants in use.
pub async fn refreshes(bench: &Bench, server: &Server) -> anyhow::Result<Run> {
    let mut db = bench.postgres.connect().await?;
    let warming = refreshing_in_use(bench, &mut db, REFRESHES / 4).await?;
    bench.run(server, &warming, WARM_UP).await?;
    let lanes = refreshing_in_use(bench, &mut db, REFRESHES).await?;
    bench.run(server, &lanes, bench.seconds).await
}

/// Each grant again and again, always by the same connection, from where it stands.
async fn refreshing_in_use(bench: &Bench, db: &mut PgConnection, count: usize) -> anyhow::Result<Lanes> {
    let numbers: Vec<u64> = bench.population.in_use().collect();
    let uuid = |number: &u64| Uuid::from_bytes(fill::grant_id(Series::Grants, *number).to_bytes());
    let ids: Vec<Uuid> = numbers.iter().map(uuid).collect();
    let rows: Vec<(Uuid, i32)> = sqlx::query_as("select id, generation from grants where id = any($1)")
        .bind(ids)
        .fetch_all(db)
        .await?;
    let generations: HashMap<Uuid, i32> = rows.into_iter().collect();
    let turns = i32::try_from(count.div_ceil(numbers.len()))?;
    let mut lanes = vec![Vec::new(); CONNECTIONS];
    for turn in 0..turns {
        for (place, number) in numbers.iter().enumerate() {
            let generation = generations.get(&uuid(number)).copied().unwrap_or_default();
            lanes[place % CONNECTIONS].push(refreshing(bench, *number, generation + turn)?);
        }
    }
    Ok(Lanes::once(lanes))
}

pub fn refreshing(bench: &Bench, number: u64, generation: i32) -> anyhow::Result<Vec<u8>> {
    let token = bench.credentials.refresh_token(number, generation)?;
    let fields = format!("grant_type=refresh_token&refresh_token={token}");
    Ok(requests::form("/oauth/token", tenants::of(&bench.tenants, number), &fields))
}

async fn exchanges(bench: &mut Bench, server: &Server) -> anyhow::Result<()> {
    // They work for a minute, so they are made only now.
    bench.filling().insert(Series::Codes, 0, CODES).await?;
    let requests = (0..CODES).map(|number| Ok((number, exchanging(bench, number)?)));
    let mut requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
    let lessons = requests.split_off(requests.len() - usize::try_from(LESSONS)?);
    let measured = requests.split_off(requests.len() / 6);
    bench.run(server, &once(requests), WARM_UP).await?;
    let run = bench.run(server, &once(measured), bench.seconds).await?;
    let script = Script::learn(bench, server, Series::Codes, &lessons).await?;

    bench.filling().insert(Series::Codes, CODES, 2 * CODES).await?;
    let without_server = script.replay(bench, &format!("{CODES} + :place")).await?;
    report(bench, "authorization_code", &run, &script, without_server);
    Ok(())
}

fn once(requests: Vec<(u64, Vec<u8>)>) -> Lanes {
    let mut lanes = vec![Vec::new(); CONNECTIONS];
    for (place, (_, request)) in requests.into_iter().enumerate() {
        lanes[place % CONNECTIONS].push(request);
    }
    Lanes::once(lanes)
}

fn exchanging(bench: &Bench, number: u64) -> anyhow::Result<Vec<u8>> {
    let code = bench.credentials.code(number)?;
    let redirect_uri: String =
        url::form_urlencoded::byte_serialize(tenants::REDIRECT_URI.as_bytes()).collect();
    let fields = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={redirect_uri}&code_verifier={}",
        fill::VERIFIER
    );
    Ok(requests::form("/oauth/token", tenants::of(&bench.tenants, number), &fields))
}
