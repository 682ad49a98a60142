//! What records are read into, and the records that are tampered with.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tidegate_json::{Error, Record, Stream, Text};
use tidegate_json_bench::data::{Article, DataSet, Deep, Numbers, Request, Tiny};
use tidegate_plugin::{Date, DateTime, DateTime64, FixedString, Text as Borrowed, Uuid};

use crate::floats::{Double, Single};
use crate::seen::Seen;

/// A kind of records.
pub trait Kind {
    /// What they are read into.
    type Of<'a>: Deserialize<'a> + PartialEq + Debug;
    /// The name, for reports.
    const NAME: &'static str;

    /// Records that are as they should be.
    fn records() -> Vec<Vec<u8>>;

    /// The same read without serde, in a stream or by itself; `None` where the type is not made for that.
    fn record<'a>(_: Option<&Stream>, _: Text<'a>) -> Option<Result<Self::Of<'a>, Error>> {
        None
    }
}

/// What is done with each kind.
pub trait VisitKind {
    /// What comes of it.
    type Answer;

    /// Does it.
    fn visit<K: Kind>(self) -> Self::Answer;
}

macro_rules! kinds {
    ($($name:ident<$lifetime:lifetime> = $type:ty, $records:expr $(, $read:ident)?;)+) => {
        $(
            #[doc(hidden)]
            #[derive(Debug)]
            pub struct $name;

            impl Kind for $name {
                type Of<$lifetime> = $type;
                const NAME: &'static str = stringify!($name);

                fn records() -> Vec<Vec<u8>> {
                    $records
                }

                $(
                    fn $read<$lifetime>(
                        stream: Option<&Stream>,
                        text: Text<$lifetime>,
                    ) -> Option<Result<Self::Of<$lifetime>, Error>> {
                        Some(match stream {
                            Some(stream) => stream.record(text),
                            None => tidegate_json::record(text.as_str()),
                        })
                    }
                )?
            }
        )+

        /// How many kinds there are.
        pub const KINDS: usize = [$(stringify!($name)),+].len();

        /// Hands the kind of this number to `visitor`; numbers beyond the last one begin again.
        pub fn visit<V: VisitKind>(number: usize, visitor: V) -> V::Answer {
            let mut left = number % KINDS;
            $(
                if left == 0 {
                    return visitor.visit::<$name>();
                }
                left -= 1;
            )+
            let _ = left;
            // Not reached: the remainder is under the number of kinds.
            visitor.visit::<Anything>()
        }
    };
}

kinds! {
    Sales<'a> = Sale<'a>, made(DataSet::Sales);
    SalesShuffled<'a> = Sale<'a>, made(DataSet::Shuffled);
    SalesTyped<'a> = TypedSale<'a>, written(&TYPED), record;
    SalesOwned<'a> = OwnedSale, made(DataSet::Sales), record;
    Orders<'a> = Order<'a>, made(DataSet::Nested), record;
    Requests<'a> = Request<Borrowed<'a>>, made(DataSet::Unneeded), record;
    Articles<'a> = Article<Borrowed<'a>>, made(DataSet::NonAscii), record;
    Chains<'a> = Deep, made(DataSet::Deep), record;
    Series<'a> = Numbers, made(DataSet::Numbers), record;
    States<'a> = Tiny, made(DataSet::Tiny), record;
    Enums<'a> = Representations<'a>, written(&ENUMS);
    Flat<'a> = Flattened, written(&FLAT);
    Wide<'a> = Integers, written(&INTEGERS), record;
    Maps<'a> = Keyed<'a>, written(&MAPS);
    Strict<'a> = Refusing<'a>, written(&STRICT);
    Values<'a> = Value, everything();
    Anything<'a> = Seen, everything();
    Passed<'a> = Ignored, everything();
    Untagged<'a> = Vec<Either>, written(&[br#"[1,"two",[3,[4,"five"]],-6,{"x":[1.5]},null]"#, b"[]", b"[[],[1],\"\"]"]);
}

