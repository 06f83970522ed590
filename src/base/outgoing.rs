//! Requests to addresses that others chose, such as webhooks: the one client for them. Whoever can have this server
//! send a request must not reach with it what only this server can reach.
//!
//! A name is resolved once, all its addresses are checked, and the connection goes to one of those that were checked:
//! a name that answers differently the second time gains nothing. Redirects are not followed.

use std::error::Error;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::time::Duration;

use reqwest::Client;
use reqwest::Method;
use reqwest::StatusCode;
use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use url::Host;
use url::Url;

/// From the first look-up to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first look-up to the last byte that is read.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// In bytes.
pub const MAX_URL_LENGTH: usize = 2000;

/// What a failure says of its cause, in characters: enough for the reason why a certificate was not accepted.
const MAX_CAUSE: usize = 200;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outgoing {
    http: Client,
    to_private: bool,
}

#[derive(Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// How much of the answer is read, in bytes.
    pub most: usize,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// There was more than was asked for, or the rest did not come.
    pub is_cut: bool,
}

/// Why there is no answer. Made to be read by whoever chose the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("The URL {0}")]
    Refused(Refusal),
    #[error("No answer came within {} seconds", TIMEOUT.as_secs())]
    TimedOut,
    #[error("No connection: {0}")]
    NoConnection(String),
    #[error("The connection broke: {0}")]
    Broken(String),
}

/// Why a URL is not used. Continues a sentence that begins with what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is not a complete address")]
    Unreadable,
    #[error("is longer than {MAX_URL_LENGTH} characters")]
    TooLong,
    #[error("must begin with https://")]
    NotHttps,
    #[error("must not hold a user name or password")]
    Credentials,
    #[error("must not have a fragment")]
    Fragment,
    #[error("must use port 443 or one above 1023")]
    Port,
    #[error("leads to an address that is not public")]
    NotPublic,
}

