//! A server: what all of its tables share, and questions to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use clickhouse::Client;
use clickhouse::error::Error;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::classify::classify;
use super::columns::{LiveColumn, LiveTable};
use super::connect;
use super::names::parted;
use super::settings::{Known, TOKEN};
use crate::config::{ClickHouseFormat, ClickHouseSettings, Compression};
use crate::sink::SinkFault;
use crate::sink::pace::Pace;
use crate::sink::turns::Turns;

/// What all tables of a server share.
pub(super) struct Server {
    pub client: Client,
    pub settings: ClickHouseSettings,
    /// Inserts under way at once, over all tables.
    pub inserts: Turns,
    /// By database and table, over all pipelines.
    paces: Mutex<BTreeMap<(String, String), Arc<Pace>>>,
}

impl Server {
    pub fn new(settings: ClickHouseSettings) -> Self {
        let compression = match settings.compression {
            Compression::Lz4 => clickhouse::Compression::Lz4,
            Compression::None => clickhouse::Compression::None,
        };
        let client = connect::client().unwrap_or_else(|fault| {
            tracing::error!(%fault, "TLS cannot be set up: answers of ClickHouse are not looked at");
            Client::default()
        });
        let mut client = client
            .with_url(&settings.url)
            .with_user(&settings.user)
            .with_compression(compression)
            .with_product_info("tidegate", env!("CARGO_PKG_VERSION"));
        if !settings.password.reveal().is_empty() {
            client = client.with_password(settings.password.reveal());
        }
        let inserts = Turns::new(settings.concurrency);
        Self { client, settings, inserts, paces: Mutex::default() }
    }

    /// Whether it knows names and types in front of rows. Servers that know none of them know no insert tokens either.
    pub fn is_current(&self) -> bool {
        self.settings.format == ClickHouseFormat::RowBinaryWithNamesAndTypes
    }

    /// The pace of a table, the same for all that write to it.
    pub fn pace(&self, name: &str, live: &LiveTable) -> Arc<Pace> {
        let (database, name) = match name.split_once('.') {
            Some((database, name)) => (database, name),
            None => (live.database().unwrap_or_default(), name),
        };
        let mut paces = self.paces.lock();
        let pace = paces.entry((database.to_owned(), name.to_owned()));
        pace.or_insert_with(|| Arc::new(Pace::new(self.settings.inserts_per_second))).clone()
    }

    /// When a table's definition changed last, in seconds since 1970 by the server's clock.
    pub async fn altered_at(&self, name: &str) -> Result<u64, SinkFault> {
        #[derive(Deserialize)]
        struct Altered {
            at: u64,
        }
        let (database, name) = parted(name);
        let query = format!(
            "SELECT toUInt64(toUnixTimestamp(metadata_modification_time)) AS at FROM system.tables WHERE database = {database} AND name = {name} \
             SETTINGS output_format_json_quote_64bit_integers = 0"
        );
        let action = "find out when a table was altered";
        let altered: Vec<Altered> = self.ask(action, &query).await?;
        // One that is gone was altered.
        Ok(altered.first().map_or(u64::MAX / 2, |altered| altered.at))
    }

    /// The rows of an answer; `action` begins the text of what goes wrong.
    pub async fn ask<T: DeserializeOwned>(&self, action: &str, query: &str) -> Result<Vec<T>, SinkFault> {
        // Through a formatted answer, since the client's own row types are fixed when the gateway is compiled.
        let answer = async {
            let mut cursor = self.client.query_raw(query).fetch_bytes("JSONEachRow")?;
            cursor.collect().await
        };
        let answer = tokio::time::timeout(self.settings.timeout, answer).await.unwrap_or(Err(Error::TimedOut));
        let answer = answer.map_err(|fault| classify(action, &fault))?;
        let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(|fault| {
            let url = &self.settings.url;
            SinkFault::Unavailable(format!("{action}: the answer of {url} is not ClickHouse's: {fault}"))
        })
    }

    /// Runs a statement that answers nothing.
    pub async fn run(&self, action: &str, statement: &str) -> Result<(), SinkFault> {
        let run = self.client.query_raw(statement).execute();
        let answer = tokio::time::timeout(self.settings.timeout, run).await.unwrap_or(Err(Error::TimedOut));
        answer.map_err(|fault| classify(action, &fault))
    }

    /// A table as it is now; without columns where it does not exist.
    pub async fn live_table(&self, table: &str) -> Result<LiveTable, SinkFault> {
        let (database, name) = parted(table);
        let query = format!(
            "SELECT database, name, type, default_kind, default_expression, \
             (SELECT any(engine) FROM system.tables WHERE database = {database} AND name = {name}) AS engine \
             FROM system.columns WHERE database = {database} AND table = {name} ORDER BY name"
        );
        let columns: Vec<LiveColumn> = self.ask(&format!("read the columns of table `{table}`"), &query).await?;
        Ok(LiveTable { columns })
    }

    /// Which of the settings that inserts have it knows.
    pub async fn known(&self) -> Result<Known, SinkFault> {
        #[derive(Deserialize)]
        struct Setting {
            name: String,
        }
        let settings: Vec<Setting> = self.ask("read the settings of the server", &Known::query()).await?;
        Ok(Known::new(settings.into_iter().map(|setting| setting.name)))
    }

    /// Whether it takes all that exactly once needs from this user, tried with a question that costs nothing.
    pub async fn takes_settings(&self, known: &Known) -> Result<(), SinkFault> {
        let (url, user) = (&self.settings.url, &self.settings.user);
        if let Some(name) = known.lacks() {
            return Err(SinkFault::Refused(format!(
                "the server at {url} does not know the setting {name}, without which it cannot tell inserts apart; expected \
                 ClickHouse 22.2 or newer, or delivery = \"at-least-once\""
            )));
        }
        let client = known.exactly_once(known.always(self.client.clone())).with_setting(TOKEN, "tidegate");
        let tried = tokio::time::timeout(self.settings.timeout, client.query_raw("SELECT 1").execute()).await;
        match tried.unwrap_or(Err(Error::TimedOut)).map_err(|fault| classify("set what exactly once needs", &fault)) {
            Err(SinkFault::Refused(answer)) => Err(SinkFault::Refused(format!(
                "{answer}; the profile of user `{user}` must let it set that for its inserts, or delivery = \"at-least-once\""
            ))),
            answer => answer,
        }
    }
}
