//! ClickHouse over HTTPS, with an authority that the machine is told of in OpenSSL's way.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, GatewayFile, Opening, TlsFront};

use super::sales::Sales;

/// Where the gateway finds the machine's authorities.
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// The gateway's file for ClickHouse behind this certificate.
fn behind(sales: &Sales, certificate: &str) -> anyhow::Result<(TlsFront, GatewayFile)> {
    let front = TlsFront::start(&sales.tenant.services.clickhouse, certificate, Opening::Tls)?;
    let mut file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.plain, &[]);
    file.url = format!("https://{}", front.address());
    file.environment.push((AUTHORITIES, sales.kafka.certificates.path("ca.pem").display().to_string()));
    Ok((front, file))
}

#[test]
fn rows_go_encrypted_to_a_server_of_an_authority_that_the_machine_knows() -> anyhow::Result<()> {
    let sales = Sales::new("https")?;
    let (_front, file) = behind(&sales, "server")?;
    sales.flow(&file)
}

#[test]
fn a_server_that_nobody_vouches_for_or_whose_certificate_has_expired_gets_nothing() -> anyhow::Result<()> {
    let sales = Sales::new("https_wrong")?;
    for (certificate, authority, reason) in
        [("server", "other-ca.pem", "UnknownIssuer"), ("expired", "ca.pem", "certificate expired")]
    {
        let (_front, mut file) = behind(&sales, certificate)?;
        file.environment.push((AUTHORITIES, sales.kafka.certificates.path(authority).display().to_string()));
        let gateway = Gateway::start(&sales.tenant, &file)?;
        gateway.says(&["/sales: starting\n  sink dwh:", reason])?;
        gateway.stop()?;
        ensure!(sales.tenant.count("sales")? == 0, "there are rows");
    }
    Ok(())
}
