//! One cluster: how it is made, started, and ended.

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;

use super::Durability;
use super::NAME;
use super::home;
use super::home::CLUSTER;
use super::home::Home;

/// Names the socket; nothing listens on it.
pub(super) const PORT: u16 = 5432;

/// The shortest limit there is for a socket's path, that of macOS, without the closing zero.
const LONGEST_SOCKET: usize = 103;

/// How long PostgreSQL may take to write its memory to disk.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// One that is just starting misses the first request.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Runs the command given to it, and ends it when standard input closes: that happens however we end.
///
/// Signals meant for us are ignored, so that PostgreSQL lasts as long as we need it. The request to end is repeated
/// because the first is lost on a PostgreSQL that has only just been started, and not forever because in a container
/// without an init process the dead keep their numbers.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
exec 3<&0
"$@" 3<&- </dev/null &
postgres=$!
{
    read -r line <&3
    attempts=60
    while [ $attempts -gt 0 ] && kill -INT $postgres; do
        attempts=$((attempts - 1))
        sleep 1
    done
} >/dev/null 2>&1 &
watcher=$!
wait $postgres
status=$?
kill -KILL $watcher 2>/dev/null
exit $status
"#;

#[derive(Debug)]
pub(super) struct Cluster {
    home: Home,
    binaries: PathBuf,
    data: PathBuf,
    pub(super) socket: PathBuf,
}

impl Cluster {
    /// `binaries` is the folder with `initdb` and `postgres`.
    pub(super) fn open(home: Home, binaries: PathBuf) -> anyhow::Result<Self> {
        let socket = socket_folder(&home.path);
        home.private_folder(&socket)?;
        Ok(Self { data: home.path.join(CLUSTER), home, binaries, socket })
    }

