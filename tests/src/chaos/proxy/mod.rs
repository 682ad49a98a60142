//! A server between a gateway and a database that does to writes what networks, balancers and tired servers do. It knows enough of the
//! two protocols to tell before a write from within it and from after it: `http.rs` for ClickHouse, `postgres.rs` for PostgreSQL.

mod http;
mod postgres;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use std::sync::{Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What is spoken through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// ClickHouse's.
    Http,
    /// PostgreSQL's, without encryption.
    Postgres,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The connection breaks before the server hears of it.
    CutBefore,
    /// The connection breaks when the server has a part of it.
    CutWithin,
    /// The server has done it; the connection breaks in place of the answer.
    CutAfter,
    /// The server has done it; its answer comes so much later.
    Late(Duration),
    /// It waits on its way for so long, and then the server does it, whether anybody still waits for the answer or not.
    Stray(Duration),
    /// The server fails, and has done nothing: HTTP 500, or the end of a session.
    Failed,
    /// The server has done it and says that it failed.
    FailedAfter,
    /// Too many requests: HTTP 429, or too many connections.
    Busy,
    /// The server has done it; what comes in place of the answer means nothing.
    Garbage,
    /// The server's disk is full.
    DiskFull,
}

/// A proxy.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    away: watch::Sender<bool>,
    /// Runs it.
    _runtime: Runtime,
}

struct Shared {
    to: String,
    /// One for each write to come.
    blows: Mutex<VecDeque<Blow>>,
    struck: AtomicU32,
}

impl FaultProxy {
    /// A proxy in front of `to`, a host and a port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub fn start(to: &str, protocol: Protocol) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { to: to.to_owned(), blows: Mutex::default(), struck: AtomicU32::new(0) });
        let (away, is_away) = watch::channel(false);
        runtime.spawn(accept(listener, protocol, shared.clone(), is_away));
        Ok(Self { address, shared, away, _runtime: runtime })
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Strikes the next `times` writes.
    pub fn strike(&self, blow: Blow, times: usize) {
        self.shared.blows().extend(std::iter::repeat_n(blow, times));
    }

    /// How many writes were struck since it started.
    pub fn struck(&self) -> u32 {
        self.shared.struck.load(Ordering::Relaxed)
    }

    /// Whether writes are still to be struck.
    pub fn has_blows(&self) -> bool {
        !self.shared.blows().is_empty()
    }

    /// Forgets what is still to be struck.
    pub fn relent(&self) {
        self.shared.blows().clear();
    }

    /// Breaks all connections and takes no more, or takes them again.
    pub fn set_away(&self, away: bool) {
        self.away.send_replace(away);
    }
}

impl Shared {
    fn blows(&self) -> std::sync::MutexGuard<'_, VecDeque<Blow>> {
        self.blows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a write that begins now.
    fn next(&self) -> Option<Blow> {
        let blow = self.blows().pop_front()?;
        self.struck.fetch_add(1, Ordering::Relaxed);
        Some(blow)
    }
}

async fn accept(listener: TcpListener, protocol: Protocol, shared: Arc<Shared>, away: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (shared, mut away) = (shared.clone(), away.clone());
        if *away.borrow() {
            continue;
        }
        tokio::spawn(async move {
            let serve = async {
                match protocol {
                    Protocol::Http => http::serve(client, &shared).await,
                    Protocol::Postgres => postgres::serve(client, &shared).await,
                }
            };
            // Whatever goes wrong in between ends the connection, which is what a network does.
            tokio::select! {
                _ = serve => {}
                _ = away.wait_for(|away| *away) => {}
            }
        });
    }
}

async fn connect(shared: &Shared) -> std::io::Result<TcpStream> {
    let server = TcpStream::connect(&shared.to).await?;
    server.set_nodelay(true)?;
    Ok(server)
}

/// Nothing that a client could take for an answer, in either protocol.
const NONSENSE: &[u8] = b"\x00\xff\x17\x03 it rains in the server room \xde\xad\xbe\xef\r\n\r\n<html>\r\n";
