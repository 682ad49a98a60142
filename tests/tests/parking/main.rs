//! Pipelines that have nothing to read: they leave their groups, and join again when there is something. `make test` starts the
//! services.

mod asleep;
mod awake;
#[path = "../starting/stand.rs"]
mod stand;

use tidegate_tests::harness::{Gateway, GatewayFile};

use stand::Stand;

/// A gateway whose pipelines are parked soon.
fn parking(stand: &Stand) -> GatewayFile {
    GatewayFile { top: "park_after = \"1 s\"".to_owned(), ..stand.tenant.gateway_file() }
}

/// Starts such a gateway with one pipeline `sales` that is parked.
fn parked(stand: &Stand) -> anyhow::Result<Gateway> {
    let gateway = Gateway::start(&stand.tenant, &parking(stand))?;
    gateway.has_parked(1)?;
    Ok(gateway)
}
