//! A price or a cost: the amount, and the notation it takes in the JSON.

use super::dice::Dice;
use super::json;

/// From one rouble, so that no price is free, to under five thousand, so that quantities of hundreds stay well
/// within what a decimal of 18 digits holds.
const CENTS: std::ops::Range<u32> = 100..500_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Money {
    ten_thousandths: u32,
    notation: Notation,
}

#[derive(Clone, Copy, Debug)]
enum Notation {
    /// `149.90`
    Number,
    /// `"149.9025"`
    Text,
}

impl Money {
    /// Mostly a number with two decimals, sometimes a string with four.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let cents = CENTS.start + dice.below(CENTS.end - CENTS.start);
        if dice.one_in(8) {
            Self { ten_thousandths: cents * 100 + dice.below(100), notation: Notation::Text }
        } else {
            Self { ten_thousandths: cents * 100, notation: Notation::Number }
        }
    }

    pub(super) fn ten_thousandths(&self) -> i64 {
        i64::from(self.ten_thousandths)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (whole, fraction) = (self.ten_thousandths / 10_000, self.ten_thousandths % 10_000);
        match self.notation {
            Notation::Number => {
                json::natural(out, u64::from(whole));
                out.push(b'.');
                json::digits::<2>(out, fraction / 100);
            }
            Notation::Text => {
                out.push(b'"');
                json::natural(out, u64::from(whole));
                out.push(b'.');
                json::digits::<4>(out, fraction);
                out.push(b'"');
            }
        }
    }
}
