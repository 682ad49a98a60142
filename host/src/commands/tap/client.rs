//! One request to the gateway and the lines of its answer. Plain HTTP/1.1: the listener speaks nothing else.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::TapFault;
use super::address::Address;

/// How long the gateway may take to answer: it has nothing to wait for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Beyond any line that a gateway sends; what goes on longer is no gateway.
const LONGEST_LINE: usize = 64 << 20;

/// A stream of lines.
pub(super) struct Client {
    address: Address,
    body: Incoming,
    /// What was received and not yet handed out, and how much of it was searched for a line's end.
    received: Vec<u8>,
    searched: usize,
    /// Drives the connection; ends with this.
    connection: JoinHandle<()>,
}

impl Client {
    /// Asks for a path. Returns when the answer begins.
    pub async fn ask(address: &Address, path: &str) -> Result<Self, TapFault> {
        let asked = timeout(PATIENCE, request(address, path)).await;
        let (response, connection) = asked.unwrap_or_else(|_| Err(unreachable(address, "no answer within 10 s")))?;
        let status = response.status();
        let mut client = Self {
            address: address.clone(),
            body: response.into_body(),
            received: Vec::new(),
            searched: 0,
            connection,
        };
        if status == StatusCode::OK {
            return Ok(client);
        }
        let told = timeout(PATIENCE, client.line()).await.ok().and_then(Result::ok).flatten().unwrap_or_default();
        Err(match status {
            // A path that a server does not know at all is answered with nothing.
            StatusCode::NOT_FOUND if told.is_empty() => TapFault::Unusable(format!(
                "the gateway at {address} has no tap: it is older than this command, or no gateway listens there"
            )),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => TapFault::Unusable(told),
            StatusCode::SERVICE_UNAVAILABLE => TapFault::Failed(told),
            status => TapFault::Failed(format!("the gateway at {address} answers {status}: {told}")),
        })
    }

    /// The next line without its end; none behind the last.
    pub async fn line(&mut self) -> Result<Option<String>, TapFault> {
        loop {
            let behind = self.received.get(self.searched..).unwrap_or_default();
            if let Some(end) = behind.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=self.searched + end).collect();
                self.searched = 0;
                return Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
            }
            self.searched = self.received.len();
            if self.received.len() > LONGEST_LINE {
                return Err(self.broken("it sends a line without an end"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.received.extend_from_slice(&bytes);
                    }
                }
                Some(Err(_)) => return Err(self.broken("it ended, or nothing was read for too long")),
            }
        }
    }

    fn broken(&self, why: &str) -> TapFault {
        TapFault::Failed(format!("the connection to the gateway at {} broke: {why}", self.address))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn request(address: &Address, path: &str) -> Result<(Response<Incoming>, JoinHandle<()>), TapFault> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|fault| unreachable(address, &fault.to_string()))?;
    let no_http = |fault: hyper::Error| unreachable(address, &fault.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(no_http)?;
    let connection = tokio::spawn(async move {
        // What breaks it is told by the body.
        let _ = connection.await;
    });
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|fault| TapFault::Unusable(fault.to_string()))?;
    let response = sender.send_request(request).await.map_err(no_http)?;
    Ok((response, connection))
}

fn unreachable(address: &Address, why: &str) -> TapFault {
    TapFault::Failed(format!("cannot reach the gateway at {address}: {why}"))
}
