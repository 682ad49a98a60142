//! Where the services are that the tests need. A test without its service fails: one that is skipped proves nothing.

use anyhow::anyhow;

/// The addresses that `tests/services/services.py` gives.
#[derive(Clone, Debug)]
pub struct Services {
    /// Host and port of a broker.
    pub kafka: String,
    /// The address of ClickHouse's HTTP interface.
    pub clickhouse: String,
}

impl Services {
    /// Reads the addresses of what every test needs.
    ///
    /// # Errors
    /// Says how to start what is not there.
    pub fn find() -> anyhow::Result<Self> {
        Ok(Self { kafka: address("TIDEGATE_TEST_KAFKA")?, clickhouse: address("TIDEGATE_TEST_CLICKHOUSE")? })
    }

    /// The address of the old ClickHouse server.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn clickhouse_2018() -> anyhow::Result<String> {
        address("TIDEGATE_TEST_CLICKHOUSE_2018")
    }

    /// The address of PostgreSQL, with user and password.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn postgres() -> anyhow::Result<String> {
        address("TIDEGATE_TEST_POSTGRES")
    }

    /// The address of a Greenplum cluster, with user and password. None runs here by itself: it is tested where there is one.
    pub fn greenplum() -> Option<String> {
        std::env::var("TIDEGATE_TEST_GREENPLUM_URL").ok().filter(|url| !url.is_empty())
    }

    /// Name and password of ClickHouse's user, where the environment has them.
    pub fn clickhouse_user() -> Option<(String, String)> {
        let variable = |name| std::env::var(name).ok();
        Some((variable("TIDEGATE_TEST_CLICKHOUSE_USER")?, variable("TIDEGATE_TEST_CLICKHOUSE_PASSWORD")?))
    }

    /// The password of ClickHouse's user; empty where there is none.
    pub fn password() -> String {
        Self::clickhouse_user().map(|(_, password)| password).unwrap_or_default()
    }
}

pub(super) fn address(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).map_err(|_| {
        anyhow!(
            "{variable} is not set; `make test` starts the services, and so does `python3 tests/services/services.py \
             run kafka kafka-secure clickhouse clickhouse-2018 postgres -- cargo test --release`"
        )
    })
}
