//! Mail to people: plain text, sent beside the request that caused it.
//!
//! Nobody waits for a mail server, and no request fails because of one: a mail is handed over after the commit
//! of the change that it tells of, tried a few times, and given up with a line in the log. What has not gone out
//! when the process ends is lost, so whatever a mail tells can be had again another way.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Context;
use anyhow::ensure;
use lettre::Address;
use lettre::AsyncSmtpTransport;
use lettre::AsyncTransport;
use lettre::Message;
use lettre::Tokio1Executor;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::message::header::HeaderName;
use lettre::message::header::HeaderValue;
use lettre::transport::smtp;
use tokio::sync::Semaphore;
use url::Url;

use crate::base::secret::Secret;
use crate::base::text;

/// Waits before each try. A server that puts strangers off once (greylisting) takes the third or the fourth.
const TRIES_AFTER: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(5), Duration::from_mins(1), Duration::from_mins(10)];
/// Of one try, with everything that is said in it.
const TIMEOUT: Duration = Duration::from_mins(1);
/// More connections at once would look like an attack to many a mail server.
const AT_ONCE: usize = 4;
/// Beyond this the mail server is away, and keeping more in memory helps nobody.
const MAX_WAITING: usize = 1000;

/// To one person. The text may hold a secret: has no `Debug`.
#[derive(Clone)]
pub struct Mail {
    /// An address for which [`is_address`] holds.
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// Cheap to clone; clones send together.
#[derive(Clone)]
pub struct Mailer {
    way: Arc<Way>,
    waiting: Arc<Semaphore>,
    sending: Arc<Semaphore>,
}

enum Way {
    Smtp {
        transport: Box<AsyncSmtpTransport<Tokio1Executor>>,
        from: Mailbox,
    },
    /// For development: also a link that lets somebody in is then in the log, on purpose.
    Log,
    /// For tests: what would have been sent.
    Memory(Mutex<Vec<Mail>>),
}

impl Mailer {
    /// By SMTP, or without a URL to the log. An error names the setting that is wrong, and never the URL, in
    /// which there is a password.
    pub fn new(smtp_url: Option<&Secret>, from: &str) -> anyhow::Result<Self> {
        let from: Mailbox = from.parse().context("mail_from is no sender of mail")?;
        let Some(url) = smtp_url else { return Ok(Self::by(Way::Log)) };
        Ok(Self::by(Way::Smtp { transport: Box::new(transport(url)?), from }))
    }

    pub fn in_memory() -> Self {
        Self::by(Way::Memory(Mutex::default()))
    }

    fn by(way: Way) -> Self {
        Self {
            way: Arc::new(way),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            sending: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Returns at once. To be called after the commit, or the mail tells of what may not come to pass.
    pub fn send(&self, mail: Mail) {
        match &*self.way {
            Way::Smtp { from, .. } => match message(from, &mail) {
                Ok(message) => self.send_later(message),
                Err(error) => tracing::error!(error = format!("{error:#}"), "a mail could not be written"),
            },
            Way::Log => tracing::info!(
                "mail, only logged because smtp_url is not set\nTo: {}\nSubject: {}\n\n{}",
                mail.to,
                mail.subject,
                mail.text
            ),
            Way::Memory(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push(mail),
        }
    }

    /// What was sent, by a mailer that keeps it in memory; the oldest first.
    pub fn kept(&self) -> Vec<Mail> {
        match &*self.way {
            Way::Memory(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Way::Smtp { .. } | Way::Log => Vec::new(),
        }
    }

    fn send_later(&self, message: Message) {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::error!(waiting = MAX_WAITING, "a mail is lost: too many wait for the mail server");
            return;
        };
        let mailer = self.clone();
        tokio::spawn(async move {
            mailer.send_with_patience(message).await;
            drop(place);
        });
    }

    async fn send_with_patience(&self, message: Message) {
        let Way::Smtp { transport, .. } = &*self.way else { return };
        for (number, wait) in TRIES_AFTER.into_iter().enumerate() {
            tokio::time::sleep(wait).await;
            let Ok(_turn) = self.sending.acquire().await else { return };
            let Err(error) = transport.send(message.clone()).await else { return };
            let is_last = number + 1 == TRIES_AFTER.len() || error.is_permanent();
            if is_last {
                tracing::error!(reason = reason(&error), tries = number + 1, "a mail could not be sent");
                return;
            }
            tracing::warn!(reason = reason(&error), "a mail could not be sent; it will be tried again");
        }
    }
}

/// Whether mail can be addressed to it.
pub fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

fn transport(url: &Secret) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    // Errors of the parser are left out: they may repeat what they could not read.
    let parsed = Url::parse(url.expose()).ok().context("smtp_url is no URL")?;
    let is_open = parsed.scheme() == "smtp" && !parsed.query_pairs().any(|(name, _)| name == "tls");
    ensure!(
        !is_open || parsed.password().is_none(),
        "smtp_url would send its password in the clear: use smtps://, or add ?tls=required for STARTTLS"
    );
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
        .ok()
        .context("smtp_url must be as in smtps://user:password@host or smtp://host:25")?;
    Ok(builder.timeout(Some(TIMEOUT)).build())
}

fn message(from: &Mailbox, mail: &Mail) -> anyhow::Result<Message> {
    // The address is left out of the error, which is logged.
    let to: Address = mail.to.parse().ok().context("the recipient has no address of mail")?;
    let mut message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(text::on_one_line(&mail.subject))
        .message_id(None)
        .header(ContentType::TEXT_PLAIN)
        .body(mail.text.clone())?;
    // RFC 3834 §5: nobody's absence notice comes back.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
    Ok(message)
}

/// Without the server's own words, which often repeat the address.
fn reason(error: &smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None if error.is_tls() => "no secure connection to the mail server".to_owned(),
        None if error.is_client() => "the mail server cannot do what is needed".to_owned(),
        None => "no connection to the mail server".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(to: &str, subject: &str) -> anyhow::Result<String> {
        let mail = Mail { to: to.to_owned(), subject: subject.to_owned(), text: "Hello Zoë".to_owned() };
        let message = message(&"Acme <no-reply@acme.example>".parse().unwrap(), &mail)?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_subject_cannot_add_a_header() {
        let text = written("ada@example.com", "Join Acme\r\nBcc: eve@example.com").unwrap();

        assert!(!text.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{text}");
        assert!(text.contains("Subject: Join Acme  Bcc: eve@example.com\r\n"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
    }

    #[test]
    fn an_address_cannot_add_a_header() {
        for to in [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com, eve@example.com",
            "<ada@example.com>",
            "",
        ] {
            assert!(written(to, "Hello").is_err() && !is_address(to), "{to:?}");
        }
    }

    #[test]
    fn what_cannot_work_stops_the_start_and_keeps_the_password_to_itself() {
        for (url, from) in [
            ("nonsense hunter2", "a@b.example"),
            ("http://u:hunter2@host", "a@b.example"),
            ("smtp://u:hunter2@host:25", "a@b.example"),
            ("smtps://u:hunter2@host", "nobody"),
        ] {
            let error = Mailer::new(Some(&Secret::new(url)), from).err().unwrap();
            assert!(!format!("{error:#} {error:?}").contains("hunter2"), "{error:#}");
        }
        for url in ["smtps://u:p%40@host", "smtp://localhost:2525", "smtp://u:p@host:587?tls=required"] {
            assert!(Mailer::new(Some(&Secret::new(url)), "Acme <a@b.example>").is_ok(), "{url}");
        }
    }
}
