//! A strict reader of the shop's JSON, slow and plain, written from the description of the fields alone.

use crate::shop::{Correction, ExpectedSale, ExpectedStock, Movement, Products, Sale};
use serde_json::{Map, Value};

/// The row of a sale, or `Dropped`; `None` if the value is malformed.
pub(super) fn sale<'a>(value: &[u8], products: &'a Products) -> Option<ExpectedSale<'a>> {
    let object = object(value)?;
    let product_id = u32::try_from(object.get("product_id")?.as_u64()?).ok()?;
    let quantity = u16::try_from(object.get("quantity")?.as_u64()?).ok()?;
    let price_e4 = ten_thousandths(object.get("price")?)?;
    let (product, category) = products.describe(product_id);
    let sale = Sale {
        event_id: uuid(object.get("event_id")?)?,
        event_time_ms: moment(object.get("event_time")?)?,
        product_id,
        product,
        category,
        quantity,
        price_e4,
        amount_e4: price_e4 * i64::from(quantity),
        currency: match object.get("currency") {
            None => "RUB",
            Some(currency) => one_of(currency, &["EUR", "USD"])?,
        },
        channel: one_of(object.get("channel")?, &["web", "shop", "app", "test"])?,
        customer_id: match object.get("customer_id") {
            None | Some(Value::Null) => None,
            Some(id) => Some(id.as_u64()?),
        },
    };
    Some(if sale.channel == "test" { ExpectedSale::Dropped } else { ExpectedSale::Sale(sale) })
}

/// The rows of a stock movement; `None` if the value is malformed.
pub(super) fn stock<'a>(value: &[u8], rows: &'a mut Vec<Movement>) -> Option<ExpectedStock<'a>> {
    const WAREHOUSES: &[&str] = &["msk-1", "msk-2", "spb-1", "ekb-1", "kzn-1"];
    let object = object(value)?;
    let quantity = i32::try_from(object.get("quantity")?.as_i64()?).ok()?;
    let movement = Movement {
        movement_id: uuid(object.get("movement_id")?)?,
        event_time_ms: moment(object.get("event_time")?)?,
        product_id: u32::try_from(object.get("product_id")?.as_u64()?).ok()?,
        warehouse: one_of(object.get("warehouse")?, WAREHOUSES)?,
        kind: one_of(object.get("kind")?, &["receipt", "shipment", "transfer", "correction"])?,
        quantity,
        unit_cost_e4: match object.get("unit_cost") {
            None => None,
            Some(cost) => Some(ten_thousandths(cost)?),
        },
    };
    match movement.kind {
        "correction" => return correction(&object, movement),
        _ if quantity <= 0 => return None,
        "receipt" => rows.push(movement),
        "shipment" => rows.push(Movement { quantity: -quantity, ..movement }),
        _ => {
            let destination = one_of(object.get("destination")?, WAREHOUSES)?;
            rows.push(Movement { quantity: -quantity, ..movement });
            rows.push(Movement { warehouse: destination, ..movement });
        }
    }
    Some(ExpectedStock::Movements(rows))
}

fn correction(object: &Map<String, Value>, movement: Movement) -> Option<ExpectedStock<'static>> {
    const REASONS: &[&str] =
        &["пересчёт", "бой при разгрузке", "caf\u{e9} \"x\"", "найдено \u{1f4e6}\t+", "Überzählig \u{1f4e6}"];
    if movement.quantity == 0 {
        return None;
    }
    let Movement { movement_id, event_time_ms, product_id, warehouse, quantity, unit_cost_e4, .. } = movement;
    let reason = match object.get("reason") {
        None | Some(Value::Null) => None,
        Some(reason) => Some(one_of(reason, REASONS)?),
    };
    let correction = Correction { movement_id, event_time_ms, product_id, warehouse, quantity, reason, unit_cost_e4 };
    Some(ExpectedStock::Correction(correction))
}

fn object(value: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(value).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn one_of(value: &Value, choices: &[&'static str]) -> Option<&'static str> {
    let text = value.as_str()?;
    choices.iter().find(|choice| **choice == text).copied()
}

fn uuid(value: &Value) -> Option<[u8; 16]> {
    let text = value.as_str()?;
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
    let (version, variant) = (digits >> 76 & 15, digits >> 62 & 3);
    (lengths == [8, 4, 4, 4, 12] && version == 7 && variant == 2).then(|| digits.to_be_bytes())
}

fn ten_thousandths(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some((number.as_f64()? * 10_000.0).round() as i64),
        Value::String(text) => {
            let (whole, fraction) = text.split_once('.')?;
            (fraction.len() == 4).then_some(())?;
            Some(whole.parse::<i64>().ok()? * 10_000 + fraction.parse::<i64>().ok()?)
        }
        _ => None,
    }
}

fn moment(value: &Value) -> Option<i64> {
    let Value::String(text) = value else {
        let epoch = value.as_i64()?;
        // Seconds reach this number in the year 5138, milliseconds passed it in 1973.
        return Some(if epoch < 100_000_000_000 { epoch * 1_000 } else { epoch });
    };
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    ((1..=12).contains(&month) && day >= 1 && day <= days_in(year, month)).then_some(())?;
    (hour < 24 && minute < 60 && second < 60).then_some(())?;
    let (milliseconds, zone) = match text.get(19..20) {
        Some(".") => (number(20..23)?, text.get(23..)?),
        _ => (0, text.get(19..)?),
    };
    let mut days = day - 1;
    days += (1970..year).flat_map(|year| (1..=12).map(move |month| days_in(year, month))).sum::<i64>();
    days += (1..month).map(|month| days_in(year, month)).sum::<i64>();
    let minutes = (days * 24 + hour) * 60 + minute - offset(zone)?;
    Some((minutes * 60 + second) * 1_000 + milliseconds)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// In minutes.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    match zone.get(..1)? {
        "+" => Some(minutes),
        "-" => Some(-minutes),
        _ => None,
    }
}
