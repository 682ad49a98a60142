//! Marketing events of three sources, for the plugin `campaigns` with its campaigns as they are shipped. Which source a record
//! is of stands in a header alone.

use serde_json::{Value, json};

use super::{DELAY, START, ascii, time_value, uuid};
use crate::shop::Generated;
use crate::shop::dice::Dice;
use crate::shop::time::EventTime;

/// Apart from the other streams.
const STREAM: u64 = 105;

/// Campaigns with name and channel as `campaigns.csv` has them, and two that it does not have.
const CAMPAIGNS: [(&str, Option<(&str, &str)>); 7] = [
    ("spring-26", Some(("Spring sale, 2026", "search"))),
    ("tea-club", Some(("Tea club", "e-mail"))),
    ("retarget-7", Some(("Come back, \"we\" miss you", "display"))),
    ("новый-год", Some(("Новый год", "социальные сети"))),
    ("brand", Some(("Brand", "search"))),
    ("retired-19", None),
    ("Brand", None),
];

/// Headers that say nothing of the source.
const OTHERS: [Header; 3] = [("trace", Some(b"4bf92f35")), ("Source", Some(b"till")), ("sent", None)];

type Header = (&'static str, Option<&'static [u8]>);

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds since 1970.
    pub time: i64,
    /// `clicks`, `impressions` or `orders`.
    pub source: &'static str,
    /// As the record has it.
    pub campaign_id: &'static str,
    /// Name and channel, where the campaign is known.
    pub campaign: Option<(&'static str, &'static str)>,
    /// 1 but for impressions.
    pub events: u32,
    /// Hundredths, of orders.
    pub amount: Option<i64>,
    /// A UUID, of clicks.
    pub click_id: Option<String>,
    /// Of orders.
    pub order_id: Option<u64>,
}

/// What should become of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedEvent {
    /// A row.
    Event(Event),
    /// Neither a row nor a dead letter: an order without a campaign.
    Dropped,
    /// A dead letter whose reason has this part.
    Malformed(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Clicks,
    Impressions,
    Orders,
}

/// What is wrong with a malformed record.
#[derive(Clone, Copy)]
enum Fault {
    NoHeader,
    HeaderTwice,
    HeaderTwiceTheSame,
    HeaderNull,
    HeaderUnknown,
    HeaderNotUtf8,
    Null,
    CutOff,
    OfAnotherSource,
    NoCampaign,
    TimeWord,
}

const FAULTS: [Fault; 11] = [
    Fault::NoHeader,
    Fault::HeaderTwice,
    Fault::HeaderTwiceTheSame,
    Fault::HeaderNull,
    Fault::HeaderUnknown,
    Fault::HeaderNotUtf8,
    Fault::Null,
    Fault::CutOff,
    Fault::OfAnotherSource,
    Fault::NoCampaign,
    Fault::TimeWord,
];

/// The stream of a seed.
#[derive(Clone, Debug)]
pub struct Campaigns {
    dice: Dice,
    malformed: f64,
    clock: i64,
    key: &'static str,
    value: Option<String>,
    headers: Vec<Header>,
}

impl Campaigns {
    /// Starts the stream of `seed`, with this share of malformed records, from 0 to 1.
    pub fn new(seed: u64, malformed: f64) -> Self {
        let dice = Dice::new(seed, STREAM);
        Self { dice, malformed, clock: START, key: "", value: None, headers: Vec::new() }
    }

    /// The next record. It borrows the buffers, which the one after it overwrites.
    pub fn next_record(&mut self) -> Generated<'_, ExpectedEvent> {
        let dice = &mut self.dice;
        self.clock += i64::from(dice.below(3));
        let fault = dice.share(self.malformed).then(|| dice.pick(&FAULTS));
        let source = dice.pick(&[Source::Clicks, Source::Impressions, Source::Orders]);
        let moment = self.clock - i64::from(dice.below(DELAY));
        let time = EventTime::draw(dice, moment);
        let event = Event::draw(dice, source, time.kept());
        let organic = source == Source::Orders && fault.is_none() && dice.one_in(6);
        self.key = event.campaign_id;
        self.headers = headers(dice, source, fault);
        self.value = render(dice, source, &event, &time, (organic, fault));
        let expected = match fault {
            Some(fault) => ExpectedEvent::Malformed(fault.reason()),
            None if organic => ExpectedEvent::Dropped,
            None => ExpectedEvent::Event(event),
        };
        let value = self.value.as_ref().map(String::as_bytes);
        let (key, headers) = (self.key.as_bytes(), self.headers.as_slice());
        Generated { key, value, headers, timestamp: self.clock, expected }
    }
}

