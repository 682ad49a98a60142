//! Users that the broker does not let in.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, SecureKafka};

use super::sales::{Sales, user_lines};

/// `EX_USAGE` of sysexits.h.
const BAD_CONFIGURATION: i32 = 64;

const WRONG: &str = "wrong-password-5678";

#[test]
fn a_wrong_password_is_named_and_shown_nowhere() -> anyhow::Result<()> {
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let sales = Sales::new("wrong")?;
        let mut file = sales.with_user(mechanism, SecureKafka::USER, WRONG);
        // Nor in what librdkafka says of itself.
        file.kafka.push_str("\ndebug = \"all\"");
        file.environment.push(("RUST_LOG", "trace,wasmtime=off,cranelift=off,regalloc2=off".to_owned()));
        let broker = format!("broker {}: the broker refuses the user or the password", sales.kafka.sasl);
        let parts = [&broker, "check `sasl.username`, `sasl.password`", "this `sasl.mechanisms`"];
        let (gateway, answer) = sales.refused(&file, &parts)?;
        ensure!(!answer.text.contains(WRONG), "the password is shown: {}", answer.text);
        gateway.terminate()?;
        let end = gateway.end()?;
        ensure!(end.code == Some(0), "it ended with {:?}", end.code);
        ensure!(end.log.iter().any(|line| line.contains("sasl.mechanisms")), "librdkafka says nothing of itself");
        let shown = end.log.iter().find(|line| line.contains(WRONG));
        ensure!(shown.is_none(), "the password is shown: {shown:?}");
    }
    Ok(())
}

#[test]
fn a_user_that_the_broker_is_told_of_later_gets_in_then() -> anyhow::Result<()> {
    let sales = Sales::new("later")?;
    let (user, password) = (&sales.tenant.name, "later-9012");
    let file = sales.with_user("SCRAM-SHA-512", user, password);
    let (gateway, _) = sales.refused(&file, &["the broker refuses the user or the password"])?;
    sales.kafka.add_user(user, password)?;
    sales.arrive(&gateway)?;
    gateway.stop()
}

#[test]
fn a_port_that_wants_a_user_says_so_to_a_client_without_one() -> anyhow::Result<()> {
    let sales = Sales::new("no_user")?;
    let lines = ["security.protocol = \"ssl\"".to_owned(), sales.kafka.ca()];
    let file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.sasl, &lines);
    sales.stays_out(&file, &["closes the connection, as one does that wants a user; set `security.protocol`"])
}

#[test]
fn a_password_in_the_file_itself_is_refused_and_not_repeated() -> anyhow::Result<()> {
    let sales = Sales::new("inline")?;
    let lines = [user_lines("PLAIN", SecureKafka::USER, &format!("\"{WRONG}\""))];
    let file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.sasl, &lines);
    let end = Gateway::run_to_its_end(&sales.tenant, &file)?;
    ensure!(end.code == Some(BAD_CONFIGURATION), "it ended with {:?}", end.code);
    let log = end.log.join("\n");
    let expected =
        "`kafka.sasl.password`: stands in the file itself; expected { env = \"NAME\" } or { file = \"PATH\" }";
    ensure!(log.contains(expected), "{log}");
    ensure!(!log.contains(WRONG), "the password is shown: {log}");
    Ok(())
}
