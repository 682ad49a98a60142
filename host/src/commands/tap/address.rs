//! Where the gateway listens, by its file or by an address, and where a pipeline's tap is there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{TapArguments, TapFault};
use crate::config::HttpSettings;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an address without brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Where the gateway listens.
pub(super) fn of(arguments: &TapArguments) -> Result<Address, TapFault> {
    match &arguments.url {
        Some(url) => parse(url).ok_or_else(|| {
            TapFault::Unusable(format!("--url is \"{url}\"; expected http://HOST:PORT, such as http://127.0.0.1:9464"))
        }),
        None => of_file(arguments),
    }
}

fn parse(url: &str) -> Option<Address> {
    let uri: Uri = url.parse().ok()?;
    let plain = uri.scheme_str() == Some("http") && uri.query().is_none() && matches!(uri.path(), "" | "/");
    let authority = uri.authority().filter(|authority| plain && !authority.as_str().contains('@'))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Address { host, port: authority.port_u16().unwrap_or(80) }).filter(|address| !address.host.is_empty())
}

fn of_file(arguments: &TapArguments) -> Result<Address, TapFault> {
    let file = &arguments.config;
    if !file.exists() {
        let text =
            format!("there is no {}; --config names the gateway's file, or --url where it listens", file.display());
        return Err(TapFault::Unusable(text));
    }
    let settings = HttpSettings::read(file).map_err(|faults| TapFault::Unusable(faults.to_string()))?;
    let file = file.display();
    match settings {
        None => Err(TapFault::Unusable(format!(
            "{file} has no section [http], so that the gateway listens nowhere; listen = \"127.0.0.1:9464\" in it opens the tap"
        ))),
        Some(HttpSettings { listen, .. }) if listen.port() == 0 => Err(TapFault::Unusable(format!(
            "{file} leaves the port to the system: `http.listen` is \"{listen}\"; expected --url with the address that the gateway logs"
        ))),
        Some(HttpSettings { listen, .. }) => Ok(reached(listen)),
    }
}

/// An address to connect to: a listener on all addresses is on loopback too.
fn reached(listen: SocketAddr) -> Address {
    let host = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
        address => address.to_string(),
    };
    Address { host, port: listen.port() }
}

/// The path of a pipeline's tap.
pub(super) fn path(pipeline: &str) -> Result<String, TapFault> {
    let encoded = |part: &str| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string();
    let parts: Vec<_> = pipeline.split('/').collect();
    match parts.as_slice() {
        [name] if !name.is_empty() => Ok(format!("/tap/{}", encoded(name))),
        [tenant, name] if !tenant.is_empty() && !name.is_empty() => {
            Ok(format!("/tap/{}/{}", encoded(tenant), encoded(name)))
        }
        _ => Err(TapFault::Unusable(format!("the pipeline is \"{pipeline}\"; expected NAME or TENANT/NAME"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        let shown = |url: &str| parse(url).map(|address| address.to_string());
        assert_eq!(shown("http://127.0.0.1:9464").as_deref(), Some("127.0.0.1:9464"));
        assert_eq!(shown("http://gateway/").as_deref(), Some("gateway:80"));
        assert_eq!(shown("http://[::1]:1").as_deref(), Some("[::1]:1"));
        for wrong in ["127.0.0.1:9464", "https://a:1", "http://a:1/metrics", "http://u@a:1", "http://", "a b", ""] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        let shown = |listen: &str| reached(listen.parse().unwrap()).to_string();
        assert_eq!(shown("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(shown("[::]:9464"), "[::1]:9464");
        assert_eq!(shown("10.1.2.3:9464"), "10.1.2.3:9464");
    }

    #[test]
    fn a_pipelines_name_may_hold_anything_but_slashes() {
        assert_eq!(path("sales").unwrap(), "/tap/sales");
        assert_eq!(path("a b/ж?").unwrap(), "/tap/a%20b/%D0%B6%3F");
        for wrong in ["", "/", "a/", "/a", "a/b/c"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
