//! From which addresses a credential may be used: networks of IPv4 and IPv6, and none for anywhere.

use std::net::IpAddr;

use ipnet::IpNet;
use ipnet::Ipv4Net;
use serde_json::json;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::base::ids::OrganizationId;

/// Each request is compared with every entry.
pub const MAX_ENTRIES: usize = 200;
/// Of an entry that an error repeats, in characters; no network is longer.
const MAX_REPEATED: usize = 50;

/// Normalised: no bits behind a prefix, no IPv4 in the shape of IPv6, nothing twice. In the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpAllowlist(Vec<IpNet>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpAllowlistError {
    #[error("A list has at most {MAX_ENTRIES} entries")]
    TooMany,
    #[error("{0:?} is neither an IP address nor a network such as 203.0.113.0/24 or 2001:db8::/32")]
    Nonsense(String),
}

impl IpAllowlist {
    /// Addresses of hosts, and networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, IpAllowlistError> {
        if entries.len() > MAX_ENTRIES {
            return Err(IpAllowlistError::TooMany);
        }
        let networks = entries.iter().map(|entry| {
            let entry = entry.as_ref().trim();
            parse_network(entry)
                .ok_or_else(|| IpAllowlistError::Nonsense(entry.chars().take(MAX_REPEATED).collect()))
        });
        Ok(Self::of(networks.collect::<Result<Vec<IpNet>, _>>()?))
    }

    pub fn of(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let mut list = Vec::new();
        for network in networks.into_iter().map(normalised) {
            if !list.contains(&network) {
                list.push(network);
            }
        }
        Self(list)
    }

    /// An empty list allows every address.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&ip))
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// In CIDR notation, hosts too.
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl From<Vec<IpNet>> for IpAllowlist {
    fn from(networks: Vec<IpNet>) -> Self {
        Self::of(networks)
    }
}

/// Puts the organization's list in place of the one before.
pub async fn replace(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    (is_enabled, list): (bool, &IpAllowlist),
    act: &Act,
) -> sqlx::Result<()> {
    // Locked, so that of two changes at once each is told in the audit log as it was.
    let before = sqlx::query!(
        "select ip_allowlist_enabled, ip_allowlist from organizations where id = $1 for update",
        organization as OrganizationId,
    )
    .fetch_one(&mut **tx)
    .await?;
    let told =
        |is_enabled: bool, list: &IpAllowlist| json!({ "enabled": is_enabled, "cidrs": list.to_texts() });
    let before = told(before.ip_allowlist_enabled, &IpAllowlist::of(before.ip_allowlist));
    let Some((before, after)) = log::difference(&before, &told(is_enabled, list)) else { return Ok(()) };
    sqlx::query!(
        r#"
        update organizations
           set ip_allowlist_enabled = $2,
               ip_allowlist = $3
         where id = $1
        "#,
        organization as OrganizationId,
        is_enabled,
        list.networks() as &[IpNet],
    )
    .execute(&mut **tx)
    .await?;
    let change = log::Change {
        organization: Some(organization),
        action: "ip_allowlist.changed",
        target: ("ip_allowlist", organization.to_string()),
        before: Some(before),
        after: Some(after),
    };
    log::record(tx, act, &change).await
}

fn parse_network(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse().ok().map(|address: IpAddr| IpNet::from(address));
    };
    // `parse` would take a sign.
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    let length = is_number.then(|| length.parse().ok()).flatten()?;
    IpNet::new(address.parse().ok()?, length).ok()
}

/// A request over a socket for both families comes from `::ffff:192.0.2.1`; that is 192.0.2.1, here as there.
fn normalised(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let network = network.trunc();
    let IpAddr::V6(address) = network.addr() else { return network };
    let length = network.prefix_len().checked_sub(MAPPED);
    let mapped = address.to_ipv4_mapped().zip(length);
    mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(entries: &[&str]) -> Vec<String> {
        IpAllowlist::parse(entries).unwrap().to_texts()
    }

    fn allows(entries: &[&str], ip: &str) -> bool {
        IpAllowlist::parse(entries).unwrap().allows(ip.parse().unwrap())
    }

    #[test]
    fn an_entry_is_kept_in_its_normal_form() {
        for (given, kept) in [
            ("203.0.113.9", "203.0.113.9/32"),
            (" 203.0.113.9/24\t", "203.0.113.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0:0::1", "2001:db8::1/128"),
            ("2001:db8::ffff/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:203.0.113.9", "203.0.113.9/32"),
            ("::ffff:203.0.113.9/120", "203.0.113.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:cb00:7109", "203.0.113.9/32"),
        ] {
            assert_eq!(normal(&[given]), [kept], "{given}");
        }
    }

    #[test]
    fn a_network_is_kept_once() {
        let given = ["10.0.0.0/8", "192.0.2.1", "10.1.2.3/8", "::ffff:192.0.2.1"];
        assert_eq!(normal(&given), ["10.0.0.0/8", "192.0.2.1/32"]);
    }

    #[test]
    fn an_address_is_allowed_if_a_network_holds_it() {
        for (list, ip, is_allowed) in [
            (&[][..], "203.0.113.9", true),
            (&["203.0.113.0/24"], "203.0.113.255", true),
            (&["203.0.113.0/24"], "203.0.114.0", false),
            (&["203.0.113.0/24"], "::ffff:203.0.113.1", true),
            (&["::ffff:203.0.113.0/120"], "203.0.113.1", true),
            (&["2001:db8::/32"], "2001:db8:ffff::1", true),
            (&["2001:db8::/32"], "2001:db9::1", false),
            (&["0.0.0.0/0"], "2001:db8::1", false),
            (&["::/0"], "203.0.113.9", false),
            (&["::/0", "203.0.113.9"], "203.0.113.9", true),
            (&["203.0.113.9/31"], "203.0.113.8", true),
        ] {
            assert_eq!(allows(list, ip), is_allowed, "{ip} by {list:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_repeated() {
        for nonsense in [
            "",
            " ",
            "localhost",
            "203.0.113",
            "203.0.113.256",
            "0203.0.113.9",
            "203.0.113.9/33",
            "203.0.113.9/-1",
            "203.0.113.9/+8",
            "203.0.113.9/",
            "203.0.113.9/8/8",
            "203.0.113.9/255.255.255.0",
            "203.0.113.9:80",
            "203.0.113.1-203.0.113.9",
            "10.*",
            "2001:db8::/129",
            "2001:db8::1%eth0",
            "[2001:db8::1]",
            "2001:db8:::1",
            "203.0.113.9\0",
        ] {
            let error = IpAllowlist::parse(&["10.0.0.0/8", nonsense]).unwrap_err();
            assert_eq!(error, IpAllowlistError::Nonsense(nonsense.trim().to_owned()), "{nonsense:?}");
        }
        let error = IpAllowlist::parse(&["x".repeat(10_000)]).unwrap_err();
        assert_eq!(error, IpAllowlistError::Nonsense("x".repeat(MAX_REPEATED)));
    }

    #[test]
    fn a_list_has_an_end() {
        let entries: Vec<String> =
            (0..=MAX_ENTRIES).map(|i| format!("10.0.{}.{}", i / 256, i % 256)).collect();
        assert!(IpAllowlist::parse(&entries[1..]).is_ok());
        assert_eq!(IpAllowlist::parse(&entries), Err(IpAllowlistError::TooMany));
    }
}
