//! Every way in that there is: records become rows, and malformed ones dead letters, which go the same way.

use tidegate_tests::harness::SecureKafka;

use super::sales::{Sales, user_lines};

#[test]
fn records_flow_over_tls_with_scram_sha_512_and_a_password_from_the_environment() -> anyhow::Result<()> {
    let sales = Sales::new("scram")?;
    sales.flow(&sales.with_user("SCRAM-SHA-512", SecureKafka::USER, SecureKafka::PASSWORD))
}

#[test]
fn records_flow_over_tls_with_scram_sha_256_and_a_password_from_a_file() -> anyhow::Result<()> {
    let sales = Sales::new("scram_file")?;
    std::fs::write(sales.tenant.folder().join("password"), format!("{}\n", SecureKafka::PASSWORD))?;
    std::fs::copy(sales.kafka.certificates.path("ca.pem"), sales.tenant.folder().join("ca.pem"))?;
    // Both paths are relative to the folder of the gateway's file.
    let lines = [
        user_lines("SCRAM-SHA-256", SecureKafka::USER, "{ file = \"password\" }"),
        "ssl.ca.location = \"ca.pem\"".to_owned(),
    ];
    sales.flow(&sales.kafka.gateway_file(&sales.tenant, &sales.kafka.sasl, &lines))
}

#[test]
fn records_flow_over_tls_with_plain() -> anyhow::Result<()> {
    let sales = Sales::new("plain")?;
    sales.flow(&sales.with_user("PLAIN", SecureKafka::USER, SecureKafka::PASSWORD))
}

#[test]
fn records_flow_with_a_certificate_of_the_client_whose_key_is_under_a_password() -> anyhow::Result<()> {
    let sales = Sales::new("mutual")?;
    let mut file = sales.with_certificate("client.pem", "client-locked.key");
    file.kafka.push_str(&format!("\nssl.key.password = {{ env = \"{}\" }}", super::sales::VARIABLE));
    file.environment.push((super::sales::VARIABLE, SecureKafka::LOCK.to_owned()));
    sales.flow(&file)
}