    /// Returns when no process of PostgreSQL is left on this cluster. There may be one that is on its way down since
    /// its server was killed, or one whose supervisor was killed too.
    pub(super) fn end_previous(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + ENDS_WITHIN;
        let mut last_asked: Option<Instant> = None;
        let lock = self.open_postgres_lock()?;
        loop {
            let running = self.recorded_pid().filter(|pid| self.is_at_work(*pid));
            match lock.try_lock() {
                Ok(()) if running.is_none() => return Ok(()),
                Ok(()) => lock.unlock()?,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error).context("locking postgres.lock"),
            }
            if Instant::now() > deadline {
                bail!("the PostgreSQL that runs on {} does not end", self.home.path.display());
            }
            if let Some(pid) = running
                && last_asked.is_none_or(|at| at.elapsed() > ASKED_EVERY)
            {
                self.ask_to_end(pid)?;
                last_asked = Some(Instant::now());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes the cluster, unless it exists. It appears under its name only when it is complete.
    pub(super) fn initialize(&self) -> anyhow::Result<()> {
        if self.data.exists() {
            return Ok(());
        }
        tracing::info!("creating a PostgreSQL cluster in {}", self.data.display());
        // Our number is in the name because the `initdb` of a server that was killed may still be at work, and clears
        // up after itself when it fails.
        let prefix = "unfinished-";
        for entry in fs::read_dir(&self.home.path)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
        let unfinished = self.home.path.join(format!("{prefix}{}", std::process::id()));
        self.home.private_folder(&unfinished)?;
        // macOS has not always had C.UTF-8; with plain C, upper and lower case of other than ASCII is not known.
        self.initdb(&unfinished, "C.UTF-8").or_else(|_| self.initdb(&unfinished, "C"))?;
        fs::rename(&unfinished, &self.data).with_context(|| format!("creating {}", self.data.display()))
    }

    /// Starts PostgreSQL under its supervisor, which holds the cluster as long as its standard input stays open.
    pub(super) fn spawn(&self, durability: Durability) -> anyhow::Result<Child> {
        let log = self.log();
        drop(fs::rename(&log, log.with_extension("log.old")));
        let stderr = home::open_private(&log)?;
        // PostgreSQL says nothing on its standard output, which makes that the way to hand it the lock.
        let stdout = self.open_postgres_lock()?;
        stdout.try_lock().context("locking postgres.lock")?;

        let mut command = self.home.command("/bin/sh");
        command.args(["-c", SUPERVISOR, "supervisor"]).arg(self.binaries.join("postgres"));
        command.arg("-D").arg(&self.data);
        for setting in settings(durability) {
            command.args(["-c", setting]);
        }
        command.arg("-c").arg(format!("port={PORT}"));
        command.arg("-c").arg(format!("unix_socket_directories={}", self.socket.display()));
        match self.recorded_pid() {
            // Nothing runs on this cluster, but after a crash something else may have got the number, for which
            // PostgreSQL would refuse to start. This is how `pg_ctl` tells it to think nothing of a number.
            Some(pid) => _ = command.env("PG_GRANDPARENT_PID", pid.to_string()),
            // Missing, or cut off by a crash, which PostgreSQL refuses too.
            None => drop(fs::remove_file(self.pid_file())),
        }
        // Its own group, so that Ctrl-C in the terminal reaches us alone and requests in flight can end.
        command.process_group(0).stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
        command.spawn().context("starting PostgreSQL")
    }

    pub(super) fn end_of_log(&self) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    fn log(&self) -> PathBuf {
        self.home.path.join("postgres.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    fn open_postgres_lock(&self) -> anyhow::Result<File> {
        home::open_private(&self.home.path.join("postgres.lock"))
    }

    fn initdb(&self, folder: &Path, locale: &str) -> anyhow::Result<()> {
        let mut command = self.home.command(self.binaries.join("initdb"));
        command.arg("-D").arg(folder).arg(format!("--username={NAME}")).arg(format!("--locale={locale}"));
        let answer = command.args(["--auth=trust", "--encoding=UTF8"]).output().context("running initdb")?;
        if !answer.status.success() {
            bail!("initdb failed ({}):\n{}", answer.status, String::from_utf8_lossy(&answer.stderr).trim());
        }
        Ok(())
    }

    /// Which process PostgreSQL said it was when it last started on this cluster.
    fn recorded_pid(&self) -> Option<u32> {
        fs::read_to_string(self.pid_file()).ok()?.lines().next()?.parse().ok()
    }

    /// Whether the process is there and is this cluster's PostgreSQL, which never leaves its folder.
    fn is_at_work(&self, pid: u32) -> bool {
        if Path::new("/proc/self/cwd").exists() {
            let its_folder = fs::metadata(format!("/proc/{pid}/cwd"));
            let ours = fs::metadata(&self.data);
            return its_folder
                .is_ok_and(|its| ours.is_ok_and(|our| (its.dev(), its.ino()) == (our.dev(), our.ino())));
        }
        let answer = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
        answer.is_ok_and(|answer| {
            String::from_utf8_lossy(&answer.stdout).contains(&*self.data.to_string_lossy())
        })
    }

    /// The shell's `kill`, because sending a signal ourselves takes `unsafe`.
    fn ask_to_end(&self, pid: u32) -> anyhow::Result<()> {
        let mut kill = self.home.command("/bin/sh");
        // That the process is gone by now is no failure.
        kill.args(["-c", "kill -INT $0 2>/dev/null", &pid.to_string()])
            .status()
            .context("running /bin/sh")?;
        Ok(())
    }
}

fn settings(durability: Durability) -> impl Iterator<Item = &'static str> {
    let always = ["listen_addresses=", "unix_socket_permissions=0700", "log_checkpoints=off"];
    let by_durability: &[_] = match durability {
        Durability::Full => &["max_connections=100"],
        // Tests run side by side, each with connections of its own.
        Durability::None => {
            &["max_connections=300", "fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        }
    };
    always.into_iter().chain(by_durability.iter().copied())
}

/// The folder that the socket is in, for a home without symlinks in its path.
pub(super) fn socket_folder(home: &Path) -> PathBuf {
    let beside = home.join("socket");
    if fits_a_socket(&beside) {
        return beside;
    }
    // Not the configured temporary folder, which may be long too, or closed to the cluster's owner.
    Path::new("/tmp").join(format!("{NAME}-{}", home::short_name(home)))
}

/// Also false for a comma, which would end the path in PostgreSQL's settings.
fn fits_a_socket(folder: &Path) -> bool {
    let longest_folder = LONGEST_SOCKET - format!("/.s.PGSQL.{PORT}").len();
    folder.to_str().is_some_and(|folder| folder.len() <= longest_folder && !folder.contains([',', '"']))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::fits_a_socket;

    #[test]
    fn a_socket_needs_a_short_plain_path() {
        assert!(fits_a_socket(Path::new(&format!("/{}", "a".repeat(85)))));
        assert!(!fits_a_socket(Path::new(&format!("/{}", "a".repeat(90)))));
        assert!(!fits_a_socket(Path::new("/a,b/socket")));
    }
}
