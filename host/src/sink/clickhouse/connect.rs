//! Connections whose answers are ClickHouse's own. What stands before a server may answer 200 to an insert that the server never saw, a
//! page for logging in, say; and the client takes every 200 for done. Here such an answer is a broken connection, and the insert is tried again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use clickhouse::Client;
use hyper::Uri;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use crate::authorities::roots;

/// Longer than any head of ClickHouse.
const LONGEST_HEAD: usize = 64 << 10;

/// As the client's own.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Below the three seconds after which servers close idle connections.
const IDLE: Duration = Duration::from_secs(2);

/// A client of a server, over such connections.
///
/// # Errors
/// Where TLS cannot be set up. A machine without authorities is no fault: then no certificate is trusted.
pub(super) fn client() -> Result<Client, rustls::Error> {
    let mut http = HttpConnector::new();
    http.set_keepalive(Some(KEEPALIVE));
    http.enforce_http(false);
    let roots = roots(None).unwrap_or_else(|_| RootCertStore::empty());
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let connector = Checking(HttpsConnector::from((http, tls)));
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    Ok(Client::with_http_client(builder.pool_idle_timeout(IDLE).build(connector)))
}

/// Makes connections that are looked at.
#[derive(Clone)]
struct Checking<C>(C);

impl<C> Service<Uri> for Checking<C>
where
    C: Service<Uri, Future: Send + 'static>,
{
    type Response = Checked<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = self.0.call(uri);
        Box::pin(async move { Ok(Checked { stream: connected.await?, answer: Answer::Body }) })
    }
}

/// A connection that is looked at.
struct Checked<S> {
    stream: S,
    answer: Answer,
}

/// How much has come of an answer. One connection has one request at a time.
enum Answer {
    /// As much of its head.
    Head(Vec<u8>),
    /// Its head was looked at.
    Body,
}

impl Answer {
    /// A piece of a request goes out: an answer is to come.
    fn asked(&mut self) {
        if matches!(self, Self::Body) {
            *self = Self::Head(Vec::new());
        }
    }

    /// # Errors
    /// Where what has come is an answer that says that all is well, and is not ClickHouse's.
    fn came(&mut self, piece: &[u8]) -> io::Result<()> {
        let Self::Head(head) = self else { return Ok(()) };
        head.extend_from_slice(piece);
        const BEGINNING: &[u8] = b"HTTP/1.";
        // The rest of an answer that came before all of the request had gone out.
        let is_rest = head.iter().zip(BEGINNING).any(|(one, other)| one != other);
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end.filter(|_| !is_rest) {
            let said = String::from_utf8_lossy(head.get(..end).unwrap_or_default()).to_ascii_lowercase();
            if said.split(' ').nth(1) == Some("200") && !said.contains("\r\nx-clickhouse-") {
                return Err(io::Error::other("an answer says that all is well, but it is not ClickHouse's"));
            }
        }
        if is_rest || end.is_some() || head.len() > LONGEST_HEAD {
            *self = Self::Body;
        }
        Ok(())
    }
}

impl<S: Read + Unpin> Read for Checked<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, mut to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { stream, answer } = self.get_mut();
        let mut piece = [0; 8 << 10];
        let room = to.remaining().min(piece.len());
        let mut read = ReadBuf::new(piece.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(stream).poll_read(context, read.unfilled()))?;
        answer.came(read.filled())?;
        to.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for Checked<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, answer } = self.get_mut();
        answer.asked();
        Pin::new(stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, answer } = self.get_mut();
        answer.asked();
        Pin::new(stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: Connection> Connection for Checked<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(pieces: &[&str]) -> io::Result<()> {
        let mut answer = Answer::Body;
        answer.asked();
        pieces.iter().try_for_each(|piece| answer.came(piece.as_bytes()))
    }

    #[test]
    fn only_clickhouse_says_that_all_is_well() {
        assert!(came(&["HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: 1\r\n\r\nrows"]).is_ok());
        assert!(came(&["HTTP/1.1 200 OK\r\nx-click", "house-summary: {}\r\n", "\r\n"]).is_ok());
        assert!(came(&["HTTP/1.1 503 Busy\r\n\r\n<html>"]).is_ok(), "an error may be anybody's");
        for pieces in [
            &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nX-ClickHouse-Query-Id: 1"][..],
            &["HTTP/1.0 200 OK\r\n\r\n"],
            &["HTT", "P/1.1 200 OK\r\nServer: x\r", "\n\r", "\n"],
        ] {
            assert!(came(pieces).is_err(), "{pieces:?}");
        }
    }

    #[test]
    fn an_answer_that_comes_before_the_request_has_gone_is_one_all_the_same() {
        let mut answer = Answer::Body;
        answer.asked();
        answer.came(b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\nTo").unwrap();
        answer.asked();
        answer.came(b"o large").unwrap();
        answer.asked();
        answer.asked();
        assert!(answer.came(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
