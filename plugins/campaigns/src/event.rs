//! The values of the three sources, and what of them becomes a row.

use serde::Deserialize;
use tidegate_plugin::{DateTime64, Decimal, Record, Reject, Text, Uuid};

use crate::source::Source;

/// An event of any source.
pub(crate) struct Event<'a> {
    pub(crate) time: DateTime64<3>,
    /// None of an order that came without a campaign.
    pub(crate) campaign_id: Option<Text<'a>>,
    pub(crate) events: u32,
    pub(crate) amount: Option<Decimal<18, 2>>,
    pub(crate) click_id: Option<Uuid>,
    pub(crate) order_id: Option<u64>,
}

#[derive(Deserialize)]
struct Click<'a> {
    click_id: Uuid,
    time: DateTime64<3>,
    #[serde(borrow)]
    campaign: Text<'a>,
}

/// Counted where they were shown, so that a record stands for several.
#[derive(Deserialize)]
struct Impressions<'a> {
    shown_at: DateTime64<3>,
    #[serde(borrow)]
    campaign_id: Text<'a>,
    count: u32,
}

#[derive(Deserialize)]
struct Order<'a> {
    order_id: u64,
    created_at: DateTime64<3>,
    #[serde(borrow)]
    utm_campaign: Option<Text<'a>>,
    amount: Decimal<18, 2>,
}

impl<'a> Event<'a> {
    /// Reads the value of a record as one of this source.
    ///
    /// # Errors
    /// Where it is none, its campaign is an empty text, or its count is 0.
    pub(crate) fn read(source: Source, record: &Record<'a>) -> Result<Self, Reject> {
        let event: Self = match source {
            Source::Clicks => record.json::<Click<'a>>()?.into(),
            Source::Impressions => record.json::<Impressions<'a>>()?.into(),
            Source::Orders => record.json::<Order<'a>>()?.into(),
        };
        event.check()?;
        Ok(event)
    }

    fn check(&self) -> Result<(), Reject> {
        if self.events == 0 {
            return Err(Reject::new("count is 0; it should be at least 1"));
        }
        match self.campaign_id.as_deref() {
            Some("") => Err(Reject::new("the campaign is an empty text")),
            _ => Ok(()),
        }
    }
}

impl<'a> From<Click<'a>> for Event<'a> {
    fn from(Click { click_id, time, campaign }: Click<'a>) -> Self {
        Self { time, campaign_id: Some(campaign), events: 1, amount: None, click_id: Some(click_id), order_id: None }
    }
}

impl<'a> From<Impressions<'a>> for Event<'a> {
    fn from(Impressions { shown_at, campaign_id, count }: Impressions<'a>) -> Self {
        Self {
            time: shown_at,
            campaign_id: Some(campaign_id),
            events: count,
            amount: None,
            click_id: None,
            order_id: None,
        }
    }
}

impl<'a> From<Order<'a>> for Event<'a> {
    fn from(Order { order_id, created_at, utm_campaign, amount }: Order<'a>) -> Self {
        Self {
            time: created_at,
            campaign_id: utm_campaign,
            events: 1,
            amount: Some(amount),
            click_id: None,
            order_id: Some(order_id),
        }
    }
}
