//! Mail on its way out: what a mail server hears.

use countersign::base::mail::Mail;
use countersign::base::mail::Mailer;
use countersign::base::secret::Secret;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpListener;

use crate::support::TestServer;

fn mail(subject: &str) -> Mail {
    Mail {
        to: "ada@example.com".to_owned(),
        subject: subject.to_owned(),
        text: "Hello,\n\nhttp://localhost/\n".to_owned(),
    }
}

/// Takes one mail, and returns all that the client said.
async fn mail_server(listener: TcpListener) -> Vec<String> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let mut heard = Vec::new();
    let mut is_text = false;
    write.write_all(b"220 toy\r\n").await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer = match line.as_str() {
            "." => "250 taken\r\n",
            _ if is_text => "",
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        };
        is_text = (is_text || line == "DATA") && line != ".";
        let is_over = line == "QUIT";
        heard.push(line);
        write.write_all(answer.as_bytes()).await.unwrap();
        if is_over {
            break;
        }
    }
    heard
}

#[tokio::test]
async fn a_mail_goes_out_by_smtp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Secret::new(format!("smtp://{}", listener.local_addr().unwrap()));
    let mailer = Mailer::new(Some(&url), "Acme <no-reply@acme.example>").unwrap();

    mailer.send(mail("Join Zoë\r\nBcc: eve@example.com"));

    let heard = mail_server(listener).await;
    let commands: Vec<_> = heard.iter().filter(|line| line.contains(":<")).map(String::as_str).collect();
    assert_eq!(commands, ["MAIL FROM:<no-reply@acme.example>", "RCPT TO:<ada@example.com>"]);
    assert!(heard.iter().any(|line| line == "From: Acme <no-reply@acme.example>"), "{heard:?}");
    assert!(heard.iter().any(|line| line == "http://localhost/"), "{heard:?}");
    assert!(!heard.iter().any(|line| line.to_lowercase().starts_with("bcc")), "{heard:?}");
}

#[tokio::test]
async fn a_mail_server_that_is_away_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Secret::new(format!("smtp://{}", listener.local_addr().unwrap()));
    drop(listener);
    let mailer = Mailer::new(Some(&url), "no-reply@acme.example").unwrap();

    // Returns though nobody listens, and though more are sent than may wait.
    for _ in 0..1100 {
        mailer.send(mail("Hello"));
    }

    assert!(mailer.kept().is_empty());
}

#[tokio::test]
async fn tests_read_the_mail_of_their_server() {
    let server = TestServer::start().await;

    server.app.mailer.send(mail("Hello"));

    let subjects: Vec<_> = server.mails().into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, ["Hello"]);
}
