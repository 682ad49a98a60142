//! One record to none, one or two rows of two routes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tidegate_plugin::native::{self, Decoded, Input, MemoryEnvironment};

use super::Exported;

fn event(kind: &str, quantity: &str, more: &str) -> String {
    format!(
        r#"{{"movement_id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","event_time":"2026-11-20T10:15:00Z","product_id":17,
        "warehouse":"msk-2","kind":"{kind}","quantity":{quantity}{more}}}"#
    )
}

fn rows(values: &[&str]) -> Vec<Decoded> {
    let records: Vec<_> = values.iter().map(|value| Input::value(*value)).collect();
    let output = native::run::<Exported>(MemoryEnvironment::new(), "{}", &records).unwrap();
    assert_eq!(output.rejects, []);
    native::decode::<Exported>(&output).unwrap()
}

fn reason(value: &str) -> String {
    let output = native::run::<Exported>(MemoryEnvironment::new(), "{}", &[Input::value(value)]).unwrap();
    assert_eq!(output.rows, []);
    output.rejects[0].reason.clone()
}

#[test]
fn a_transfer_is_two_rows_that_cancel_out() {
    let rows =
        rows(&[&event("receipt", "1", ""), &event("transfer", "12", r#","destination":"spb-1","unit_cost":"12.5""#)]);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| ["warehouse", "quantity", "unit_cost", "_offset", "_ordinal"].map(|column| row.get(column)))
        .collect();
    assert_eq!(
        seen,
        [
            [Some("msk-2"), Some("1"), None, Some("0"), Some("0")],
            [Some("msk-2"), Some("-12"), Some("12.5000"), Some("1"), Some("0")],
            [Some("spb-1"), Some("12"), Some("12.5000"), Some("1"), Some("1")],
        ]
    );
}

#[test]
fn a_shipment_takes_stock_away() {
    let rows = rows(&[&event("shipment", "2147483647", "")]);
    assert_eq!(rows[0].get("quantity"), Some("-2147483647"));
}

#[test]
fn a_correction_goes_to_its_own_route_with_any_sign() {
    let rows =
        rows(&[&event("correction", "-2147483648", r#","reason":"broken \"crate\"""#), &event("correction", "3", "")]);
    let seen: Vec<_> = rows.iter().map(|row| (&*row.route, row.get("quantity"), row.get("reason"))).collect();
    assert_eq!(seen, [("correction", Some("-2147483648"), Some("broken \"crate\"")), ("correction", Some("3"), None)]);
}

#[test]
fn quantities_that_make_no_sense_are_refused() {
    assert_eq!(reason(&event("receipt", "0", "")), "the quantity of a receipt is 0, it has to be above 0");
    assert_eq!(reason(&event("shipment", "-1", "")), "the quantity of a shipment is -1, it has to be above 0");
    assert_eq!(reason(&event("correction", "0", "")), "the quantity of a correction is 0");
}

#[test]
fn a_transfer_to_nowhere_is_refused() {
    assert_eq!(reason(&event("transfer", "1", "")), "a transfer needs a destination");
}
