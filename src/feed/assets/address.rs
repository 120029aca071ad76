//! Checks the addresses of photo hosts. A URL in a record must not reach into the private
//! network of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The kind of network that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Public,
    /// This machine.
    Loopback,
    /// RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193.
    Private,
    /// The local network segment, or the metadata services of a cloud.
    LinkLocal,
    /// Multicast, documentation, unspecified and the like, which have no servers.
    Reserved,
}

/// A private address, which photos must not be downloaded from.
#[derive(Clone, Debug, thiserror::Error)]
#[error("its host {} a private address, and photos are only downloaded from public ones", at(.host, .address))]
pub struct PrivateAddress {
    host: String,
    address: IpAddr,
}

fn at(host: &str, address: &IpAddr) -> String {
    let address = address.to_string();
    if host.trim_matches(['[', ']']) == address {
        format!("{host} is")
    } else {
        format!("{host} is at {address},")
    }
}

/// Allows public addresses, and addresses of the network that the feed is in.
#[derive(Clone, Debug)]
pub struct AddressFilter {
    /// The networks of the feed's own addresses.
    of_feed: Arc<[Network]>,
    /// The hosts of the configured proxies. A proxy can have any address, and looks up the
    /// names of photo hosts itself.
    proxies: Arc<[String]>,
}

/// The environment variables that configure proxies.
const PROXIES: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
];

/// Returns the host of a proxy. The variable may lack a scheme.
fn proxy_host(variable: &str) -> Option<String> {
    let text = std::env::var(variable).ok()?;
    let url = Url::parse(&text)
        .ok()
        .filter(Url::has_host)
        .or_else(|| Url::parse(&format!("http://{text}")).ok())?;
    url.host_str().map(str::to_owned)
}

impl AddressFilter {
    /// Returns the filter for a feed. Looks up the feed's name.
    pub fn of(feed: &Url) -> AddressFilter {
        let addresses: Vec<IpAddr> = match feed.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            // Without an address, only public addresses are allowed.
            Some(Host::Domain(name)) => (name, 0)
                .to_socket_addrs()
                .map(|found| found.map(|address| address.ip()).collect())
                .unwrap_or_default(),
            None => Vec::new(),
        };
        AddressFilter {
            of_feed: addresses.into_iter().map(network).collect(),
            proxies: PROXIES.into_iter().filter_map(proxy_host).collect(),
        }
    }

    /// Checks the address in a URL. The addresses of a host name are checked when it is
    /// looked up.
    pub fn check(&self, url: &Url) -> Result<(), PrivateAddress> {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            _ => return Ok(()),
        };
        if self.allows(address) {
            return Ok(());
        }
        Err(PrivateAddress {
            host: url.host_str().unwrap_or_default().to_owned(),
            address,
        })
    }

    /// Checks the addresses of a host name if there is a proxy, which looks up names itself.
    /// A name that only the proxy knows is left to it.
    pub async fn check_behind_proxy(&self, url: &Url) -> Result<(), PrivateAddress> {
        let Some(Host::Domain(host)) = url.host().filter(|_| !self.proxies.is_empty()) else {
            return Ok(());
        };
        let found = tokio::net::lookup_host((host, 0)).await;
        let found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
        self.allowed(host, found).map(|_| ())
    }

    /// Returns the allowed ones of a host's addresses, or an error if it has only others.
    fn allowed(
        &self,
        host: &str,
        mut found: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, PrivateAddress> {
        let first = found.first().copied();
        found.retain(|address| self.allows(address.ip()));
        match first {
            Some(refused) if found.is_empty() => Err(PrivateAddress {
                host: host.to_owned(),
                address: refused.ip(),
            }),
            _ => Ok(found),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        match network(address) {
            Network::Public => true,
            Network::Reserved => false,
            other => self.of_feed.contains(&other),
        }
    }
}

impl Resolve for AddressFilter {
    fn resolve(&self, name: Name) -> Resolving {
        let filter = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let is_proxy = filter.proxies.contains(&host);
            let allowed = if is_proxy {
                found
            } else {
                filter.allowed(&host, found)?
            };
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(address) => network_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(address) => network_v4(address),
            None => network_v6(address),
        },
    }
}

