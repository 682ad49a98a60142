//! TLS in front of a server, with a certificate of the test's choice, for one test alone.

use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::secure::Certificates;

/// How a connection becomes encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// At once, as with HTTPS.
    Tls,
    /// Where the client asks for it in PostgreSQL's way.
    Postgres,
    /// Never: the client of PostgreSQL that asks for it is told no.
    PostgresWithout,
}

/// A server that passes on what it decrypts. It ends with the test.
pub struct TlsFront {
    address: SocketAddr,
    /// Runs it.
    _runtime: Runtime,
}

/// PostgreSQL's request for TLS: its length and a number that no version has.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl TlsFront {
    /// A front before `to`, a host and a port, with the certificate `name` of the tests' folder.
    ///
    /// # Errors
    /// Where there is no such certificate, or nothing to listen on.
    pub fn start(to: &str, name: &str, opening: Opening) -> anyhow::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(config(name)?));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("listen")?;
        let address = listener.local_addr()?;
        let to: Arc<str> = to.trim_start_matches("http://").into();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A client that does not like the certificate goes, which is its answer.
                tokio::spawn(serve(client, to.clone(), acceptor.clone(), opening));
            }
        });
        Ok(Self { address, _runtime: runtime })
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

async fn serve(mut client: TcpStream, to: Arc<str>, acceptor: TlsAcceptor, opening: Opening) -> anyhow::Result<()> {
    if opening != Opening::Tls {
        let mut request = [0; 8];
        client.read_exact(&mut request).await?;
        if request != SSL_REQUEST {
            bail!("the client does not ask for TLS");
        }
        client.write_all(if opening == Opening::Postgres { b"S" } else { b"N" }).await?;
    }
    let mut server = TcpStream::connect(&*to).await?;
    if opening == Opening::PostgresWithout {
        copy_bidirectional(&mut client, &mut server).await?;
    } else {
        let mut client = acceptor.accept(client).await?;
        copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}

fn config(name: &str) -> anyhow::Result<ServerConfig> {
    let certificates = Certificates::find()?;
    let open = |ending: &str| File::open(certificates.path(&format!("{name}.{ending}"))).map(BufReader::new);
    let chain = CertificateDer::pem_reader_iter(open("pem")?).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_reader(open("key")?)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?)
}
