//! Encrypted connections, to the server of the tests and to fronts whose certificates are wrong. Only PostgreSQL: its
//! authority is the tests' own.

use std::path::Path;

use anyhow::{bail, ensure};
use tidegate::sink::SinkFault;
use tidegate_tests::harness::{Certificates, Mode, Opening, PostgresServer, Proxy, Services, TlsFront};

use super::direct::{Direct, says};

/// The server, and lines that trust this authority.
fn server(authority: &str) -> anyhow::Result<(PostgresServer, String)> {
    let certificates = Certificates::find()?;
    Ok((PostgresServer::parse(&Services::postgres()?)?, trusting(&certificates.path(authority))))
}

fn trusting(ca: &Path) -> String {
    format!("sslmode = \"verify-full\"\nca = \"{}\"", ca.display())
}

/// What is said of a server at another address, which is not written to.
fn told(test: &str, address: &str, lines: &str) -> anyhow::Result<String> {
    let (server, _) = server("ca.pem")?;
    let direct = Direct::new(test, &server)?.through_with(&server.at(address), lines)?;
    let Err(SinkFault::Unavailable(told)) = direct.open("t", &[("a", "Int32")]) else { bail!("it opens") };
    says(&told, &["connect to database"])?;
    Ok(told)
}

#[test]
fn rows_go_encrypted_to_a_server_that_proves_who_it_is() -> anyhow::Result<()> {
    let (server, trusted) = server("ca.pem")?;
    for lines in [&trusted, "sslmode = \"require\""] {
        let direct = Direct::with("tls", &server, lines)?;
        let table = direct.create("t", &[("a", "Int32")])?;
        direct.write(&*table, &[vec![7, 0, 0, 0]])?;
        ensure!(direct.postgres.count("t")? == 1, "there is no row");
        let encrypted = "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'tidegate'";
        ensure!(direct.postgres.value(encrypted)? == "t", "{lines}: the rows came in the clear");
    }
    Ok(())
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing() -> anyhow::Result<()> {
    for authority in [None, Some("other-ca.pem")] {
        let (server, other) = server(authority.unwrap_or("ca.pem"))?;
        let lines = authority.map_or("sslmode = \"verify-full\"".to_owned(), |_| other);
        says(&told("tls_unknown", &server.address, &lines)?, &["invalid peer certificate: UnknownIssuer"])?;
    }
    Ok(())
}

#[test]
fn a_server_of_another_name_gets_nothing() -> anyhow::Result<()> {
    // The certificate is for 127.0.0.1 and localhost, and for no other address of the loopback network.
    let (server, trusted) = server("ca.pem")?;
    let proxy = Proxy::start(&server.address, Mode::Open)?;
    says(&told("tls_other", &proxy.address(), &trusted)?, &["not valid for name", "127.0.0.1", "localhost"])
}

#[test]
fn a_server_whose_certificate_has_expired_gets_nothing() -> anyhow::Result<()> {
    let (server, trusted) = server("ca.pem")?;
    let front = TlsFront::start(&server.address, "expired", Opening::Postgres)?;
    says(&told("tls_expired", &front.address(), &trusted)?, &["invalid peer certificate: certificate expired"])?;

    let valid = TlsFront::start(&server.address, "server", Opening::Postgres)?;
    let direct = Direct::new("tls_front", &server)?.through_with(&server.at(&valid.address()), &trusted)?;
    direct.create("t", &[("a", "Int32")])?;
    Ok(())
}

#[test]
fn a_server_without_tls_gets_nothing_either() -> anyhow::Result<()> {
    let (server, trusted) = server("ca.pem")?;
    let front = TlsFront::start(&server.address, "server", Opening::PostgresWithout)?;
    for lines in [&trusted, "sslmode = \"require\""] {
        says(&told("tls_none", &front.address(), lines)?, &["server does not support TLS"])?;
    }
    Ok(())
}
