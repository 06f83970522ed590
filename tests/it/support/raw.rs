//! One TCP connection, for requests that no HTTP library would send.

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::TestServer;

pub struct RawConnection(TcpStream);

/// A response as it came over the wire.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl RawConnection {
    pub async fn open(server: &TestServer) -> Self {
        Self(TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap())
    }

    /// A form posted whole, before anything is read.
    pub async fn post_form(&mut self, path: &str, form: &str) -> RawAnswer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n",
            form.len()
        );
        self.0.write_all(head.as_bytes()).await.unwrap();
        // A server that has closed its side shows in what is read, or not read, afterwards.
        let _ = self.0.write_all(form.as_bytes()).await;
        self.answer().await
    }

    pub async fn get(&mut self, path: &str) -> RawAnswer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await
    }

    /// These very bytes.
    pub async fn send(&mut self, request: &str) -> RawAnswer {
        let _ = self.0.write_all(request.as_bytes()).await;
        self.answer().await
    }

    /// The next response, which has a `content-length`.
    async fn answer(&mut self) -> RawAnswer {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= content_length(head)
            {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
                return RawAnswer { status, head: head.to_lowercase(), body: body.to_owned() };
            }
            let mut buffer = [0; 8192];
            let count = self.0.read(&mut buffer).await.expect("the server cut the connection off");
            assert_ne!(count, 0, "the server closed the connection without a whole answer: {text:?}");
            bytes.extend_from_slice(&buffer[..count]);
        }
    }
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(0, |(_, value)| value.trim().parse().unwrap())
}