/// A sale with all that a field's type may be.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Sale<'a> {
    event_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    quantity: u16,
    #[serde(deserialize_with = "price")]
    price: Price<'a>,
    channel: Borrowed<'a>,
    currency: Option<Borrowed<'a>>,
    customer_id: Option<u64>,
    #[serde(default, rename = "note", alias = "promo", borrow)]
    remark: Option<Cow<'a, str>>,
    #[serde(default)]
    tags: Vec<Seen>,
}

/// A price is a number or text.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Price<'a> {
    Number(Double),
    Text(#[serde(borrow)] Cow<'a, str>),
}

fn price<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Price<'a>, D::Error> {
    Price::deserialize(deserializer)
}

/// The same with the types of a row.
#[derive(Debug, PartialEq, Deserialize, Record)]
#[serde(rename_all = "camelCase")]
pub struct TypedSale<'a> {
    event_id: Uuid,
    event_time: DateTime64<3>,
    product_id: i32,
    #[serde(default = "seven")]
    quantity: u8,
    day: Option<Date>,
    until: Option<DateTime>,
    country: Option<FixedString<2>>,
    #[serde(alias = "canal", alias = "kanal")]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    currency: Option<Borrowed<'a>>,
    price: f64,
    #[record(deserialize)]
    tags: Option<BTreeMap<String, bool>>,
    paid: bool,
    sizes: Vec<Option<i16>>,
    #[serde(rename = "a key of some length, beyond what fits into one vector")]
    long: Option<Box<u64>>,
}

/// The same with no member that must be there, and another type for most of them.
#[derive(Debug, PartialEq, Deserialize, Record)]
#[serde(default)]
#[derive(Default)]
pub struct OwnedSale {
    event_id: String,
    #[record(deserialize)]
    event_time: Option<Moment>,
    product_id: i64,
    quantity: u8,
    #[record(deserialize)]
    price: Option<Seen>,
    #[record(deserialize)]
    channel: Channel,
    currency: Option<Box<str>>,
    customer_id: Option<i32>,
    till: Option<f32>,
    #[record(deserialize)]
    basket: Option<BTreeMap<String, Seen>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Moment {
    Epoch(u64),
    Text(String),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Channel {
    #[default]
    Web,
    Shop,
    App,
    Test,
}

/// Objects in objects, each with a way of its own.
#[derive(Debug, PartialEq, Deserialize, Record)]
#[serde(deny_unknown_fields)]
pub struct Order<'a> {
    order_id: u64,
    placed: DateTime64<3>,
    #[serde(borrow)]
    customer: Customer<'a>,
    items: Vec<Item<'a>>,
    payment: Option<Payment<'a>>,
    gift: bool,
}

#[derive(Debug, PartialEq, Deserialize, Record)]
struct Customer<'a> {
    id: u32,
    #[serde(borrow)]
    name: Cow<'a, str>,
    address: Address<'a>,
}

#[derive(Debug, PartialEq, Deserialize, Record)]
struct Address<'a> {
    #[serde(borrow)]
    city: Borrowed<'a>,
    zip: String,
    // Also from an array, as serde's structs may be.
    geo: Geo,
}

#[derive(Debug, PartialEq, Deserialize, Record)]
struct Geo {
    #[record(deserialize)]
    lat: Double,
    #[record(deserialize)]
    lon: Single,
}

#[derive(Debug, PartialEq, Deserialize, Record)]
struct Item<'a> {
    #[serde(borrow)]
    sku: Borrowed<'a>,
    quantity: u16,
    #[record(deserialize)]
    price: Double,
}

#[derive(Debug, PartialEq, Deserialize, Record)]
struct Payment<'a> {
    #[serde(borrow)]
    method: Borrowed<'a>,
    paid: bool,
}

