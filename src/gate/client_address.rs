//! Where a request comes from. Forwarded headers count only from a configured proxy (contract: default none).

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::request::Parts;
use ipnet::IpNet;

use crate::app::App;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    pub ip: IpAddr,
    /// Over HTTPS, or from this machine.
    pub is_secure: bool,
    /// Whether a configured proxy sent the request on.
    pub is_proxied: bool,
}

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// In the place of an address as `ConnectInfo`: a peer that has come over our own TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsPeer(pub SocketAddr);

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let over_tls = parts.extensions.get::<ConnectInfo<TlsPeer>>().map(|info| info.0.0);
        let peer = over_tls.or_else(|| parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0));
        // Without a peer nothing is known, so nothing is trusted.
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
        Ok(resolve(peer, over_tls.is_some(), &parts.headers, &app.config.trusted_proxies))
    }
}

/// Walks `X-Forwarded-For` from the right, as long as a trusted proxy vouches for the next address: whatever
/// stands further left was written by the caller.
fn resolve(peer: IpAddr, is_tls: bool, headers: &HeaderMap, trusted: &[IpNet]) -> ClientAddress {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(&ip));
    if !is_trusted(peer) {
        return ClientAddress { ip: peer, is_secure: is_tls || peer.is_loopback(), is_proxied: false };
    }
    let mut ip = peer;
    for hop in values(headers, &FOR).into_iter().rev() {
        // A proxy that writes nonsense vouches for nothing further left.
        let Ok(next) = hop.parse::<IpAddr>() else { break };
        ip = next.to_canonical();
        if !is_trusted(ip) {
            break;
        }
    }
    let scheme = values(headers, &PROTO).last().copied();
    // Our own TLS ends at the proxy: how others came there is for the proxy to say.
    let came_securely = ip.is_loopback() || (is_tls && ip == peer);
    ClientAddress {
        ip,
        is_secure: scheme.map_or(came_securely, |scheme| scheme.eq_ignore_ascii_case("https")),
        is_proxied: true,
    }
}

/// The elements of a list header, over all its lines.
pub(super) fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(peer: &str, forwarded: &[(&'static str, &str)], trusted: &[&str]) -> ClientAddress {
        let mut headers = HeaderMap::new();
        for (name, value) in forwarded {
            headers.append(*name, value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        resolve(peer.parse().unwrap(), false, &headers, &trusted)
    }

    #[test]
    fn our_own_tls_is_secure_as_far_as_it_goes() {
        let is_secure = |forwarded: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            headers.extend(
                forwarded.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())),
            );
            resolve([203, 0, 113, 9].into(), true, &headers, &["203.0.113.9/32".parse().unwrap()]).is_secure
        };

        assert!(resolve([198, 51, 100, 7].into(), true, &HeaderMap::new(), &[]).is_secure);
        assert!(is_secure(&[]), "nobody in between");
        assert!(!is_secure(&[("x-forwarded-for", "198.51.100.7")]), "somebody in between, who does not say");
        assert!(!is_secure(&[("x-forwarded-proto", "http")]));
        assert!(is_secure(&[("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https")]));
    }

    #[test]
    fn a_stranger_cannot_say_where_he_comes_from() {
        let forged = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")];
        let seen = resolved("203.0.113.9", &forged, &["10.0.0.0/8"]);
        let ip = "203.0.113.9".parse().unwrap();
        assert_eq!(seen, ClientAddress { ip, is_secure: false, is_proxied: false });
    }

    #[test]
    fn the_walk_ends_at_the_first_address_that_no_proxy_of_ours_has() {
        let forwarded = [
            ("x-forwarded-for", "1.1.1.1, 203.0.113.9"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "https"),
        ];
        let seen = resolved("10.0.0.1", &forwarded, &["10.0.0.0/8"]);
        let ip = "203.0.113.9".parse().unwrap();
        assert_eq!(seen, ClientAddress { ip, is_secure: true, is_proxied: true });
    }

    #[test]
    fn nonsense_ends_the_walk() {
        let seen = resolved("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, evil")], &["10.0.0.0/8"]);
        assert_eq!(seen.ip, "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
