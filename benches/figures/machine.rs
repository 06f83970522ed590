//! The machine: which core runs what, and what a process has taken of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::ensure;

/// What is measured has a core of its own.
const MEASURED: &str = "0";
/// The load generator and PostgreSQL.
const OTHERS: &str = "1";
const BOTH: &str = "0,1";

/// Of the times in `/proc`: what Linux has told everybody for decades, whatever it uses itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// Moves this process, and with it all that it starts, to the core of the load generator.
pub fn settle() -> anyhow::Result<()> {
    let cores = thread::available_parallelism()?.get();
    ensure!(cores >= 2, "two cores are needed, and this process may use {cores}");
    pin(std::process::id(), OTHERS)
}

/// For work that is not measured.
pub fn let_loose(pid: u32) -> anyhow::Result<()> {
    pin(pid, BOTH)
}

fn pin(pid: u32, cores: &str) -> anyhow::Result<()> {
    let done = Command::new("taskset")
        .args(["-acp", cores, &pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset is needed (Debian: util-linux)")?;
    ensure!(done.success(), "taskset failed: are there cores {BOTH}?");
    Ok(())
}

/// A program on the core of what is measured.
pub fn measured(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", MEASURED]).arg(program).stdin(Stdio::null());
    command
}

pub fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes(&text, "MemTotal:"));
    let memory = memory.unwrap_or_default() / 1024 / 1024;
    format!("{cores} cores, {}, {memory} GiB", model.unwrap_or("of unknown make"))
}

/// Over one, five and fifteen minutes.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Megabytes of memory that a process has: now, and at the most since its start.
pub fn memory_of(pid: u32) -> anyhow::Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let megabytes = |name| Some(f64::from(u32::try_from(kilobytes(&text, name)?).ok()?) / 1024.0);
    megabytes("VmRSS:").zip(megabytes("VmHWM:")).context("the memory of a process is not in /proc")
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time that a process has used.
pub fn time_of(pid: u32) -> Duration {
    stat(pid).map_or(Duration::ZERO, |stat| stat.own)
}

/// With that of its children, those that have ended too.
pub fn time_of_family(pid: u32) -> Duration {
    let Some(parent) = stat(pid) else { return Duration::ZERO };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = pids.filter_map(stat).filter(|stat| stat.parent == pid);
    parent.own + parent.ended_children + children.map(|stat| stat.own).sum::<Duration>()
}

struct Stat {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

/// `None` for a process that there is not.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let time = |field: usize| {
        let ticks: u32 = fields.get(field)?.parse().ok()?;
        Some(Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SECOND))
    };
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: time(11)? + time(12)?,
        ended_children: time(13)? + time(14)?,
    })
}
