//! `cargo bench`: what the server costs, held against goals, in one run of less than a quarter of an hour;
//! `cargo bench -- --quick` takes a few minutes, with fewer rows.
//!
//! The release build, pinned to a core of its own, with everything on; the load generator and PostgreSQL, which is made
//! for the run and durable, on another. The yardsticks are measured in the same run, on the same core:
//!
//! - `H`, a hello-world handler of axum that answers as many bytes, to a GET or to a POST with a parsed form;
//! - `S`, one ES256 signature;
//! - pgbench with the server's own statements, over as many connections, on the core of the load generator.

#![expect(unreachable_pub, reason = "a program has no outside")]

mod bench;
mod connection;
mod credentials;
mod fill;
mod flood;
mod footprint;
mod growth;
mod hello;
mod load;
mod machine;
mod one_refresh;
mod paths;
mod postgres;
mod refresh;
mod requests;
mod revocation;
mod round_trips;
mod server;
mod signature;
mod statements;
mod table;
mod tenants;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::bail;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::bench::Bench;
use crate::growth::Stage;

/// How many keys and grants there are, and how many of them are in use. Everything is measured at the stage that is
/// marked, and at the others only whether it takes longer.
const STAGES: [(u64, u64, bool); 3] =
    [(1_000, 1_000, false), (1_000_000, 10_000, true), (10_000_000, 10_000, false)];
const QUICK_STAGES: [(u64, u64, bool); 2] = [(1_000, 1_000, false), (100_000, 10_000, true)];
const SECONDS: Duration = Duration::from_secs(5);
const QUICK_SECONDS: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == hello::ARGUMENT => hello::run(rest),
        Some((first, _)) if first == signature::ARGUMENT => signature::run(),
        _ => start(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &[String]) -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    if let Some(unknown) =
        arguments.iter().find(|argument| !["--bench", "--quick"].contains(&argument.as_str()))
    {
        bail!("there is no argument {unknown}, only --quick");
    }
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    machine::settle()?;
    let scratch = Scratch::create()?;
    // One thread: the load generator shares its core with PostgreSQL.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            done = measure(&scratch.0, is_quick) => done,
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
        }
    })
}

/// Removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> anyhow::Result<Self> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures");
        // Left by a run that was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn measure(scratch: &Path, is_quick: bool) -> anyhow::Result<()> {
    let (began, load_average) = (Instant::now(), machine::load_average());
    let (stages, seconds): (&[_], _) =
        if is_quick { (&QUICK_STAGES, QUICK_SECONDS) } else { (&STAGES, SECONDS) };
    let mut bench = Bench::prepare(scratch, seconds).await?;
    let signature = signature::measure()?;
    footprint::at_rest(&mut bench).await?;
    let mut measured = Vec::new();
    for (total, in_use, is_main) in stages {
        bench.grow(*total, *in_use).await?;
        let stage =
            if *is_main { main_stage(&mut bench, signature).await? } else { side_stage(&bench).await? };
        measured.push(stage);
    }
    growth::report(&mut bench.table, &measured);
    let Bench { postgres, table, .. } = bench;
    postgres.stop().await?;

    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{}; load average {load_average} at the beginning", machine::describe())?;
    writeln!(
        out,
        "and {} at the end, {:.0} s later.",
        machine::load_average(),
        began.elapsed().as_secs_f64()
    )?;
    writeln!(out, "S, one ES256 signature: {:.1} µs.\n", signature.as_secs_f64() * 1e6)?;
    table.print(out)?;
    Ok(())
}

async fn side_stage(bench: &Bench) -> anyhow::Result<Stage> {
    let server = bench.start_server().await?;
    let lanes = paths::verifying(bench);
    bench.run(&server, &lanes.one_pass(), 3 * bench.seconds).await?;
    let verifying = bench.run(&server, &lanes, bench.seconds).await?;
    let refreshing = refresh::refreshes(bench, &server).await?;
    server.stop().await?;
    Ok(Stage { total: bench.population.total, verifying, refreshing })
}

async fn main_stage(bench: &mut Bench, signature: Duration) -> anyhow::Result<Stage> {
    let server = bench.start_server().await?;
    let verifying = paths::measure(bench, &server, signature).await?;
    let refreshing = refresh::measure(bench, &server).await?;
    footprint::access_log(bench, &server).await?;
    footprint::under_load(bench, &server).await?;
    flood::measure(bench, &server).await?;
    revocation::measure(bench, &server).await?;
    server.stop().await?;
    one_refresh::measure(bench).await?;
    Ok(Stage { total: bench.population.total, verifying, refreshing })
}
