//! Why a broker's certificate is refused. OpenSSL knows and librdkafka does not say: one message stands for an unknown
//! authority, an expired certificate and another host's. So the gateway looks at the certificate itself, once it was refused.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};

use super::settings::KafkaSettings;
use crate::authorities::roots;

/// For the name, the connection and all that is said on it. What librdkafka has just had is there at once; a broker or a resolver that
/// hangs shall not hold the reader.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What is wrong with the certificate that the broker at `address`, a host and a port, shows; none where nothing is found.
/// Takes up to [`TIMEOUT`].
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
    refused(address, host, roots(ca.map(Path::new)).ok()?)
}

fn refused(address: &str, host: &str, roots: RootCertStore) -> Option<CertificateError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut session = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut stream = Connection::open(address, Deadline(Instant::now() + TIMEOUT)).ok()?;
    while session.is_handshaking() {
        while session.wants_write() {
            session.write_tls(&mut stream).ok()?;
        }
        if session.read_tls(&mut stream).ok()? == 0 {
            return None;
        }
        match session.process_new_packets() {
            Err(rustls::Error::InvalidCertificate(problem)) => {
                // The alert is only courtesy.
                let _ = session.write_tls(&mut stream);
                return Some(problem);
            }
            Err(_) => return None,
            Ok(_) => {}
        }
    }
    None
}

/// When it is enough.
#[derive(Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A connection on which nothing lasts beyond the deadline, however often something comes.
struct Connection {
    stream: TcpStream,
    deadline: Deadline,
}

impl Connection {
    fn open(address: &str, deadline: Deadline) -> io::Result<Self> {
        let address = resolved(address, deadline)?;
        Ok(Self { stream: TcpStream::connect_timeout(&address, deadline.left()?)?, deadline })
    }
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.deadline.left()?))?;
        self.stream.read(bytes)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The first address of a name. The system's resolver knows no deadline, so that a thread asks it, which ends when it answers.
fn resolved(address: &str, deadline: Deadline) -> io::Result<SocketAddr> {
    let (sender, answer) = sync_channel(1);
    let address = address.to_owned();
    thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        // Where it is too late nobody waits for it.
        let _ = sender.send(address.to_socket_addrs().map(|mut found| found.next()));
    })?;
    let found = answer.recv_timeout(deadline.left()?).map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
    found.ok_or_else(|| ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_never_ends_its_handshake_is_given_up_in_time_though_it_goes_on_sending() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The beginning of a record of the handshake that is 16 KiB long, and then a byte now and then.
            stream.write_all(&[22, 3, 3, 0x40, 0]).unwrap();
            let sent = (0..100).take_while(|_| {
                thread::sleep(Duration::from_millis(200));
                stream.write_all(&[2]).is_ok()
            });
            sent.count()
        });
        let begun = Instant::now();
        assert_eq!(refused(&address, "127.0.0.1", RootCertStore::empty()), None);
        let took = begun.elapsed();
        assert!(took >= TIMEOUT && took < Duration::from_secs(5), "{took:?}");
        assert!(server.join().unwrap() < 100);
    }
}
