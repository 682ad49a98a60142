//! Certificates and keys that are wrong, on either side, and files that are not there.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, Mode, Proxy, SecureKafka};

use super::sales::Sales;

#[test]
fn an_authority_that_did_not_sign_the_certificate_is_named() -> anyhow::Result<()> {
    let sales = Sales::new("authority")?;
    let other = sales.kafka.certificates.path("other-ca.pem").display().to_string();
    let mut file = sales.with_user("PLAIN", SecureKafka::USER, SecureKafka::PASSWORD);
    file.kafka = file.kafka.replace(&sales.kafka.ca(), &format!("ssl.ca.location = \"{other}\""));
    let problem = format!("its certificate is signed by an authority that is not in `ssl.ca.location` = \"{other}\"");
    sales.stays_out(&file, &[&format!("broker {}: {problem}", sales.kafka.sasl)])?;

    file.kafka = file.kafka.replace(&format!("ssl.ca.location = \"{other}\""), "");
    sales.stays_out(&file, &["an authority that is not in the machine's store; set `ssl.ca.location`"])
}

#[test]
fn a_certificate_that_has_expired_is_named() -> anyhow::Result<()> {
    let sales = Sales::new("expired")?;
    let lines = ["security.protocol = \"ssl\"".to_owned(), sales.kafka.ca()];
    let file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.expired, &lines);
    sales.stays_out(&file, &[&format!("broker {}: its certificate has expired, ", sales.kafka.expired), " days ago"])
}

#[test]
fn a_certificate_for_another_host_is_named_with_the_hosts_that_it_is_for() -> anyhow::Result<()> {
    let sales = Sales::new("host")?;
    // An address that is not in the certificate.
    let proxy = Proxy::start(&sales.kafka.sasl, Mode::Open)?;
    let mut file = sales.with_user("PLAIN", SecureKafka::USER, SecureKafka::PASSWORD);
    file.brokers = proxy.address();
    let host = file.brokers.rsplit_once(':').map_or("", |(host, _)| host);
    let problem = format!("its certificate is not for the host `{host}` but for localhost, 127.0.0.1;");
    sales.stays_out(&file, &[&format!("broker {}: {problem}", file.brokers)])
}

/// Longer than until the gateway's own look at the cluster, which the bootstrap address answers.
const A_LOOK: Duration = Duration::from_secs(6);

#[test]
fn an_advertised_address_that_is_not_in_the_certificate_stays_named_while_the_bootstrap_address_answers()
-> anyhow::Result<()> {
    let sales = Sales::new("advertised")?;
    let lines = ["security.protocol = \"ssl\"".to_owned(), sales.kafka.ca()];
    let bootstrap = sales.kafka.named.replace("127.0.0.1", "localhost");
    let file = sales.kafka.gateway_file(&sales.tenant, &bootstrap, &lines);
    let advertised =
        format!("broker {}: its certificate is not for the host `127.0.0.1` but for localhost;", sales.kafka.named);
    let (gateway, _) = sales.refused(&file, &[&advertised])?;
    let until = Instant::now() + A_LOOK;
    while Instant::now() < until {
        let answer = gateway.ready()?;
        ensure!(answer.text.contains(&advertised), "it is no longer told: {}", answer.text);
        std::thread::sleep(Duration::from_millis(100));
    }
    gateway.stop()
}

#[test]
fn a_file_of_authorities_is_waited_for_until_it_is_there_and_right() -> anyhow::Result<()> {
    let sales = Sales::new("file")?;
    let path = sales.tenant.folder().join("ca.pem");
    let mut file = sales.with_user("PLAIN", SecureKafka::USER, SecureKafka::PASSWORD);
    file.kafka = file.kafka.replace(&sales.kafka.ca(), "ssl.ca.location = \"ca.pem\"");
    let named = format!("`ssl.ca.location` = \"{}\"", path.display());
    let (gateway, _) = sales.refused(&file, &[&format!("{named} cannot be read: No such file or directory")])?;
    std::fs::write(&path, "not a certificate")?;
    gateway.says(&[&format!("{named} holds no certificate; expected a file in PEM format")])?;
    std::fs::copy(sales.kafka.certificates.path("ca.pem"), &path)?;
    sales.arrive(&gateway)?;
    gateway.stop()
}

#[test]
fn a_client_without_tls_at_a_port_with_tls_is_told() -> anyhow::Result<()> {
    let sales = Sales::new("clear")?;
    let file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.sasl, &[]);
    let problem =
        "the broker closes the connection at once, as a port with TLS does; set `security.protocol` to \"ssl\"";
    sales.stays_out(&file, &[&format!("broker {}: {problem}", sales.kafka.sasl)])
}

#[test]
fn a_client_with_tls_at_a_port_without_is_told() -> anyhow::Result<()> {
    let sales = Sales::new("no_tls")?;
    let lines = ["security.protocol = \"ssl\"".to_owned(), sales.kafka.ca()];
    let file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.plain, &lines);
    sales.stays_out(&file, &[&format!("broker {}: the port speaks no TLS", sales.kafka.plain)])
}

#[test]
fn a_client_without_a_certificate_is_told_that_one_is_wanted() -> anyhow::Result<()> {
    let sales = Sales::new("no_certificate")?;
    let lines = ["security.protocol = \"ssl\"".to_owned(), sales.kafka.ca()];
    let file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.mutual, &lines);
    sales.stays_out(&file, &["the broker wants a certificate of this client; set `ssl.certificate.location`"])
}

#[test]
fn certificates_of_clients_that_the_broker_does_not_take_are_told() -> anyhow::Result<()> {
    let sales = Sales::new("client")?;
    let problem = "the broker does not accept the certificate of this client; check whether `ssl.certificate.location`";
    for name in ["client-expired", "stranger"] {
        let file = sales.with_certificate(&format!("{name}.pem"), &format!("{name}.key"));
        sales.stays_out(&file, &[problem])?;
    }
    Ok(())
}

#[test]
fn keys_that_do_not_fit_are_told_until_they_are_mended() -> anyhow::Result<()> {
    let sales = Sales::new("keys")?;
    let from = |name: &str| sales.kafka.certificates.path(name);
    let key = sales.tenant.folder().join("client.key");
    let mut file = sales.with_certificate("client.pem", "client.key");
    file.kafka = file.kafka.replace(&from("client.key").display().to_string(), "client.key");
    std::fs::copy(from("stranger.key"), &key)?;
    let named = format!("`ssl.key.location` = \"{}\"", key.display());
    let (gateway, _) = sales.refused(&file, &[&format!("{named} is not the key of the certificate")])?;
    std::fs::copy(from("client-locked.key"), &key)?;
    gateway.says(&[&format!("{named} holds a key under a password; set `ssl.key.password`")])?;
    std::fs::copy(from("client.key"), &key)?;
    sales.arrive(&gateway)?;
    gateway.stop()?;

    std::fs::copy(from("client-locked.key"), &key)?;
    file.kafka.push_str(&format!("\nssl.key.password = {{ env = \"{}\" }}", super::sales::VARIABLE));
    file.environment.push((super::sales::VARIABLE, "wrong-password-5678".to_owned()));
    let gateway = Gateway::start(&sales.tenant, &file)?;
    let answer = gateway.says(&[&format!("{named} cannot be opened; check `ssl.key.password`")])?;
    ensure!(!answer.text.contains("wrong-password"), "{}", answer.text);
    gateway.stop()
}
