//! Stock movements: receipts, shipments and transfers between warehouses, and corrections of what was counted.

use super::dice::Dice;
use super::expected::{Correction, ExpectedStock, Movement};
use super::json::Object;
use super::malformed::Malformed;
use super::money::Money;
use super::source::{Event, Source};
use super::{Generated, Options};

/// An endless stream of stock movements.
#[derive(Clone, Debug)]
pub struct Stock {
    source: Source,
    rows: Vec<Movement>,
}

/// The values of one record, which both its JSON and the rows expected of it are made from.
struct Draft {
    event: Event,
    warehouse: &'static str,
    kind: Kind,
    /// As the JSON has it: signed for corrections only.
    quantity: i32,
    unit_cost: Option<Money>,
    order: [Field; 9],
    missing: Option<Field>,
}

#[derive(Clone, Copy)]
enum Kind {
    Receipt,
    Shipment,
    Transfer { destination: &'static str },
    Correction { reason: Reason },
}

#[derive(Clone, Copy)]
enum Reason {
    Absent,
    Null,
    Given { text: &'static str, json: &'static str },
}

/// Of the random numbers; any, but another than that of the other topic.
const STREAM: u64 = 2;

#[derive(Clone, Copy, PartialEq)]
enum Field {
    MovementId,
    EventTime,
    ProductId,
    Warehouse,
    Kind,
    Quantity,
    UnitCost,
    /// The destination of a transfer or the reason of a correction.
    Detail,
    Extra,
}

const ORDER: [Field; 9] = [
    Field::MovementId,
    Field::EventTime,
    Field::ProductId,
    Field::Warehouse,
    Field::Kind,
    Field::Quantity,
    Field::UnitCost,
    Field::Detail,
    Field::Extra,
];

const REQUIRED: [Field; 6] =
    [Field::MovementId, Field::EventTime, Field::ProductId, Field::Warehouse, Field::Kind, Field::Quantity];

const WAREHOUSES: [&str; 5] = ["msk-1", "msk-2", "spb-1", "ekb-1", "kzn-1"];

/// With and without escapes; the text and its JSON are written out by hand, one next to the other.
const REASONS: [Reason; 5] = [
    Reason::Given { text: "пересчёт", json: r#""пересчёт""# },
    Reason::Given { text: "бой при разгрузке", json: r#""бой при разгрузке""# },
    Reason::Given { text: "café \"x\"", json: r#""caf\u00e9 \"x\"""# },
    Reason::Given { text: "найдено 📦\t+", json: r#""найдено \ud83d\udce6\t+""# },
    Reason::Given { text: "Überzählig 📦", json: r#""Überzählig 📦""# },
];

impl Stock {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64, options: Options) -> Self {
        Self { source: Source::new(seed, STREAM, &options), rows: Vec::new() }
    }

    /// The next record. It borrows the buffers, which the one after it overwrites.
    pub fn next_record(&mut self) -> Generated<'_, ExpectedStock<'_>> {
        let event = self.source.event(&Malformed::STOCK);
        let draft = Draft::draw(&mut self.source.dice, event);
        self.source.render(&event, |object| draft.write(object));
        self.source.generated(&event, draft.expected(&mut self.rows))
    }
}

impl Draft {
    fn draw(dice: &mut Dice, event: Event) -> Self {
        let mut order = ORDER;
        if dice.one_in(16) {
            dice.shuffle(&mut order);
        }
        let (warehouse, destination) = draw_warehouses(dice);
        let kind = match dice.below(100) {
            _ if event.fault == Some(Malformed::TransferWithoutDestination) => Kind::Transfer { destination },
            0..30 => Kind::Receipt,
            30..70 => Kind::Shipment,
            70..90 => Kind::Transfer { destination },
            _ => Kind::Correction { reason: draw_reason(dice) },
        };
        let quantity = 1 + dice.below(500) as i32;
        let leaves = matches!(kind, Kind::Correction { .. }) && dice.one_in(2);
        Self {
            event,
            warehouse,
            kind,
            quantity: if leaves { -quantity } else { quantity },
            unit_cost: dice.one_in(2).then(|| Money::draw(dice)),
            order,
            missing: match event.fault {
                Some(Malformed::MissingField) => Some(dice.pick(&REQUIRED)),
                Some(Malformed::TransferWithoutDestination) => Some(Field::Detail),
                _ => None,
            },
        }
    }

    fn write(&self, object: &mut Object<'_>) {
        for field in self.order {
            if self.missing != Some(field) {
                self.write_field(object, field);
            }
        }
    }

    fn write_field(&self, object: &mut Object<'_>, field: Field) {
        match field {
            Field::MovementId => self.event.write_id(object, "movement_id"),
            Field::EventTime => self.event.write_time(object),
            Field::ProductId => self.event.write_product_id(object),
            Field::Warehouse => object.text("warehouse", self.warehouse),
            Field::Kind => match self.event.fault {
                Some(Malformed::UnknownKind) => object.text("kind", "refund"),
                _ => object.text("kind", self.kind.name()),
            },
            Field::Quantity => self.event.write_quantity(object, i64::from(self.quantity)),
            Field::UnitCost => {
                if let Some(unit_cost) = self.unit_cost {
                    unit_cost.write(object.member("unit_cost"));
                }
            }
            Field::Detail => match self.kind {
                Kind::Receipt | Kind::Shipment | Kind::Correction { reason: Reason::Absent } => {}
                Kind::Transfer { destination } => object.text("destination", destination),
                Kind::Correction { reason: Reason::Null } => object.raw("reason", b"null"),
                Kind::Correction { reason: Reason::Given { json, .. } } => object.raw("reason", json.as_bytes()),
            },
            Field::Extra => self.event.write_extra(object),
        }
    }

    fn expected<'a>(&self, rows: &'a mut Vec<Movement>) -> ExpectedStock<'a> {
        if let Some(fault) = self.event.fault {
            return ExpectedStock::Malformed(fault);
        }
        rows.clear();
        match self.kind {
            Kind::Receipt => rows.push(self.movement(self.warehouse, self.quantity)),
            Kind::Shipment => rows.push(self.movement(self.warehouse, -self.quantity)),
            Kind::Transfer { destination } => {
                rows.push(self.movement(self.warehouse, -self.quantity));
                rows.push(self.movement(destination, self.quantity));
            }
            Kind::Correction { reason } => {
                return ExpectedStock::Correction(self.correction(reason));
            }
        }
        ExpectedStock::Movements(rows)
    }

    fn movement(&self, warehouse: &'static str, quantity: i32) -> Movement {
        Movement {
            movement_id: self.event.id,
            event_time_ms: self.event.time.kept(),
            product_id: self.event.product_id,
            warehouse,
            kind: self.kind.name(),
            quantity,
            unit_cost_e4: self.unit_cost.map(|cost| cost.ten_thousandths()),
        }
    }

    fn correction(&self, reason: Reason) -> Correction {
        Correction {
            movement_id: self.event.id,
            event_time_ms: self.event.time.kept(),
            product_id: self.event.product_id,
            warehouse: self.warehouse,
            quantity: self.quantity,
            reason: match reason {
                Reason::Absent | Reason::Null => None,
                Reason::Given { text, .. } => Some(text),
            },
            unit_cost_e4: self.unit_cost.map(|cost| cost.ten_thousandths()),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Shipment => "shipment",
            Self::Transfer { .. } => "transfer",
            Self::Correction { .. } => "correction",
        }
    }
}

/// Two different ones.
fn draw_warehouses(dice: &mut Dice) -> (&'static str, &'static str) {
    let mut warehouses = WAREHOUSES;
    dice.shuffle(&mut warehouses);
    let [from, to, ..] = warehouses;
    (from, to)
}

fn draw_reason(dice: &mut Dice) -> Reason {
    match dice.below(100) {
        0..60 => dice.pick(&REASONS),
        60..80 => Reason::Absent,
        _ => Reason::Null,
    }
}
