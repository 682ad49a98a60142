//! Connections to a database: so many at once, those that are idle kept. One that failed is closed, whatever failed: what
//! the server makes of its transaction then needs no guess.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio_postgres::config::SslMode as Encryption;
use tokio_postgres::{Client, Config, NoTls};

use super::catalog::{self, Server};
use super::fault::classify;
use super::tls::Tls;
use crate::config::{PostgresSettings, SslMode};
use crate::sink::SinkFault;
use crate::sink::turns::{Turn, Turns};

/// The connections of one sink, over all tables.
pub struct Connections {
    settings: PostgresSettings,
    config: Config,
    turns: Turns,
    idle: Mutex<Vec<Connection>>,
}

/// One connection, and what serves it until it is dropped.
pub struct Connection {
    /// Statements go through it.
    pub client: Client,
    /// What is at the other end.
    pub server: Server,
    tls: Option<Tls>,
    driver: JoinSet<()>,
}

/// A connection in use. Unless it is kept it is closed.
pub struct Lease<'c> {
    connections: &'c Connections,
    /// The connection.
    pub connection: Connection,
    _turn: Turn,
}

/// How long a server may take to answer a request to cancel, and a connection to close.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Connections {
    /// None yet.
    pub fn new(settings: PostgresSettings) -> Self {
        let mut config = Config::new();
        config.host(&settings.host).port(settings.port).dbname(&settings.database).user(&settings.user);
        config.application_name("tidegate");
        // A server that vanished without a word is missed before long.
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(settings.timeout);
        config.ssl_mode(if settings.tls == SslMode::Disable { Encryption::Disable } else { Encryption::Require });
        if !settings.password.reveal().is_empty() {
            config.password(settings.password.reveal());
        }
        let turns = Turns::new(settings.concurrency);
        Self { settings, config, turns, idle: Mutex::default() }
    }

    /// What the gateway's file says of it.
    pub fn settings(&self) -> &PostgresSettings {
        &self.settings
    }

    /// How long anything may take.
    pub fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// A connection for a tenant, once there are not too many.
    ///
    /// # Errors
    /// Where none can be made.
    pub async fn lease(&self, tenant: &str) -> Result<Lease<'_>, SinkFault> {
        let turn = self.turns.take(tenant).await;
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => {
                let PostgresSettings { host, port, database, .. } = &self.settings;
                let action = format!("connect to database `{database}` at {host}:{port}");
                let connected = tokio::time::timeout(self.timeout(), self.connect(&action)).await;
                connected.unwrap_or_else(|_| Err(no_answer(&action, self.timeout())))?
            }
        };
        Ok(Lease { connections: self, connection, _turn: turn })
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        idle.retain(|connection| !connection.client.is_closed());
        idle.pop()
    }

    async fn connect(&self, action: &str) -> Result<Connection, SinkFault> {
        let tls = Tls::new(&self.settings.tls).map_err(|problem| SinkFault::Refused(format!("{action}: {problem}")))?;
        let mut driver = JoinSet::new();
        let connected = match &tls {
            None => self.config.connect(NoTls).await.map(|(client, connection)| {
                driver.spawn(async { drop(connection.await) });
                client
            }),
            Some(tls) => self.config.connect(tls.clone()).await.map(|(client, connection)| {
                driver.spawn(async { drop(connection.await) });
                client
            }),
        };
        let client = connected.map_err(|fault| classify(action, &fault))?;
        let server = catalog::server(&client).await.map_err(|fault| classify(action, &fault))?;
        suits(&server).map_err(|problem| SinkFault::Refused(format!("{action}: {problem}")))?;
        client.batch_execute(&self.session(&server)).await.map_err(|fault| classify(action, &fault))?;
        Ok(Connection { client, server, tls, driver })
    }

    /// What holds for all that goes through a connection.
    fn session(&self, server: &Server) -> String {
        // Should this process be gone, the server gives up by itself, and before this process does.
        let most = self.timeout().mul_f64(0.9).as_millis().max(1);
        let mut settings = format!("SET statement_timeout = {most}; SET client_min_messages = warning");
        // What is answered must outlive the server: the offset goes on behind it.
        settings.push_str(
            "; SELECT pg_catalog.set_config('synchronous_commit', 'on', false) \
             WHERE pg_catalog.current_setting('synchronous_commit') = 'off'",
        );
        if server.version >= 90_600 {
            // A gateway that stands still in the middle of a transaction holds what it locked no longer than that.
            settings.push_str(&format!(
                "; SET idle_in_transaction_session_timeout = {}",
                self.timeout().as_millis().max(1)
            ));
        }
        if server.greenplum {
            // Else the first rows of a table wait for an ANALYZE, and are refused where that fails.
            settings.push_str("; SET gp_autostats_mode = none");
        }
        settings
    }
}

/// What no table could make good.
fn suits(server: &Server) -> Result<(), String> {
    if !matches!(server.encoding.as_str(), "UTF8" | "SQL_ASCII") {
        return Err(format!("its encoding is {}; expected UTF8, which holds every text", server.encoding));
    }
    match server.integer_times {
        true => Ok(()),
        false => Err("its times are floating-point numbers; expected a server with integer_datetimes".to_owned()),
    }
}

/// A server that says nothing.
pub fn no_answer(action: &str, timeout: Duration) -> SinkFault {
    SinkFault::Unavailable(format!("{action}: no answer within {timeout:?}"))
}

impl Lease<'_> {
    /// Gives the connection back, for others.
    pub fn keep(self) {
        let Self { connections, connection, .. } = self;
        connections.idle.lock().push(connection);
    }

    /// What came of what was done with it, within a time-out; none where nothing came of it. What succeeded leaves the connection for
    /// others, what failed closes it, and the server is asked to stop what takes too long.
    pub async fn settle<T, E>(self, outcome: Result<Result<T, E>, Elapsed>) -> Option<Result<T, E>> {
        match outcome {
            Ok(Ok(value)) => {
                self.keep();
                Some(Ok(value))
            }
            Ok(Err(fault)) => {
                self.close().await;
                Some(Err(fault))
            }
            Err(Elapsed { .. }) => {
                self.cancel().await;
                None
            }
        }
    }

    /// Closes the connection.
    pub async fn close(self) {
        let Connection { client, mut driver, .. } = self.connection;
        drop(client);
        // What does not end by then ends with `driver`.
        let _ = tokio::time::timeout(LAST_WORDS, driver.join_next()).await;
    }

    /// Asks the server to stop what it is doing, and closes the connection.
    pub async fn cancel(self) {
        let token = self.connection.client.cancel_token();
        let asked = async {
            match &self.connection.tls {
                None => token.cancel_query(NoTls).await,
                Some(tls) => token.cancel_query(tls.clone()).await,
            }
        };
        // The server's own time-out is there for where this fails.
        let _ = tokio::time::timeout(LAST_WORDS, asked).await;
        self.close().await;
    }
}
