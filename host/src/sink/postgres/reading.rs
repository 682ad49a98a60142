//! Which rows a table of Greenplum or PostgreSQL has.

use tokio_postgres::SimpleQueryMessage;

use super::connection::no_answer;
use super::fault::classify;
use super::quote::{identifier, qualified, text};
use super::{OPENING, Postgres};
use crate::plugin::BoxFuture;
use crate::sink::{Found, Question, Reading, SinkFault};

impl Reading for Postgres {
    fn rows<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Vec<Found>, SinkFault>> {
        Box::pin(async move {
            let action = format!("read rows of {} from table `{}`", question.range, question.table);
            let answer = self.ask(&action, &statement(question)).await?;
            answer.into_iter().map(|line| Found::of(line.into_iter()).ok_or_else(|| nonsense(&action))).collect()
        })
    }

    fn count<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<u64, SinkFault>> {
        Box::pin(async move {
            let action = format!("count the rows of table `{table}`");
            let answer = self.ask(&action, &format!("SELECT count(*) FROM {}", qualified(table))).await?;
            let count = answer.first().and_then(|line| line.first().copied().flatten());
            count.and_then(|count| u64::try_from(count).ok()).ok_or_else(|| nonsense(&action))
        })
    }
}

impl Postgres {
    /// The numbers of an answer.
    async fn ask(&self, action: &str, statement: &str) -> Result<Vec<Vec<Option<i64>>>, SinkFault> {
        let lease = self.connections.lease(OPENING).await?;
        let timeout = self.connections.timeout();
        let answer = match tokio::time::timeout(timeout, lease.connection.client.simple_query(statement)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => return Err(classify(action, &fault)),
            Err(_) => {
                lease.cancel().await;
                return Err(no_answer(action, timeout));
            }
        };
        lease.keep();
        let numbers = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).and_then(|text| text.parse().ok())).collect())
            }
            _ => None,
        };
        Ok(answer.into_iter().filter_map(numbers).collect())
    }
}

fn nonsense(action: &str) -> SinkFault {
    SinkFault::Unavailable(format!("{action}: the answer is not of numbers"))
}

fn statement(Question { table, provenance, range }: Question<'_>) -> String {
    let (partition, offset) = (identifier(&provenance.partition), identifier(&provenance.offset));
    let ordinal = provenance.ordinal.as_deref().map_or("0".to_owned(), identifier);
    let topic = provenance.topic.as_deref().map(|topic| format!(" AND {} = {}", identifier(topic), text(&range.topic)));
    format!(
        "SELECT ({offset})::bigint, ({ordinal})::bigint, count(*) FROM {} \
         WHERE {partition} = {} AND {offset} >= {} AND {offset} < {}{} GROUP BY 1, 2",
        qualified(table),
        range.partition,
        range.first,
        range.next,
        topic.unwrap_or_default(),
    )
}