/// Enums in serde's four representations.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Representations<'a> {
    #[serde(borrow)]
    outside: Vec<Outside<'a>>,
    inside: Vec<Inside>,
    beside: Vec<Beside>,
    none: Vec<Either>,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Outside<'a> {
    Plain,
    Wrapped(u8),
    Pair(u8, #[serde(borrow)] Borrowed<'a>),
    Named {
        a: bool,
        b: (),
        c: Option<i8>,
    },
    #[serde(alias = "Autre")]
    Other(Box<Outside<'a>>),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type")]
enum Inside {
    A { x: i8 },
    B { y: Option<String>, z: Option<Double> },
    C(Geo),
    D,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Beside {
    A,
    B(u16),
    C { x: Seen },
    D(String, i64),
}

/// By what it looks like.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Either {
    Number(i64),
    Text(String),
    Many(Vec<Either>),
    Object { x: Vec<Double> },
    Nothing,
}

/// Members of several types in one object.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Flattened {
    id: u8,
    #[serde(flatten)]
    geo: Option<Geo>,
    #[serde(flatten)]
    one: Inside,
    name: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Seen>,
}

/// Every type of number.
#[derive(Debug, PartialEq, Deserialize, Record)]
pub struct Integers {
    a: i8,
    b: i16,
    c: i32,
    d: i64,
    e: i128,
    f: u8,
    g: u16,
    h: u32,
    i: u64,
    j: u128,
    #[record(deserialize)]
    k: Single,
    #[record(deserialize)]
    l: Double,
    #[record(deserialize)]
    m: Option<(i128, u128, Double)>,
    #[record(deserialize)]
    n: [Single; 2],
    #[record(deserialize)]
    o: std::num::NonZero<u32>,
}

/// Keys that are no text, and what else there is.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Keyed<'a> {
    by_number: BTreeMap<i32, Vec<u8>>,
    by_wide: BTreeMap<u128, ()>,
    #[serde(default)]
    by_bool: BTreeMap<bool, u8>,
    by_text: HashMap<Cow<'a, str>, Letter>,
    by_variant: BTreeMap<Step, Nothing>,
    tuple: (u8, char, Id, Option<Option<bool>>),
    #[serde(default)]
    text: Option<Box<str>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Letter(char);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Step {
    First,
    Second,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Nothing;

#[derive(Debug, PartialEq, Deserialize)]
struct Id(u64);

/// Borrows or refuses.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusing<'a> {
    key: &'a str,
    #[serde(rename = "a key of some length, beyond what fits into one vector")]
    long: Option<&'a str>,
    #[serde(skip)]
    skipped: u8,
    #[serde(default = "seven")]
    seven: u8,
    r#type: bool,
}

fn seven() -> u8 {
    7
}

/// Passed over.
#[derive(Debug, PartialEq)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Records of a set, as many as give it variety.
const RECORDS: usize = 48;

fn made(set: DataSet) -> Vec<Vec<u8>> {
    let records = set.records(RECORDS);
    let mut start = 0;
    let record = |&end: &usize| {
        let record = records.bytes.get(start..end).unwrap_or_default().to_vec();
        start = end;
        record
    };
    records.ends.iter().map(record).collect()
}

fn written(records: &[&[u8]]) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.to_vec()).collect()
}

/// A few of every kind.
fn everything() -> Vec<Vec<u8>> {
    let made = DataSet::ALL.into_iter().flat_map(|set| made(set).into_iter().step_by(12));
    let written = [&ENUMS[..], &FLAT, &INTEGERS, &MAPS, &STRICT].concat();
    made.chain(written.iter().map(|record| record.to_vec())).collect()
}