/// Returns the IPv4 address in a mapped IPv6 address, or in one with the well-known prefix
/// (RFC 6052) or a 6to4 prefix (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(pair(high, low)),
        [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => address.to_ipv4_mapped(),
    }
}

fn network_v4(address: Ipv4Addr) -> Network {
    let [first, second, third, _] = address.octets();
    match (first, second, third) {
        (127, ..) => Network::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Network::Private,
        (169, 254, _) => Network::LinkLocal,
        // RFC 6890: this network, protocol assignments, documentation, benchmarks,
        // multicast and reserved.
        (0, ..)
        | (192, 0, 0 | 2)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113)
        | (224.., ..) => Network::Reserved,
        _ => Network::Public,
    }
}

fn network_v6(address: Ipv6Addr) -> Network {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Network::Loopback,
        [0xfc00..=0xfdff, ..] => Network::Private,
        [0xfe80..=0xfebf, ..] => Network::LinkLocal,
        // Global unicast (RFC 4291) except documentation (RFC 3849).
        [0x2001, 0x0db8, ..] => Network::Reserved,
        [0x2000..=0x3fff, ..] => Network::Public,
        _ => Network::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(feed: &str, photo: &str) -> bool {
        let url = |text: &str| Url::parse(text).expect("a URL of a test");
        AddressFilter::of(&url(feed)).check(&url(photo)).is_ok()
    }

    #[test]
    fn photos_are_downloaded_from_public_addresses_and_from_the_network_of_the_feed() {
        let public = "https://93.184.216.34/odata";
        let cases = [
            (public, "https://1.1.1.1/a.jpg", true),
            (public, "https://[2606:4700::1111]/a.jpg", true),
            (public, "http://127.0.0.1/a.jpg", false),
            (public, "http://127.1/a.jpg", false),
            (public, "http://2130706433/a.jpg", false),
            (public, "http://0x7f.0.0.1/a.jpg", false),
            (public, "http://0.0.0.0/a.jpg", false),
            (public, "http://10.0.0.8/a.jpg", false),
            (public, "http://172.31.255.255/a.jpg", false),
            (public, "http://172.32.0.1/a.jpg", true),
            (public, "http://192.168.1.1/a.jpg", false),
            (public, "http://100.64.0.1/a.jpg", false),
            (public, "http://169.254.169.254/latest/meta-data", false),
            (public, "http://[::1]/a.jpg", false),
            (public, "http://[::ffff:127.0.0.1]/a.jpg", false),
            (public, "http://[64:ff9b::a00:8]/a.jpg", false),
            (public, "http://[fd00::1]/a.jpg", false),
            (public, "http://[fe80::1]/a.jpg", false),
            (public, "http://[ff02::1]/a.jpg", false),
            (
                "http://127.0.0.1:8080/odata",
                "http://127.0.0.1:9/a.jpg",
                true,
            ),
            ("http://127.0.0.1:8080/odata", "http://[::1]:9/a.jpg", true),
            (
                "http://127.0.0.1:8080/odata",
                "http://10.0.0.8/a.jpg",
                false,
            ),
            (
                "http://127.0.0.1:8080/odata",
                "http://169.254.169.254/x",
                false,
            ),
            ("http://10.1.2.3/odata", "http://192.168.1.1/a.jpg", true),
            ("http://10.1.2.3/odata", "http://127.0.0.1/a.jpg", false),
            ("http://localhost/odata", "http://127.0.0.1/a.jpg", true),
        ];
        for (feed, photo, allowed) in cases {
            assert_eq!(allows(feed, photo), allowed, "{photo} for {feed}");
        }
    }
}
