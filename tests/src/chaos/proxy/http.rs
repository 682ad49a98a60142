//! HTTP/1.1, one request after the other: a request is taken whole, then it is known whether it writes and what becomes of it.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Blow, NONSENSE, Shared, connect};

/// Serves a connection until either end closes it.
pub(super) async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut rest = Vec::new();
    loop {
        let request = message(&mut client, &mut rest).await?;
        let blow = if is_write(&request) { shared.next() } else { None };
        let answer = match blow {
            Some(Blow::CutBefore) => return Ok(()),
            Some(Blow::CutWithin) => {
                let mut server = connect(shared).await?;
                let head = head_length(&request).unwrap_or(request.len());
                let part = head + (request.len() - head) / 2;
                server.write_all(request.get(..part).unwrap_or_default()).await?;
                return server.flush().await;
            }
            Some(Blow::Failed) => FAILED.to_vec(),
            Some(Blow::Busy) => BUSY.to_vec(),
            Some(Blow::DiskFull) => DISK_FULL.to_vec(),
            Some(Blow::Stray(delay)) => {
                tokio::time::sleep(delay).await;
                done(&request, shared).await?
            }
            Some(Blow::Late(delay)) => {
                let answer = done(&request, shared).await?;
                tokio::time::sleep(delay).await;
                answer
            }
            Some(Blow::CutAfter) => return done(&request, shared).await.map(|_| ()),
            Some(Blow::FailedAfter) => done(&request, shared).await.map(|_| FAILED.to_vec())?,
            Some(Blow::Garbage) => {
                done(&request, shared).await?;
                return client.write_all(NONSENSE).await;
            }
            None => done(&request, shared).await?,
        };
        client.write_all(&answer).await?;
    }
}

/// As a balancer answers whose server is gone.
const FAILED: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\nContent-Length: 27\r\n\r\n<h1>Something is off</h1>\r\n";

const BUSY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nslow down\r\n";

/// As ClickHouse says it.
const DISK_FULL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 243\r\nContent-Type: text/plain\r\n\
Content-Length: 96\r\n\r\nCode: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE) (test)\r\n";

/// The whole answer of the server to a request. A connection for each: nothing that was cut lives on in the next.
async fn done(request: &[u8], shared: &Shared) -> std::io::Result<Vec<u8>> {
    let mut server = connect(shared).await?;
    server.write_all(request).await?;
    message(&mut server, &mut Vec::new()).await
}

fn is_write(request: &[u8]) -> bool {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.windows(6).any(|word| word.eq_ignore_ascii_case(b"INSERT"))
}

/// Reads a whole request or answer as it lies on the wire; what came behind it stays in `rest`.
async fn message(stream: &mut TcpStream, rest: &mut Vec<u8>) -> std::io::Result<Vec<u8>> {
    loop {
        if let Some(length) = length(rest)? {
            let behind = rest.split_off(length);
            return Ok(std::mem::replace(rest, behind));
        }
        let mut piece = [0; 32 << 10];
        match tokio::time::timeout(IDLE, stream.read(&mut piece)).await?? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => rest.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
}

/// A connection that nobody uses for so long is forgotten.
const IDLE: Duration = Duration::from_secs(120);

/// How long the message is that `bytes` begin with; none where it is not there yet.
fn length(bytes: &[u8]) -> std::io::Result<Option<usize>> {
    let Some(head) = head_length(bytes) else { return Ok(None) };
    let text = String::from_utf8_lossy(bytes.get(..head).unwrap_or_default()).to_ascii_lowercase();
    let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if header("transfer-encoding:").is_some_and(|coding| coding.contains("chunked")) {
        return chunks(bytes, head);
    }
    let length: usize = match header("content-length:") {
        Some(length) => length.parse().map_err(Error::other)?,
        None => 0,
    };
    Ok((bytes.len() >= head + length).then_some(head + length))
}

/// Where the body of chunks ends that begins at `at`.
fn chunks(bytes: &[u8], mut at: usize) -> std::io::Result<Option<usize>> {
    loop {
        let behind = bytes.get(at..).unwrap_or_default();
        let Some(line) = behind.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(behind.get(..line).unwrap_or_default()).into_owned();
        let size = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(Error::other)?;
        at += line + 2 + size + 2;
        if bytes.len() < at {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_its_head_says() -> std::io::Result<()> {
        let plain = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET";
        assert_eq!(length(plain)?, Some(plain.len() - 3));
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET";
        assert_eq!(length(chunked)?, Some(chunked.len() - 3));
        assert_eq!(length(chunked.get(..chunked.len() - 4).unwrap_or_default())?, None);
        assert_eq!(length(b"GET / HTTP/1.1\r\n\r\n")?, Some(18));
        Ok(())
    }

    #[test]
    fn its_own_answers_are_as_long_as_they_say() -> std::io::Result<()> {
        for answer in [FAILED, BUSY, DISK_FULL] {
            assert_eq!(length(answer)?, Some(answer.len()), "{}", String::from_utf8_lossy(answer));
        }
        Ok(())
    }
}
