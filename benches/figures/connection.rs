//! HTTP/1.1 with as little as will do: it has to be lighter than what it measures.

use std::net::SocketAddr;

use anyhow::Context;
use anyhow::bail;
use anyhow::ensure;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Longer than any answer that is measured.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Kept alive from one request to the next.
pub struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; LONGEST_ANSWER].into() })
    }

    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let (head, whole) = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the connection was closed within an answer, or the answer is too long");
            filled += read;
            let Some(head) = end_of_head(&self.buffer[..filled]) else { continue };
            let whole = head + length_of_body(&self.buffer[..head])?;
            if filled >= whole {
                break (head, whole);
            }
        };
        let status = std::str::from_utf8(&self.buffer[9..12])?.parse().context("this is no HTTP/1.1")?;
        Ok(Answer { status, head: &self.buffer[..head], body: &self.buffer[head..whole] })
    }

    /// Fails for any answer but a success.
    pub async fn succeed(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        let answer = self.ask(request).await?;
        answer.check(request)?;
        Ok(answer)
    }
}

impl Answer<'_> {
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    fn check(&self, request: &[u8]) -> anyhow::Result<()> {
        if self.is_success() {
            return Ok(());
        }
        let asked = String::from_utf8_lossy(request);
        let asked = asked.lines().next().unwrap_or_default();
        bail!("{asked} was answered {}: {}", self.status, String::from_utf8_lossy(self.body));
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn length_of_body(head: &[u8]) -> anyhow::Result<usize> {
    let name = b"content-length: ";
    let mut lines = head.split(|byte| *byte == b'\n');
    let is_named = |line: &&[u8]| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name);
    match lines.find(is_named) {
        Some(line) => Ok(std::str::from_utf8(line[name.len()..].trim_ascii_end())?.parse()?),
        None if head[9..12] == *b"204" => Ok(0),
        None => bail!("an answer does not say how long it is"),
    }
}
