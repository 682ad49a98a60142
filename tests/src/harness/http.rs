//! HTTP for tests that are written straight on: a client that waits for its answer.

use std::time::Duration;

use anyhow::Context;

/// A client and the runtime that drives it.
pub struct Http {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As in 200.
    pub status: u16,
    /// The body.
    pub text: String,
}

/// Beyond any answer that a test waits for: a server that is stuck shall fail the test, not hold it.
const TIMEOUT: Duration = Duration::from_secs(120);

impl Http {
    /// A client without connections yet.
    ///
    /// # Errors
    /// Where the system gives no more threads or files.
    pub fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().context("make an HTTP client")?;
        Ok(Self { runtime, client })
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// Where there is no answer; one with a bad status is an answer.
    pub fn get(&self, url: &str) -> anyhow::Result<Answer> {
        self.answer(self.client.get(url))
    }

    /// Sends a body with headers.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> anyhow::Result<Answer> {
        let request = self.client.post(url).body(body);
        self.answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    /// Waits for anything else that is asynchronous.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            Ok(Answer { status: response.status().as_u16(), text: response.text().await? })
        })
    }
}