impl Event {
    fn draw(dice: &mut Dice, source: Source, time: i64) -> Self {
        let (campaign_id, campaign) = dice.pick(&CAMPAIGNS);
        let event = Self {
            time,
            source: source.name(),
            campaign_id,
            campaign,
            events: 1,
            amount: None,
            click_id: None,
            order_id: None,
        };
        match source {
            Source::Clicks => Self { click_id: Some(uuid(dice.bits(), dice.bits())), ..event },
            Source::Impressions => Self { events: 1 + dice.below(5_000), ..event },
            Source::Orders => {
                let amount = 1 + i64::from(dice.below(10_000_000));
                Self { amount: Some(amount), order_id: Some(u64::MAX - dice.bits() % 1_000_000), ..event }
            }
        }
    }
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::Impressions => "impressions",
            Self::Orders => "orders",
        }
    }

    fn another(self) -> Self {
        match self {
            Self::Clicks => Self::Impressions,
            Self::Impressions => Self::Orders,
            Self::Orders => Self::Clicks,
        }
    }
}

impl Fault {
    /// A part of what is to be said of it.
    fn reason(self) -> &'static str {
        match self {
            Self::NoHeader => "the header `source` is missing",
            Self::HeaderTwice | Self::HeaderTwiceTheSame => "the header `source` stands there 2 times",
            Self::HeaderNull => "the header `source` is null",
            Self::HeaderUnknown => "it should be \"clicks\", \"impressions\" or \"orders\"",
            Self::HeaderNotUtf8 => "the header `source` is not UTF-8",
            Self::Null => "the value is null",
            Self::CutOff => "the value is not JSON",
            Self::OfAnotherSource => "missing field",
            Self::NoCampaign => "the campaign is an empty text",
            Self::TimeWord => "is not a time",
        }
    }
}

/// The header of the source stands before, between or behind others.
fn headers(dice: &mut Dice, source: Source, fault: Option<Fault>) -> Vec<Header> {
    let mut headers: Vec<Header> = OTHERS.into_iter().filter(|_| dice.one_in(2)).collect();
    let named = |value| ("source", value);
    let right = named(Some(source.name().as_bytes()));
    match fault {
        Some(Fault::NoHeader) => {}
        Some(Fault::HeaderTwice) => headers.extend([right, named(Some(source.another().name().as_bytes()))]),
        Some(Fault::HeaderTwiceTheSame) => headers.extend([right, right]),
        Some(Fault::HeaderNull) => headers.push(named(None)),
        Some(Fault::HeaderUnknown) => {
            let unknown: [&'static [u8]; 5] = [b"banners", b"", b"Clicks", b"orders ", "заказы".as_bytes()];
            headers.push(named(Some(dice.pick(&unknown))));
        }
        Some(Fault::HeaderNotUtf8) => headers.push(named(Some(b"click\xff"))),
        _ => headers.push(right),
    }
    dice.shuffle(&mut headers);
    headers
}

/// The value, with what is wrong with it; one of an order without a campaign where it is `organic`.
fn render(
    dice: &mut Dice,
    source: Source,
    event: &Event,
    time: &EventTime,
    (organic, fault): (bool, Option<Fault>),
) -> Option<String> {
    let Event { campaign_id, events, amount, click_id, order_id, .. } = event;
    let campaign = match fault {
        Some(Fault::NoCampaign) => json!(""),
        _ if organic => Value::Null,
        _ => json!(campaign_id),
    };
    let time = match fault {
        Some(Fault::TimeWord) => json!("soon"),
        _ => time_value(time),
    };
    let mut value = match source {
        Source::Clicks => {
            json!({ "click_id": click_id, "time": time, "campaign": campaign, "url": "https://example.com/" })
        }
        Source::Impressions => json!({ "shown_at": time, "campaign_id": campaign, "count": events, "place": "feed" }),
        Source::Orders => {
            let amount = amount.unwrap_or_default();
            let amount = format!("{}.{:02}", amount / 100, amount % 100);
            json!({ "order_id": order_id, "created_at": time, "utm_campaign": campaign, "amount": amount })
        }
    };
    // Null and missing are the same.
    if let (true, true, Some(members)) = (organic, dice.one_in(2), value.as_object_mut()) {
        members.remove("utm_campaign");
    }
    match fault {
        Some(Fault::Null) => return None,
        // What the other source says has other members.
        Some(Fault::OfAnotherSource) => return Some(json!({ "time": 1, "count": 1, "amount": 1 }).to_string()),
        _ => {}
    }
    let mut value = value.to_string();
    if dice.one_in(3) {
        value = ascii(&value);
    }
    if let Some(Fault::CutOff) = fault {
        value.pop();
    }
    Some(value)
}
