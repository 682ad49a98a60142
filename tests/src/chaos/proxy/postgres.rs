//! PostgreSQL's protocol, version 3: messages of a type, a length and a body, both ways at once. A write begins with the first rows of a
//! COPY, and is done when the server is ready again outside of a transaction.

use std::io::{Error, ErrorKind};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Blow, NONSENSE, Shared, connect};

/// Types of messages of the client: rows of a COPY, a statement as text.
const COPY_DATA: u8 = b'd';
const QUERY: u8 = b'Q';

/// And of the server: a statement is done, the server is ready.
const COMMAND_COMPLETE: u8 = b'C';
const READY: u8 = b'Z';

/// How the server is ready where no transaction is open.
const IDLE: u8 = b'I';

/// No message of a client or server is longer; a length beyond it is no length.
const LONGEST: usize = 1 << 30;

/// A connection.
struct Connection<'a> {
    shared: &'a Shared,
    /// What becomes of the write that is under way.
    under_way: Mutex<UnderWay>,
    to_client: tokio::sync::Mutex<OwnedWriteHalf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum UnderWay {
    Nothing,
    /// It was looked at, and is left alone.
    Spared,
    Struck(Blow),
}

/// Serves a connection until either end closes it.
pub(super) async fn serve(client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = connect(shared).await?.into_split();
    let connection =
        Connection { shared, under_way: Mutex::new(UnderWay::Nothing), to_client: tokio::sync::Mutex::new(to_client) };
    tokio::select! {
        ended = connection.ask(from_client, to_server) => ended,
        ended = connection.answer(from_server) => ended,
    }
}

impl Connection<'_> {
    /// Passes on what the client says.
    async fn ask(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) -> std::io::Result<()> {
        let opening = body(&mut client, Vec::new()).await?;
        server.write_all(&opening).await?;
        loop {
            let message = message(&mut client).await?;
            let kind = message.first().copied().unwrap_or_default();
            if kind == COPY_DATA && self.under_way() == UnderWay::Nothing {
                let blow = self.shared.next();
                self.set(blow.map_or(UnderWay::Spared, UnderWay::Struck));
                match blow {
                    Some(Blow::CutBefore) => return Ok(()),
                    Some(Blow::CutWithin) => {
                        server.write_all(message.get(..message.len() / 2).unwrap_or_default()).await?;
                        return server.flush().await;
                    }
                    Some(Blow::Failed) => return self.refuse("57P01", "terminating connection").await,
                    Some(Blow::Busy) => return self.refuse("53300", "sorry, too many clients already").await,
                    Some(Blow::DiskFull) => {
                        return self.refuse("53100", "could not extend file: No space left on device").await;
                    }
                    _ => {}
                }
            }
            if let (QUERY, UnderWay::Struck(Blow::Stray(delay))) = (kind, self.under_way())
                && message.get(5..).is_some_and(|text| text.starts_with(b"COMMIT"))
            {
                tokio::time::sleep(delay).await;
            }
            server.write_all(&message).await?;
        }
    }

    /// Passes on what the server says; what says that a write is done is kept back until it is known whether it may be.
    async fn answer(&self, mut server: OwnedReadHalf) -> std::io::Result<()> {
        let mut kept = Vec::new();
        loop {
            let message = message(&mut server).await?;
            let kind = message.first().copied().unwrap_or_default();
            let strikes = matches!(self.under_way(), UnderWay::Struck(_));
            if strikes && (kind == COMMAND_COMPLETE || !kept.is_empty()) {
                kept.extend_from_slice(&message);
            } else {
                self.to_client.lock().await.write_all(&message).await?;
            }
            if kind != READY {
                continue;
            }
            if message.last() == Some(&IDLE)
                && let UnderWay::Struck(blow) = self.under_way()
            {
                match blow {
                    Blow::Late(delay) => tokio::time::sleep(delay).await,
                    Blow::FailedAfter => return self.refuse("57P01", "terminating connection").await,
                    Blow::Garbage => return self.to_client.lock().await.write_all(NONSENSE).await,
                    Blow::Stray(_) => {}
                    _ => return Ok(()),
                }
            }
            if message.last() == Some(&IDLE) {
                self.set(UnderWay::Nothing);
            }
            self.to_client.lock().await.write_all(&kept).await?;
            kept.clear();
        }
    }

    /// Ends the session as the server does, with a reason.
    async fn refuse(&self, code: &str, reason: &str) -> std::io::Result<()> {
        let fields = format!("SFATAL\0VFATAL\0C{code}\0M{reason}\0\0");
        let length = u32::try_from(fields.len() + 4).map_err(Error::other)?;
        let mut message = vec![b'E'];
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(fields.as_bytes());
        self.to_client.lock().await.write_all(&message).await
    }

    fn under_way(&self) -> UnderWay {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, under_way: UnderWay) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = under_way;
    }
}

/// A whole message.
async fn message(stream: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let kind = stream.read_u8().await?;
    body(stream, vec![kind]).await
}

/// A length, which counts itself, and what it counts, behind what was read already.
async fn body(stream: &mut OwnedReadHalf, mut message: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    message.extend_from_slice(&length.to_be_bytes());
    let length = usize::try_from(length).map_err(Error::other)?;
    if !(4..LONGEST).contains(&length) {
        return Err(ErrorKind::InvalidData.into());
    }
    let start = message.len();
    message.resize(start + length - 4, 0);
    stream.read_exact(message.get_mut(start..).unwrap_or_default()).await?;
    Ok(message)
}
