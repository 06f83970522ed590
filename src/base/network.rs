//! Addresses on the internet.

use std::net::IpAddr;
use std::net::Ipv6Addr;

use url::Host;
use url::Url;

/// The bits of an IPv6 address that its subscriber does not choose.
const SUBSCRIBER: u32 = 64;

/// By what somebody who asks too often is counted: an IPv4 address, or the /64 that one IPv6 subscriber has.
pub fn subscriber(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - SUBSCRIBER))).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Whether the URL leads back to the machine that follows it.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_has_a_64() {
        for (ip, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(subscriber(ip.parse().unwrap()).to_string(), expected);
        }
    }
}