impl Outgoing {
    /// `to_private`: for development, to any address and over plain HTTP, too.
    pub fn new(to_private: bool) -> reqwest::Result<Self> {
        let http = Client::builder()
            .user_agent(concat!("Countersign/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Resolver { to_private })
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            // A proxy would resolve the name again, where nobody checks.
            .no_proxy()
            .https_only(!to_private)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // A kept connection may be closed by the other side at the moment of the next request.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { http, to_private })
    }

    /// The URL as it is used. Addresses behind a name are only known when a request is sent.
    pub fn check(&self, url: &str) -> Result<Url, Refusal> {
        if url.len() > MAX_URL_LENGTH {
            return Err(Refusal::TooLong);
        }
        let url = Url::parse(url).map_err(|_| Refusal::Unreadable)?;
        if url.scheme() != "https" && !(self.to_private && url.scheme() == "http") {
            return Err(Refusal::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        if url.fragment().is_some() {
            return Err(Refusal::Fragment);
        }
        match url.port_or_known_default() {
            None | Some(0) => return Err(Refusal::Port),
            // Whatever else has a low number speaks no HTTP.
            Some(port) if !self.to_private && port != 443 && port < 1024 => return Err(Refusal::Port),
            Some(_) => {}
        }
        let is_allowed = match url.host() {
            None => return Err(Refusal::Unreadable),
            Some(Host::Domain(_)) => true,
            // A client connects to these without asking its resolver.
            Some(Host::Ipv4(ip)) => self.to_private || is_public(ip.into()),
            Some(Host::Ipv6(ip)) => self.to_private || is_public(ip.into()),
        };
        if is_allowed { Ok(url) } else { Err(Refusal::NotPublic) }
    }

    pub async fn send(&self, request: Request<'_>) -> Result<Answer, Failure> {
        let url = self.check(request.url).map_err(Failure::Refused)?;
        let sent = self.http.request(request.method, url).headers(request.headers).body(request.body).send();
        let mut response = sent.await.map_err(|error| failure(&error))?;
        let headers = std::mem::take(response.headers_mut());
        let mut answer = Answer { status: response.status(), headers, body: Vec::new(), is_cut: false };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = request.most - answer.body.len();
                    answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    answer.is_cut = chunk.len() > room;
                }
                Ok(None) => return Ok(answer),
                Err(_) => answer.is_cut = true,
            }
            if answer.is_cut {
                return Ok(answer);
            }
        }
    }
}

/// The URL is left out: it may hold a secret of whoever chose it.
fn failure(error: &reqwest::Error) -> Failure {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if let Some(refusal) = cause.downcast_ref::<Refusal>() {
        return Failure::Refused(*refusal);
    }
    let words = cause.to_string().chars().take(MAX_CAUSE).collect();
    match (error.is_timeout(), error.is_connect()) {
        (true, true) => {
            Failure::NoConnection(format!("none came about within {} seconds", CONNECT_TIMEOUT.as_secs()))
        }
        (true, false) => Failure::TimedOut,
        (false, true) => Failure::NoConnection(words),
        (false, false) => Failure::Broken(words),
    }
}

/// Gives addresses only if all of a name are public: one that has both kinds is up to something.
struct Resolver {
    to_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let to_private = self.to_private;
        Box::pin(async move {
            // The port of the URL takes the place of this one.
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !to_private && !addresses.iter().all(|address| is_public(address.ip())) {
                return Err(Refusal::NotPublic.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one that anybody on the internet could reach, too.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// All but what IANA's registry of special-purpose addresses keeps from the internet (RFC 6890).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    // This network, private, loopback, multicast and reserved; shared (RFC 6598); link-local, with the clouds'
    // metadata; private; private; protocol assignments and documentation; relays of 6to4; benchmarks;
    // documentation; documentation.
    !matches!(
        ip.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18..=19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        // An IPv4 address in other clothes: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Protocol assignments with Teredo, and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Of everything else only global unicast: no loopback, no unique-local, no link-local, no multicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOT_PUBLIC: &str = "
        0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.0.1 169.254.169.254
        172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
        198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
        :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
        64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:10::1 2001:20::1 2001:2::1
        2001:db8::1 3fff::1 2002:7f00:1::1 2002:a00:1:: 2002:a9fe:a9fe::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
        fec0::1 ff02::1 ff0e::1";
    const PUBLIC: &str = "
        1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 169.253.255.255 172.15.255.255 172.32.0.0
        192.0.1.1 192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255
        2606:4700::1111 2a00:1450::1 2001:4860:4860::8888 ::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:101:101::1";

    #[test]
    fn only_public_addresses_are_public() {
        for (list, expected) in [(NOT_PUBLIC, false), (PUBLIC, true)] {
            for ip in list.split_whitespace() {
                assert_eq!(is_public(ip.parse().unwrap()), expected, "{ip}");
            }
        }
    }

    #[test]
    fn a_url_is_refused_for_what_is_wrong_with_it() {
        let outgoing = Outgoing::new(false).unwrap();
        let long = format!("https://hooks.example/{}", "x".repeat(MAX_URL_LENGTH));
        for (url, refusal) in [
            ("", Refusal::Unreadable),
            ("hooks.example/x", Refusal::Unreadable),
            ("https://", Refusal::Unreadable),
            ("https://hooks.example:99999/", Refusal::Unreadable),
            (&long, Refusal::TooLong),
            ("http://hooks.example/", Refusal::NotHttps),
            ("file:///etc/passwd", Refusal::NotHttps),
            ("gopher://hooks.example/", Refusal::NotHttps),
            ("https://me@hooks.example/", Refusal::Credentials),
            ("https://me:pass@hooks.example/", Refusal::Credentials),
            ("https://hooks.example/#x", Refusal::Fragment),
            ("https://hooks.example:22/", Refusal::Port),
            ("https://hooks.example:0/", Refusal::Port),
            ("https://127.0.0.1/", Refusal::NotPublic),
            ("https://127.1/", Refusal::NotPublic),
            ("https://2130706433/", Refusal::NotPublic),
            ("https://0x7f.0.0.1/", Refusal::NotPublic),
            ("https://0177.0.0.1/", Refusal::NotPublic),
            ("https://127.0.0.1./", Refusal::NotPublic),
            ("https://①②⑦.0.0.1/", Refusal::NotPublic),
            ("https://169.254.169.254/latest/meta-data", Refusal::NotPublic),
            ("https://[::1]/", Refusal::NotPublic),
            ("https://[::ffff:7f00:1]/", Refusal::NotPublic),
            ("https://[fd00:ec2::254]/", Refusal::NotPublic),
        ] {
            assert_eq!(outgoing.check(url).unwrap_err(), refusal, "{url}");
        }
        for url in ["https://hooks.example/a?b=c", "https://hooks.example:8443/", "https://1.1.1.1/"] {
            assert_eq!(outgoing.check(url).unwrap().as_str(), url);
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_before_anything_is_sent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let request = Request {
            method: Method::POST,
            url: &url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            most: 1024,
        };

        let failure = Outgoing::new(false).unwrap().send(request).await.unwrap_err();

        assert_eq!(failure, Failure::Refused(Refusal::NotPublic));
        assert!(listener.accept().is_err(), "nobody connected");
    }
}
