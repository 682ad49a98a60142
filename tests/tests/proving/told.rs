//! What a command tells a person.

use tidegate_tests::harness::{Gateway, GatewayFile, Tenant};

/// Runs a command about a pipeline of the tenant's: its exit code, and all that it says.
pub fn told(
    tenant: &Tenant,
    file: &GatewayFile,
    (command, pipeline): (&str, &str),
    more: &[&str],
) -> anyhow::Result<(Option<i32>, String)> {
    let pipeline = format!("{}/{pipeline}", tenant.name);
    let output = Gateway::command(tenant, file, &[&[command, &pipeline], more].concat())?;
    let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    print!("{text}");
    Ok((output.status.code(), text))
}
