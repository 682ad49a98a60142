//! `tidegate tap` where there is no gateway to look into: what it says, in one line, and what it answers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use super::{Ended, tidegate};

/// A gateway's file with this section, beside secrets that are not there.
fn folder(http: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "plugins = \"nowhere\"\n[kafka]\n\"sasl.password\" = {{ env = \"TIDEGATE_TEST_THAT_IS_NOT_SET\" }}\n{http}\n"
    );
    std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
    folder
}

fn tap(folder: &Path, arguments: &[&str]) -> Ended {
    tidegate(folder, &[&["tap", "sales"], arguments].concat())
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_gateway_that_cannot_be_found_is_told_in_one_line_with_what_would_help() {
    let empty = tempfile::tempdir().unwrap();
    let address = nowhere();
    let listen = format!("[http]\nlisten = \"{address}\"");
    let url = format!("http://{address}");
    for (folder, arguments, code, told) in [
        (&empty, vec![], 64, "there is no gateway.toml; --config names the gateway's file, or --url where it listens"),
        (&folder(""), vec![], 64, "gateway.toml has no section [http], so that the gateway listens nowhere"),
        (&folder("[http]\nlisten = \"127.0.0.1:0\""), vec![], 64, "leaves the port to the system"),
        (&folder("[http]\nlisten = 7"), vec![], 64, "gateway.toml:5: `http.listen`: is 7"),
        (&folder("[http]\nlisten = \"127.0.0.1:1\"\ntap = 1"), vec![], 64, "`http.tap`: is 1; expected true or false"),
        (&folder(&listen), vec![], 1, "cannot reach the gateway at 127.0.0.1:"),
        (&empty, vec!["--url", &url], 1, "Connection refused"),
        (
            &empty,
            vec!["--url", "https://127.0.0.1:1"],
            64,
            "--url is \"https://127.0.0.1:1\"; expected http://HOST:PORT",
        ),
    ] {
        let ended = tap(folder.path(), &arguments);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.err.contains(told) && ended.out.is_empty(), "{told}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn what_is_no_number_partition_or_fate_is_a_wrong_command_line() {
    let empty = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (["--records", "0"], "expected a whole number from 1 on"),
        (["--per-second", "fast"], "expected a number from 0.01 to 1000"),
        (["--partition", "sales"], "expected a topic and a partition's number, such as sales/0"),
        (["--only", "reject"], "rejects"),
    ] {
        let ended = tap(empty.path(), &arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(told), "{told}: {ended:?}");
    }
    let ended = tidegate(empty.path(), &["tap", "a/b/c", "--url", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert_eq!(ended.err, "the pipeline is \"a/b/c\"; expected NAME or TENANT/NAME\n");
}

#[test]
fn a_gateway_without_a_tap_and_one_that_breaks_off_are_told_apart() {
    for (answer, code, told) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 64, "it is older than this command"),
        (
            "HTTP/1.1 200 OK\r\n\r\n{\"kind\":\"start\",\"pipeline\":\"a\",\"routes\":[],\"problems\":[]}\n",
            1,
            "closed the connection",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello\n", 1, "line `hello`: expected value"),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 5\r\n\r\n\u{1b}[2J\n", 1, "answers 500 Internal Server Error: \\x1b[2J"),
        ("SSH-2.0-OpenSSH\r\n", 1, "cannot reach the gateway at"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let ended = tap(Path::new("."), &["--url", &url]);
        server.join().unwrap();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.err.contains(told), "{told}: {ended:?}");
        assert!(!ended.err.contains('\u{1b}'), "{ended:?}");
    }
}
