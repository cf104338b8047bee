//! The addresses that we call. A name may point into our own network tomorrow, so the address itself is looked at each
//! time a connection is made, and that address is the one that is connected to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses that may be called: by default public ones only.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    anywhere: bool,
    allow: Arc<[IpNet]>,
}

/// No address that a name stands for may be called.
#[derive(Debug, thiserror::Error)]
#[error("the address is not public")]
pub(super) struct Refused;

impl Egress {
    /// Public addresses, and these networks.
    pub fn public_and(allow: impl IntoIterator<Item = IpNet>) -> Self {
        Self { anywhere: false, allow: allow.into_iter().collect() }
    }

    /// Every address: for endpoints that we started ourselves.
    pub fn anywhere() -> Self {
        Self { anywhere: true, ..Self::default() }
    }

    /// Whether an address may be called.
    pub fn permits(&self, address: IpAddr) -> bool {
        let named = |address: IpAddr| self.allow.iter().any(|net| net.contains(&address));
        let plain = address.to_canonical();
        self.anywhere || named(address) || named(plain) || is_public(plain)
    }

    /// The permitted addresses of a host, looked up now.
    pub(super) async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        if found.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        found.retain(|address| self.permits(address.ip()));
        if found.is_empty() { Err(io::Error::other(Refused)) } else { Ok(found) }
    }
}

impl Resolve for Egress {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.clone();
        Box::pin(async move {
            let found = egress.lookup(name.as_str(), 0).await?;
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

/// Whether everybody on the internet means the same host by it.
///
/// Source: IANA's registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, loopback, multicast and what is reserved; protocol assignments, a retired relay and benchmarks.
        [0 | 127 | 224.., ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => true,
        // Shared by the customers of a provider.
        [100, second, ..] => (64..128).contains(&second),
        _ => false,
    };
    !(special || address.is_private() || address.is_link_local() || address.is_documentation())
}

/// Global unicast is `2000::/3`; an address that carries an address of version 4 leads to that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => inner(high, low),
        // Protocol assignments with Teredo, and documentation.
        [0x2001, 0..0x200 | 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(egress: &Egress, address: &str) -> bool {
        egress.permits(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_called_and_no_others() {
        let egress = Egress::default();
        for address in [
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(permits(&egress, address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:7f00:1::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!permits(&egress, address), "{address}");
            assert!(permits(&Egress::anywhere(), address), "{address}");
        }
    }

    #[test]
    fn a_named_network_is_called_and_its_neighbours_are_not() {
        let egress =
            Egress::public_and(["10.1.0.0/16", "fd00::/64"].map(|net| net.parse().unwrap()));

        for address in ["10.1.0.1", "10.1.255.255", "::ffff:10.1.2.3", "fd00::7", "8.8.8.8"] {
            assert!(permits(&egress, address), "{address}");
        }
        for address in ["10.0.255.255", "10.2.0.0", "127.0.0.1", "fd00:0:0:1::7"] {
            assert!(!permits(&egress, address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_stands_for_this_machine_is_refused_when_it_is_looked_up() {
        let refused = Egress::default().lookup("localhost", 1).await.unwrap_err();
        let named = Egress::public_and(["127.0.0.1/32".parse().unwrap()]);

        assert_eq!(refused.to_string(), Refused.to_string());
        let found = named.lookup("localhost", 1).await.unwrap();
        assert_eq!(found, ["127.0.0.1:1".parse().unwrap()]);
    }
}
