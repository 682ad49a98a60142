//! Encrypted connections. The tests need a PostgreSQL with a certificate for 127.0.0.1: they run where
//! TIDEGATE_TEST_POSTGRES_CA names the PEM file of the authority that signed it.

use std::path::PathBuf;

use anyhow::{bail, ensure};
use tidegate::sink::SinkFault;
use tidegate_tests::harness::{PostgresServer, Services};

use super::direct::{Direct, says};

/// The server and its authority.
fn encrypted() -> anyhow::Result<Option<(PostgresServer, PathBuf)>> {
    let Some(ca) = std::env::var_os("TIDEGATE_TEST_POSTGRES_CA") else { return Ok(None) };
    Ok(Some((PostgresServer::parse(&Services::postgres()?)?, ca.into())))
}

#[test]
fn rows_go_encrypted_to_a_server_that_proves_who_it_is() -> anyhow::Result<()> {
    let Some((server, ca)) = encrypted()? else { return Ok(()) };
    for lines in [format!("sslmode = \"verify-full\"\nca = \"{}\"", ca.display()), "sslmode = \"require\"".to_owned()] {
        let direct = Direct::with("tls", &server, &lines)?;
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
    let Some((server, ca)) = encrypted()? else { return Ok(()) };
    let unknown = Direct::with("tls_unknown", &server, "sslmode = \"verify-full\"")?;
    let Err(SinkFault::Unavailable(told)) = unknown.open("t", &[("a", "Int32")]) else { bail!("it opens") };
    says(&told, &["connect to database", "certificate"])?;

    // The certificate is for 127.0.0.1 and localhost, and for no other address of the loopback network.
    let port = server.address.rsplit(':').next().unwrap_or_default();
    let proxy =
        tidegate_tests::harness::Proxy::start(&format!("127.0.0.1:{port}"), tidegate_tests::harness::Mode::Open)?;
    let lines = format!("sslmode = \"verify-full\"\nca = \"{}\"", ca.display());
    let other = Direct::with("tls_other", &server, &lines)?.through_with(&server.at(&proxy.address()), &lines)?;
    let Err(SinkFault::Unavailable(told)) = other.open("t", &[("a", "Int32")]) else { bail!("it opens") };
    says(&told, &["connect to database", "not valid for name"])
}

#[test]
fn a_server_without_tls_gets_nothing_either() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::with("tls_none", &server, "sslmode = \"require\"")?;
        if direct.postgres.value("SHOW ssl")? == "off" {
            let Err(SinkFault::Unavailable(told)) = direct.open("t", &[("a", "Int32")]) else { bail!("it opens") };
            says(&told, &["connect to database", "TLS"])?;
        }
    }
    Ok(())
}
