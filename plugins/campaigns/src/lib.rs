//! Marketing events: topic `campaigns`, JSON values of three sources, each with its own members. The header `source` says
//! which of them a record is of; all become rows of one table, with the campaign's name and channel looked up.
//!
//! No settings. Lookup table: `campaigns`, with the columns `campaign_id`, `name` and `channel`. An event of a campaign that
//! is not in it keeps the campaign's id, and name and channel are null. An order that names no campaign is dropped.
//!
//! ```text
//! source   the header
//! event    the values, and what they have in common
//! ```

mod event;
mod source;

use std::rc::Rc;

use tidegate_plugin::{
    DateTime64, Decimal, Out, Record, Reject, Row, Setup, SetupError, Table, TableRow, Uuid, plugin,
};

use crate::event::Event;
use crate::source::Source;

plugin! { init: Campaigns::init, routes: { "event" => EventRow<'_> }, transform: Campaigns::transform }

struct Campaigns {
    campaigns: Table<String, Campaign>,
}

struct Campaign {
    name: String,
    channel: String,
}

impl Campaign {
    fn parse(row: &TableRow<'_>) -> Result<Self, Reject> {
        Ok(Self { name: row.get("name")?.to_owned(), channel: row.get("channel")?.to_owned() })
    }
}

#[derive(Row)]
#[row(partition, offset)]
struct EventRow<'a> {
    event_time: DateTime64<3>,
    source: Source,
    #[row(low_cardinality)]
    campaign_id: &'a str,
    #[row(low_cardinality)]
    campaign: Option<&'a str>,
    #[row(low_cardinality)]
    channel: Option<&'a str>,
    /// How many of them the record stands for.
    events: u32,
    /// Of orders.
    amount: Option<Decimal<18, 2>>,
    click_id: Option<Uuid>,
    order_id: Option<u64>,
}

impl Campaigns {
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        Ok(Self { campaigns: setup.table("campaigns", Campaign::parse)? })
    }

    fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        let source = Source::of(&record)?;
        let event = Event::read(source, &record)?;
        let Some(campaign_id) = event.campaign_id.as_deref() else { return Ok(()) };
        let campaign: Option<Rc<Campaign>> = self.campaigns.get(&campaign_id.to_owned())?;
        out.emit(&EventRow {
            event_time: event.time,
            source,
            campaign_id,
            campaign: campaign.as_ref().map(|campaign| &*campaign.name),
            channel: campaign.as_ref().map(|campaign| &*campaign.channel),
            events: event.events,
            amount: event.amount,
            click_id: event.click_id,
            order_id: event.order_id,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
