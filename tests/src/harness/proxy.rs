//! A server in front of a server, which can hang or be away, for one test alone.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

/// What the proxy does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes it on.
    Open,
    /// Takes it and keeps it, until the mode changes.
    Hanging,
    /// Breaks every connection and refuses new ones: nobody listens.
    Away,
}

/// A proxy for TCP connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    to: String,
    mode: Mutex<Mode>,
    over: AtomicBool,
    /// Pieces that are kept back just now.
    held: AtomicUsize,
}

/// How often a connection looks whether the mode has changed.
const TICK: Duration = Duration::from_millis(10);

impl Proxy {
    /// A proxy in front of `to`, a host and a port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub fn start(to: &str, mode: Mode) -> anyhow::Result<Self> {
        // An address of the loopback network that is its own: nobody else takes the port while nobody listens.
        let own = Ipv4Addr::new(127, rand::random_range(1..255), rand::random(), rand::random_range(1..255));
        let listener = TcpListener::bind((own, 0)).context("listen")?;
        let address = listener.local_addr().context("listen")?;
        let shared = Arc::new(Shared {
            to: to.trim_start_matches("http://").to_owned(),
            mode: Mutex::new(mode),
            over: AtomicBool::new(false),
            held: AtomicUsize::new(0),
        });
        let acceptor = std::thread::spawn({
            let shared = shared.clone();
            move || shared.serve(listener)
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Its host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its address for HTTP.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does another thing from now on.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Whether it keeps anything back.
    pub fn holds(&self) -> bool {
        self.shared.held.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Listens whenever the proxy is not away.
    fn serve(self: &Arc<Self>, listener: TcpListener) {
        let Ok(address) = listener.local_addr() else { return };
        let (mut listening, mut connections) = (Some(listener), Vec::new());
        while !self.is_over() {
            if self.mode() == Mode::Away {
                listening = None;
            } else if listening.is_none() {
                // Tried again after the next tick.
                listening = TcpListener::bind(address).ok();
            }
            match listening.as_ref().map(accept) {
                Some(Some(client)) => {
                    let shared = self.clone();
                    connections.push(std::thread::spawn(move || shared.connect(client)));
                }
                Some(None) | None => std::thread::sleep(TICK),
            }
        }
        for connection in connections {
            let _ = connection.join();
        }
    }

    /// Serves a connection with two threads, one for each direction, until either end closes it.
    fn connect(&self, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.to) else { return };
        let Ok((to_client, to_server)) = client.try_clone().and_then(|client| Ok((client, server.try_clone()?))) else {
            return;
        };
        std::thread::scope(|scope| {
            scope.spawn(|| self.pass(server, to_client));
            self.pass(client, to_server);
        });
    }

    /// Passes on what one end says until it closes. The other end is closed then too, which ends the other direction.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = vec![0; 64 << 10];
        let waits = from.set_nonblocking(false).and_then(|()| from.set_read_timeout(Some(TICK)));
        while waits.is_ok() && !self.is_over() && self.mode() != Mode::Away {
            let length = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => break,
            };
            if !self.hold() || to.write_all(piece.get(..length).unwrap_or_default()).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    /// Keeps a piece as long as the proxy hangs. Returns whether it shall be passed on then.
    fn hold(&self) -> bool {
        self.held.fetch_add(1, Ordering::Relaxed);
        while self.mode() == Mode::Hanging && !self.is_over() {
            std::thread::sleep(TICK);
        }
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.mode() == Mode::Open
    }
}

/// A connection that waits to be accepted, if there is one.
fn accept(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).and_then(|()| listener.accept()).ok().map(|(client, _)| client)
}
