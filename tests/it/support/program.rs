//! The program itself, as an operator runs it: with its own environment, in its own folder.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::support::SERVER_SECRET;
use crate::support::TestDatabase;

const START_WITHIN: Duration = Duration::from_mins(1);
const METRICS_LISTEN: &str = "COUNTERSIGN_METRICS_LISTEN";
const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");

/// Removed when dropped.
pub struct Folder(PathBuf);

/// Knows no variable but those that it is given.
#[derive(Clone)]
pub struct Program {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A run that goes on; stopped when dropped.
pub struct Running {
    child: Child,
    folder: PathBuf,
    /// Distinguishes runs in one folder.
    number: usize,
}

impl Folder {
    pub fn new() -> Self {
        // PostgreSQL gives up rights that root has, and must get here all the same.
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What a failed test leaves is what one wants to look at.
        if !thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

impl Program {
    pub fn new(folder: &Folder) -> Self {
        Self { folder: folder.0.clone(), variables: Vec::new() }
    }

    /// With the database and the secret of a test's own server.
    pub fn beside(database: &TestDatabase, folder: &Folder) -> Self {
        Self::new(folder).with("DATABASE_URL", &database.url()).with("COUNTERSIGN_SECRET", SERVER_SECRET)
    }

    #[must_use]
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.retain(|(name, _)| name != variable);
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    pub async fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with_input(arguments, "").await
    }

    /// `input` is what standard input holds.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = command.spawn().unwrap();
            // Who does not read it has already ended.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the server; it need not answer yet.
    pub fn serve(&self, arguments: &[&str]) -> Running {
        let number = (0..10).find(|number| !self.folder.join(format!("{number}.out")).exists()).unwrap();
        let file = |end: &str| std::fs::File::create(self.folder.join(format!("{number}.{end}"))).unwrap();
        let mut command = self.command(arguments);
        // Many run at once, and only one could have the default address.
        if !self.variables.iter().any(|(name, _)| name == METRICS_LISTEN) {
            command.env(METRICS_LISTEN, "");
        }
        let child = command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Running { child, folder: self.folder.clone(), number }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Outcome {
    /// What a script reads: one JSON object, after a success.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Running {
    pub fn stdout(&self) -> String {
        self.said("out")
    }

    pub fn stderr(&self) -> String {
        self.said("err")
    }

    fn said(&self, end: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{}.{end}", self.number))).unwrap()
    }

    /// The URL on which it answers, as soon as it does.
    pub async fn url(&mut self) -> String {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let said = self.stderr();
            let address =
                said.split("listening address=").nth(1).and_then(|rest| rest.split_whitespace().next());
            if let Some(address) = address {
                return format!("http://{address}");
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no server, {ended:?}: {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All of standard error, as soon as it holds `text` and the line ends.
    pub async fn until_it_says(&mut self, text: &str) -> String {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let said = self.stderr();
            if said.split_once(text).is_some_and(|(_, rest)| rest.contains('\n')) {
                return said;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {said} {}", self.stdout());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// The exit code, once it has ended by itself or by a signal.
    pub async fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.stderr());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first, so that its own PostgreSQL is gone when its folder goes.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
        }
        let deadline = Instant::now() + START_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
