//! A server in front of ClickHouse that does to each request what a test says: a network, a load balancer or a profile at its worst.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;

/// What is done to a request.
#[derive(Clone, Debug)]
pub enum Deed {
    /// It is passed on, and so is the answer.
    Pass,
    /// It is passed on with these settings before its own: what a profile says.
    With(&'static str),
    /// It is passed on and done, and its answer is lost.
    LoseAnswer,
    /// The connection breaks before anything is passed on.
    Break,
    /// It is answered by this status and text, and not passed on.
    Answer(u16, &'static str),
}

/// A request as it came.
pub struct Request {
    /// The path with its parameters, still encoded.
    pub target: String,
    /// The body, as far as it is text.
    pub text: String,
}

impl Request {
    /// Whether it inserts rows.
    pub fn is_insert(&self) -> bool {
        self.target.contains("query=INSERT")
    }
}

/// The server. It ends with the test.
pub struct Front {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

type Script = Arc<dyn Fn(&Request) -> Deed + Send + Sync>;

impl Front {
    /// A front before `to`, the address of an HTTP interface.
    pub fn start(to: &str, script: impl Fn(&Request) -> Deed + Send + Sync + 'static) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let (to, script): (String, Script) = (to.trim_start_matches("http://").to_owned(), Arc::new(script));
        let acceptor = std::thread::spawn({
            let over = over.clone();
            move || {
                for client in listener.incoming() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let (to, script) = (to.clone(), script.clone());
                    // A connection ends when its client does.
                    let _ = client.map(|client| std::thread::spawn(move || serve(&client, &to, &script)));
                }
            }
        });
        Ok(Self { address, over, acceptor: Some(acceptor) })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// One request after the other, until the client goes or a deed breaks the connection.
fn serve(client: &TcpStream, to: &str, script: &Script) -> anyhow::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    while let Some((head, body)) = request(&mut reader)? {
        let target = head.split(' ').nth(1).context("no target")?.to_owned();
        let deed = script(&Request { target, text: String::from_utf8_lossy(&body).into_owned() });
        let answer = match deed {
            Deed::Pass => pass(to, &head, &body)?,
            Deed::With(settings) => pass(to, &head.replacen("?", &format!("?{settings}&"), 1), &body)?,
            Deed::LoseAnswer => {
                pass(to, &head, &body)?;
                break;
            }
            Deed::Break => break,
            Deed::Answer(status, text) => {
                format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
            }
        };
        (&mut &*client).write_all(&answer)?;
    }
    client.shutdown(Shutdown::Both)?;
    Ok(())
}

/// The head and the body of the next request, as they came; none where the client has gone.
fn request(reader: &mut impl BufRead) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    let (mut head, mut length, mut chunked) = (String::new(), 0, false);
    loop {
        let begun = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        let line = head[begun..].trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    while chunked {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16)?;
        let begun = body.len() + line.len();
        body.extend(line.as_bytes());
        body.resize(begun + size + 2, 0);
        reader.read_exact(&mut body[begun..])?;
        chunked = size > 0;
    }
    Ok(Some((head, body)))
}

/// The answer to a request, on a connection of its own.
fn pass(to: &str, head: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut server = TcpStream::connect(to)?;
    server.write_all(head.trim_end().as_bytes())?;
    server.write_all(b"\r\nConnection: close\r\n\r\n")?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}
