//! Which rows a table of ClickHouse has.

use clickhouse::error::Error;

use super::ClickHouse;
use super::classify::classify;
use super::names::{qualified, quoted, text};
use crate::plugin::BoxFuture;
use crate::sink::{Found, Question, Reading, SinkFault};

impl Reading for ClickHouse {
    fn rows<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Vec<Found>, SinkFault>> {
        Box::pin(async move {
            let action = format!("read rows of {} from table `{}`", question.range, question.table);
            let answer = self.ask(&action, &statement(question)).await?;
            let found = |line: &str| Found::of(line.split('\t').map(|number| number.parse().ok()));
            answer.lines().map(|line| found(line).ok_or_else(|| self.nonsense(&action, line))).collect()
        })
    }

    fn count<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<u64, SinkFault>> {
        Box::pin(async move {
            let action = format!("count the rows of table `{table}`");
            let answer = self.ask(&action, &format!("SELECT count() FROM {}", qualified(table))).await?;
            answer.trim().parse().map_err(|_| self.nonsense(&action, &answer))
        })
    }
}

impl ClickHouse {
    async fn ask(&self, action: &str, statement: &str) -> Result<String, SinkFault> {
        let answer = async {
            // Through a formatted answer, since the client's own row types are fixed when the gateway is compiled.
            let mut cursor = self.server.client.query_raw(statement).fetch_bytes("TabSeparated")?;
            let all = cursor.collect().await?;
            Ok(all)
        };
        let answer = tokio::time::timeout(self.server.settings.timeout, answer).await.unwrap_or(Err(Error::TimedOut));
        let answer = answer.map_err(|fault| classify(action, &fault))?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn nonsense(&self, action: &str, line: &str) -> SinkFault {
        SinkFault::Unavailable(format!(
            "{action}: the answer of {} is not ClickHouse's: {line}",
            self.server.settings.url
        ))
    }
}

fn statement(Question { table, provenance, range }: Question<'_>) -> String {
    let (partition, offset) = (quoted(&provenance.partition), quoted(&provenance.offset));
    let ordinal = provenance.ordinal.as_deref().map_or("0".to_owned(), quoted);
    let topic = provenance.topic.as_deref().map(|topic| format!(" AND {} = {}", quoted(topic), text(&range.topic)));
    format!(
        "SELECT toInt64({offset}) AS audited_offset, toInt64({ordinal}) AS audited_ordinal, count() FROM {} \
         WHERE {partition} = {} AND {offset} >= {} AND {offset} < {}{} GROUP BY audited_offset, audited_ordinal",
        qualified(table),
        range.partition,
        range.first,
        range.next,
        topic.unwrap_or_default(),
    )
}
