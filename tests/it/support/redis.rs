//! A Redis, or a Valkey, of a test's own.

use std::fmt::Debug;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

const START_WITHIN: Duration = Duration::from_secs(30);
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Ends with the test process, however that ends: the shell waits for the end of its input.
const SHELL: &str = r#""$@" >/dev/null 2>&1 & echo $!; read -r _; kill -9 $!"#;

pub struct TestRedis {
    program: &'static str,
    port: u16,
    shell: Option<Child>,
    pid: String,
}

impl TestRedis {
    /// `None` on a machine that has neither: then the test has to be skipped, and it is said on the terminal.
    pub fn start() -> Option<Self> {
        let is_there = |program: &&&str| Command::new(program).arg("--version").output().is_ok();
        let Some(program) = PROGRAMS.iter().find(is_there) else {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            // Not by a macro, whose output is thrown away when a test passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: this machine has no redis-server");
            return None;
        };
        // Another process may be given the port in the meantime.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut redis = Self { program, port, shell: None, pid: String::new() };
            if redis.try_to_start() {
                return Some(redis);
            }
        }
        panic!("{program} does not start");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// It forgets everything.
    pub fn stop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            shell.wait().unwrap();
        }
    }

    pub fn start_again(&mut self) {
        assert!(self.try_to_start(), "{} does not start again", self.program);
    }

    /// It takes connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// How long each key has to live, in seconds.
    pub async fn times_to_live(&self) -> Vec<i64> {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let mut found = Vec::new();
        for key in keys {
            found.push(redis::cmd("TTL").arg(key).query_async(&mut connection).await.unwrap());
        }
        found
    }

    fn try_to_start(&mut self) -> bool {
        let port = self.port.to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, "sh", self.program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        pid.trim().clone_into(&mut self.pid);
        self.shell = Some(shell);
        let deadline = Instant::now() + START_WITHIN;
        while Instant::now() < deadline {
            if self.is_mine() {
                return true;
            }
            if !self.is_running() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.stop();
        false
    }

    fn is_running(&self) -> bool {
        Command::new("kill").args(["-0", &self.pid]).stderr(Stdio::null()).status().unwrap().success()
    }

    /// Whether it answers, and not another that took the port.
    fn is_mine(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut answer = String::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let asked = stream.write_all(b"INFO server\r\n");
        while asked.is_ok() && lines.read_line(&mut answer).is_ok_and(|length| length > 0) {
            if answer.contains(&format!("process_id:{}\r\n", self.pid)) {
                return true;
            }
        }
        false
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid]).status();
        assert!(status.unwrap().success());
    }
}

impl Debug for TestRedis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url())
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.stop();
    }
}
