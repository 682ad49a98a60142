//! Services that do not answer, and checks that ask none.

use std::io::ErrorKind;
use std::net::TcpListener;

use anyhow::ensure;
use tidegate_tests::harness::Tenant;

use super::Checked;

#[test]
fn a_database_and_a_cluster_that_do_not_answer_are_told_once_and_not_for_every_pipeline() -> anyhow::Result<()> {
    let tenant = Tenant::new("away")?;
    for name in ["a", "b"] {
        let mut pipeline = tenant.pipeline("sales", &tenant.topic("sales"))?;
        pipeline.name = name.to_owned();
        tenant.install(&pipeline)?;
    }
    // Nothing listens where a listener was closed again.
    let free = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string());
    let mut file = tenant.gateway_file();
    (file.brokers, file.url) = (free()?, format!("http://{}", free()?));
    let checked = Checked::of(&tenant, &file, &["--timeout", "3 s"])?;
    checked.says(
        1,
        &[
            "`kafka.bootstrap.servers`: the cluster does not answer: ",
            "Connection refused",
            "`sinks.dwh`: read the columns of table ",
            "network error",
            "; 2 tables were not compared",
            "2 pipelines: 2 ok, 0 with faults; 2 faults",
        ],
    )
}

#[test]
fn a_wrong_password_is_told_and_not_shown() -> anyhow::Result<()> {
    let tenant = Tenant::new("password")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    let mut file = tenant.gateway_file();
    file.password = "hunter2".to_owned();
    let checked = Checked::of(&tenant, &file, &[])?;
    checked.says(1, &["sales.toml:6: `routes.sale`: is \"dwh:", "Authentication failed"])?;
    ensure!(!checked.text.contains("hunter2"), "the password is shown");
    Ok(())
}

#[test]
fn offline_looks_at_files_and_plugins_and_connects_to_nothing() -> anyhow::Result<()> {
    let tenant = Tenant::new("offline")?;
    tenant.install(&tenant.pipeline("sales", "nowhere")?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let mut file = tenant.gateway_file();
    (file.brokers, file.url) = (address.to_string(), format!("http://{address}"));
    Checked::of(&tenant, &file, &["--offline"])?.says(0, &["/sales  ok        plugin sales", "1 pipeline: 1 ok"])?;
    let none = listener.accept().map(|_| ()).map_err(|fault| fault.kind());
    ensure!(none == Err(ErrorKind::WouldBlock), "it connected");
    Checked::of(&tenant, &file, &["--timeout", "1 s"])?.says(1, &["does not answer"])?;
    ensure!(listener.accept().is_ok(), "the check that is not offline did not connect");
    Ok(())
}