const TYPED: [&[u8]; 4] = [
    br#"{"eventId":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","eventTime":"2026-11-20T10:15:00.123Z","productId":17,"quantity":2,"day":"2026-11-20","until":1795132800,"country":"NO","channel":"web","currency":"EUR","price":149.90,"tags":{"new":true},"paid":true,"sizes":[1,null,-3],"a key of some length, beyond what fits into one vector":12345678901}"#,
    br#"{"eventId":"0192F0C17A3B7C119D2E1F2A3B4C5D6E","eventTime":1795132800123,"productId":-17,"canal":"sh\u006fp","price":1e3,"paid":false,"sizes":[],"more":{"a":[1,{}]}}"#,
    br#"{ "eventTime" : "2026-11-20 10:15:00" , "eventId" : "0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e" , "kanal" : "" , "price" : -0.5 , "paid" : true , "productId" : 0 , "sizes" : [ 30000 ] }"#,
    br#"["0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","2026-11-20T10:15:00+03:00",1,2,null,null,null,"app",null,12345678.12345678,null,false,[],null]"#,
];

const ENUMS: [&[u8]; 3] = [
    br#"{"outside":["Plain",{"Wrapped":7},{"Pair":[1,"z"]},{"Named":{"a":true,"b":null}},{"Autre":"Plain"}],"inside":[{"type":"A","x":-128},{"y":"u","type":"B"},{"type":"C","lat":1,"lon":2.5},{"type":"D"}],"beside":[{"t":"A"},{"t":"B","c":9},{"c":{"x":[{}]},"t":"C"},{"t":"D","c":["",1]}],"none":[1,"two",[3],{"x":[]},null]}"#,
    br#"{"inside":[],"none":[],"beside":[{"c":null,"t":"A"}],"outside":[{"Other":{"Other":{"Wrapped":0}}}],"more":1}"#,
    br#"{ "outside" : [ { "Plain" : null } ], "inside" : [ { "z" : 1e2, "type" : "B" } ], "beside" : [], "none" : [ [] ] }"#,
];

const FLAT: [&[u8]; 3] = [
    br#"{"id":1,"lat":1.5,"lon":-2,"type":"A","x":3,"name":"n","more":[1,"\u0041"]}"#,
    br#"{"type":"D","id":255,"z":{"a":{"b":null}},"name":null}"#,
    br#"{"y":null,"type":"B","lat":0,"id":0}"#,
];

const INTEGERS: [&[u8]; 3] = [
    br#"{"a":-128,"b":-32768,"c":-2147483648,"d":-9223372036854775808,"e":-170141183460469231731687303715884105728,"f":255,"g":65535,"h":4294967295,"i":18446744073709551615,"j":340282366920938463463374607431768211455,"k":3.4028235e38,"l":1.7976931348623157e308,"m":null,"n":[0.1,1e-45],"o":1}"#,
    br#"{"a":0,"b":1,"c":2,"d":3,"e":4,"f":5,"g":6,"h":7,"i":8,"j":9,"k":10,"l":11,"m":[-1,1,0.5],"n":[1,2],"o":3}"#,
    br#"{"o":77,"n":[1.25,-1.25],"l":-0.0,"k":-0.0,"j":0,"i":0,"h":0,"g":0,"f":0,"e":0,"d":0,"c":0,"b":0,"a":0}"#,
];

const MAPS: [&[u8]; 2] = [
    br#"{"by_number":{"1":[0,255],"-3":[],"40":[7]},"by_wide":{"0":null,"340282366920938463463374607431768211455":null},"by_bool":{"true":1,"false":0},"by_text":{"a":"b","\u00e9":"c"},"by_variant":{"First":null},"tuple":[1,"x",99,true],"text":"t"}"#,
    br#"{"tuple":[0,"\ud83d\ude00",0,null],"by_variant":{},"by_text":{},"by_wide":{},"by_number":{}}"#,
];

const STRICT: [&[u8]; 2] = [
    br#"{"key":"value","a key of some length, beyond what fits into one vector":"and a text that is long as well, so that it takes some turns","seven":8,"type":true}"#,
    br#"{"type":false,"key":""}"#,
];
