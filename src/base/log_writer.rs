//! Where the lines of the log go: they are gathered, and a thread of their own writes them, so that no request waits for
//! whoever reads them, nor makes a system call for each.

use std::io;
use std::io::Write;
use std::mem;
use std::panic;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Before anybody could miss a line.
const WRITE_EVERY: Duration = Duration::from_millis(20);
/// In bytes. What comes while so much is waiting is lost, and counted.
const MOST: usize = 4 * 1024 * 1024;

/// Writes to standard error. Cheap to clone; clones are one.
#[derive(Clone, Default)]
pub struct LogWriter {
    gathered: Arc<Mutex<Gathered>>,
    /// Held while lines are written, so that they stay in order.
    writing: Arc<Mutex<()>>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    lost: u64,
}

/// Writes what is left when the program ends, and before a panic is told of.
pub struct Rest(LogWriter);

impl LogWriter {
    pub fn start() -> io::Result<(Self, Rest)> {
        let writer = Self::default();
        let own = writer.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                thread::sleep(WRITE_EVERY);
                own.flush();
            }
        })?;
        let (own, next) = (writer.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |panic| {
            own.flush();
            next(panic);
        }));
        Ok((writer.clone(), Rest(writer)))
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Gathered { lines, lost } = mem::take(&mut *self.gathered());
        let mut out = io::stderr().lock();
        // Nobody is left to be told that it fails.
        let _ = out.write_all(&lines);
        if lost > 0 {
            let _ = writeln!(out, "{lost} lines of the log were lost: more came than could be written");
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// One line, which is written at once.
pub struct Line<'a>(&'a LogWriter);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.0.gathered();
        if gathered.lines.len() + line.len() > MOST {
            gathered.lost += 1;
        } else {
            gathered.lines.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
