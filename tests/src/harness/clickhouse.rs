//! Statements for ClickHouse, as an operator would send them.

use std::rc::Rc;

use anyhow::{Context, ensure};

use super::http::Http;
use super::wait::eventually;

/// A server, as one of its users.
#[derive(Clone)]
pub struct ClickHouse {
    http: Rc<Http>,
    url: String,
    user: Option<(String, String)>,
}

impl ClickHouse {
    /// A server; nothing is sent yet.
    pub fn new(http: Rc<Http>, url: &str, user: Option<(String, String)>) -> Self {
        Self { http, url: url.to_owned(), user }
    }

    /// Runs a statement and returns its answer as text.
    ///
    /// # Errors
    /// The server's own words.
    pub fn run(&self, statement: &str) -> anyhow::Result<String> {
        self.send("/", statement.as_bytes().to_vec()).with_context(|| format!("run `{statement}`"))
    }

    /// Inserts `data`, written in `format`.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn insert(&self, table: &str, format: &str, data: &[u8]) -> anyhow::Result<()> {
        let mut body = format!("INSERT INTO {table} FORMAT {format}\n").into_bytes();
        body.extend_from_slice(data);
        self.send("/", body).with_context(|| format!("insert into {table}"))?;
        Ok(())
    }

    /// Runs a query whose answer is one number.
    ///
    /// # Errors
    /// Where it is not.
    pub fn number(&self, query: &str) -> anyhow::Result<i64> {
        let answer = self.run(query)?;
        answer.trim().parse().with_context(|| format!("`{query}` answers `{answer}`"))
    }

    /// Returns when the server's clock, which counts whole seconds, has gone on by more than so many.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn seconds_later(&self, seconds: i64) -> anyhow::Result<()> {
        let now = || self.number("SELECT toUnixTimestamp(now())");
        let from = now()?;
        eventually("the server's clock goes on", || {
            let now = now()?;
            ensure!(now > from + seconds, "it is {now}, and was {from}");
            Ok(())
        })
    }

    /// The rows of a query, tab-separated.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn lines(&self, query: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.run(&format!("{query} FORMAT TabSeparated"))?.lines().map(str::to_owned).collect())
    }

    /// Asks the stand-in to be slow or to fail: see `tests/services/README.md`.
    ///
    /// # Errors
    /// Where the server knows no such hook.
    pub fn hook(&self, path: &str) -> anyhow::Result<()> {
        self.send(path, Vec::new()).with_context(|| format!("call {path}"))?;
        Ok(())
    }

    fn send(&self, path: &str, body: Vec<u8>) -> anyhow::Result<String> {
        let headers: Vec<_> = match &self.user {
            Some((name, password)) => vec![("X-ClickHouse-User", name.as_str()), ("X-ClickHouse-Key", password)],
            None => Vec::new(),
        };
        let answer = self.http.post(&format!("{}{path}", self.url), &headers, body)?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text.trim());
        Ok(answer.text)
    }
}
