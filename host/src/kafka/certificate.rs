//! Why a broker's certificate is refused. OpenSSL knows and librdkafka does not say: one message stands for an unknown
//! authority, an expired certificate and another host's. So the gateway looks at the certificate itself, once it was refused.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection};

use super::settings::KafkaSettings;
use crate::authorities::roots;

/// A connection that librdkafka has just had is there at once; a broker that hangs shall not hold the reader.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What is wrong with the certificate that the broker at `address`, a host and a port, shows; none where nothing is found.
/// Takes up to two seconds.
pub(super) fn problem(address: &str, settings: &KafkaSettings) -> Option<String> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let authority = match settings.get("ssl.ca.location") {
        Some(path) => format!("`ssl.ca.location` = \"{path}\""),
        None => "the machine's store; set `ssl.ca.location`".to_owned(),
    };
    match handshake(address, host, settings)? {
        CertificateError::Expired => Some("its certificate has expired; it needs a new one".to_owned()),
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / (24 * 60 * 60);
            Some(format!("its certificate has expired, {days} days ago; it needs a new one"))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some("its certificate is not valid yet; check the clocks of both machines".to_owned())
        }
        CertificateError::UnknownIssuer => {
            Some(format!("its certificate is signed by an authority that is not in {authority}"))
        }
        CertificateError::NotValidForNameContext { presented, .. } if identifies(settings) => {
            let names: Vec<_> = presented.iter().map(|name| plain(name)).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Some(format!(
                "its certificate is not for the host `{host}` but for {names}; use one of these in `bootstrap.servers` or have the \
                 broker advertise it, or give the broker a certificate for `{host}`"
            ))
        }
        CertificateError::Revoked => Some("its certificate was revoked; it needs a new one".to_owned()),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => None,
        other => Some(format!("its certificate is not accepted: {other}")),
    }
}

/// rustls says `DnsName("kafka-1")` and `IpAddress(10.0.0.1)`.
fn plain(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inside.trim_matches('"')
}

/// Whether librdkafka compares the host with the certificate's names.
fn identifies(settings: &KafkaSettings) -> bool {
    settings.get("ssl.endpoint.identification.algorithm") != Some("none")
}

/// Begins a connection as far as the broker's certificate, with nobody's credentials.
fn handshake(address: &str, host: &str, settings: &KafkaSettings) -> Option<CertificateError> {
    let ca = settings.get("ssl.ca.location").filter(|path| *path != "probe" && !Path::new(path).is_dir());
    let roots = roots(ca.map(Path::new)).ok()?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut session = ClientConnection::new(Arc::new(config), name).ok()?;
    let address = address.to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).and_then(|()| stream.set_write_timeout(Some(TIMEOUT))).ok()?;
    while session.is_handshaking() {
        while session.wants_write() {
            session.write_tls(&mut stream).ok()?;
        }
        if session.read_tls(&mut stream as &mut dyn Read).ok()? == 0 {
            return None;
        }
        match session.process_new_packets() {
            Err(rustls::Error::InvalidCertificate(problem)) => {
                // The alert is only courtesy.
                let _ = session.write_tls(&mut stream as &mut dyn Write);
                return Some(problem);
            }
            Err(_) => return None,
            Ok(_) => {}
        }
    }
    None
}
