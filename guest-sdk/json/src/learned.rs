//! What was learned of a stream of similar texts: which key follows which, and what stands between them.
//!
//! Records of a stream mostly have the same keys in the same order, written in the same way. So for every key the literal is
//! kept that followed its value last, such as `,"price":`, with the field that it led to. Where the next text has it in the
//! same place, three comparisons replace the reading of the key and the search for its field. Where it has not, the key is
//! read and looked up as ever. A key that is written with white space counts as another one.

use std::ops::Range;

use crate::source::{Literal, Source};

/// What a key means to a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The field of this number.
    Field(u16),
    /// None of the fields; it may be passed over under this number.
    Ignored(u16),
    /// Nothing that a number could say.
    Text,
}

/// Which field of a struct a key means.
pub type Resolve = fn(&str) -> Meaning;

/// What follows the value of one key, or an opening bracket.
#[derive(Clone, Copy)]
struct Step {
    literal: Literal,
    /// The key that the literal leads to.
    next: Slot,
    field: u16,
    /// How often something else followed since this was right last.
    surprises: u8,
}

/// A key of a struct, or the beginning of one, by the number of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u8);

impl Slot {
    /// Keys that nothing is known of: too many, or too long.
    pub const UNKNOWN: Self = Self(u8::MAX);

    #[inline(always)]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The slot of this number.
    #[inline(always)]
    pub fn of(number: u8) -> Self {
        Self(number)
    }
}

/// A key that was looked up, so that it will be found quickly.
#[derive(Clone, Copy)]
struct Key {
    /// With both quotes.
    literal: Literal,
    /// Its slot where no space stands around its colon.
    tight: Slot,
    /// Its slots where one space does, and more; `Slot::UNKNOWN` until it is seen so. Kept in the tight slot's key.
    spaced: [Slot; 2],
}

/// The keys of one struct.
struct Shape {
    /// The struct is known by this function's address. Where two share one, they resolve alike.
    resolve: Resolve,
    start: Slot,
    /// Slots and fields by a hash of their keys; `Slot::UNKNOWN` where there is none.
    buckets: [(Slot, u16); BUCKETS],
    /// How many keys were learned that are its fields, and how many that are none.
    fields: i32,
    ignored: usize,
    /// How much may go wrong before prediction is given up. Below zero it is, for so many objects.
    credit: i32,
}

const BUCKETS: usize = 64;

/// A key may stand this far behind its bucket.
const PROBES: usize = 4;

/// Objects whose keys are data would fill the table with keys that never come again.
const MOST_IGNORED: usize = 24;

/// So many steps there are; slots are bytes.
const STEPS: usize = 256;

/// A literal is replaced when so often in a row something else stood in its place: a record that is unlike the others should
/// not make the next ones slow.
const PATIENCE: u8 = 8;

/// An object of a struct earns the surprise of every second field: prediction still pays when more than every second is right.
const FIELDS_A_SURPRISE: i32 = 2;

const MOST_CREDIT: i32 = 64;

/// For so many objects prediction stays off, once most keys have come as a surprise.
const PAUSE: i32 = 4_096;

/// What is known of the structs in a stream.
pub struct Learned {
    steps: Box<[Step; STEPS]>,
    keys: Vec<Key>,
    shapes: Vec<Shape>,
}

/// Where a struct begins: its shape and the slot of its opening bracket.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub shape: usize,
    pub slot: Slot,
}

impl Start {
    /// Where nothing is foreseen.
    pub const NOWHERE: Self = Self { shape: usize::MAX, slot: Slot::UNKNOWN };
}

impl Step {
    const NONE: Self = Self { literal: Literal::NEVER, next: Slot::UNKNOWN, field: 0, surprises: PATIENCE };
}

impl Learned {
    pub fn new() -> Self {
        Self { steps: Box::new([Step::NONE; STEPS]), keys: Vec::new(), shapes: Vec::new() }
    }

    /// Where `slot`'s literal stands at `at`: the place behind it, the key that it led to, and its field.
    #[inline(always)]
    pub fn foreseen(&mut self, slot: Slot, source: Source<'_>, at: usize) -> Option<(usize, Slot, u16)> {
        // A byte is always within.
        let step = self.steps.get_mut(usize::from(slot.0))?;
        if !source.has(at, &step.literal) {
            return None;
        }
        step.surprises = 0;
        Some((at + step.literal.length(), step.next, step.field))
    }

    /// An object of a struct begins. [`Start::NOWHERE`] where its keys come in no order.
    #[inline(always)]
    pub fn start(&mut self, resolve: Resolve) -> Start {
        let found = self.shapes.iter_mut().enumerate().find(|(_, shape)| shape.resolve as usize == resolve as usize);
        match found {
            Some((index, shape)) => {
                shape.credit = MOST_CREDIT.min(shape.credit + 1 + shape.fields / FIELDS_A_SURPRISE);
                match shape.credit < 0 {
                    true => Start::NOWHERE,
                    false => Start { shape: index, slot: shape.start },
                }
            }
            None => self.start_of_new(resolve),
        }
    }

    #[cold]
    #[inline(never)]
    fn start_of_new(&mut self, resolve: Resolve) -> Start {
        let slot = match u8::try_from(self.keys.len()) {
            Ok(free) if free < Slot::UNKNOWN.0 => {
                // A bracket has no key, but its step has a number.
                self.keys.push(Key::new(Literal::NEVER, Slot(free)));
                Slot(free)
            }
            _ => Slot::UNKNOWN,
        };
        let buckets = [(Slot::UNKNOWN, 0); BUCKETS];
        self.shapes.push(Shape { resolve, start: slot, buckets, fields: 0, ignored: 0, credit: MOST_CREDIT });
        Start { shape: self.shapes.len() - 1, slot }
    }

    /// The slot of the key of the tight slot `tight` where so much space stands around its colon. A key has a slot for each way to
    /// write it: a record is mostly written in one way from its beginning to its end, so what follows is foreseen in the way of the
    /// key before.
    #[inline(always)]
    pub fn written(&mut self, tight: Slot, space: usize) -> Slot {
        if space == 0 { tight } else { self.spaced(tight, usize::from(space > 1)) }
    }

    #[inline(never)]
    fn spaced(&mut self, tight: Slot, way: usize) -> Slot {
        let known = self.keys.get(usize::from(tight.0)).and_then(|key| key.spaced.get(way));
        match known {
            Some(&slot) if slot != Slot::UNKNOWN => slot,
            _ => self.add_spaced(tight, way),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_spaced(&mut self, tight: Slot, way: usize) -> Slot {
        let free = u8::try_from(self.keys.len()).map_or(Slot::UNKNOWN, Slot);
        let Some(key) = self.keys.get_mut(usize::from(tight.0)).filter(|_| free != Slot::UNKNOWN) else { return tight };
        if let Some(slot) = key.spaced.get_mut(way) {
            *slot = free;
        }
        let key = *key;
        self.keys.push(key);
        free
    }

    /// The slot and the field of the key that stands in quotes at `at`, and the place behind it; `None` where only the key itself
    /// will do.
    #[inline(always)]
    pub fn find(&mut self, shape: usize, source: Source<'_>, at: usize) -> Option<(Slot, u16, usize)> {
        let buckets = &self.shapes.get(shape)?.buckets;
        let hash = hash(source, at + 1)?;
        for probe in 0..PROBES {
            let (slot, field) = *buckets.get((hash + probe) % BUCKETS)?;
            // Most keys are the first in their bucket.
            let Some(known) = self.keys.get(usize::from(slot.0)) else {
                return self.add(shape, (hash + probe) % BUCKETS, source, at);
            };
            if source.has(at, &known.literal) {
                return Some((slot, field, at + known.literal.length()));
            }
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn add(&mut self, shape: usize, bucket: usize, source: Source<'_>, at: usize) -> Option<(Slot, u16, usize)> {
        let key = source.plain_string(at)?;
        let literal = Literal::new(source.text().as_bytes().get(at..at + key.len() + 2)?)?;
        // Near the end of a batch a key that is known is not found, and must not be learned once more.
        if self.keys.len() >= usize::from(Slot::UNKNOWN.0) || !source.has(at, &literal) {
            return None;
        }
        let shape = self.shapes.get_mut(shape).filter(|shape| shape.ignored < MOST_IGNORED)?;
        let field = match (shape.resolve)(key) {
            Meaning::Field(field) => {
                shape.fields += 1;
                field
            }
            Meaning::Ignored(field) => {
                shape.ignored += 1;
                field
            }
            Meaning::Text => return None,
        };
        let slot = Slot(u8::try_from(self.keys.len()).ok()?);
        *shape.buckets.get_mut(bucket)? = (slot, field);
        let behind = at + literal.length();
        self.keys.push(Key::new(literal, slot));
        Some((slot, field, behind))
    }

    /// Something else stood behind the key of `place` than its step says: `range` of the source, which leads to the key of the slots
    /// `tight` and, as it is written, `next`.
    #[inline(always)]
    pub fn surprised(
        &mut self,
        place: Start,
        source: Source<'_>,
        range: Range<usize>,
        (tight, next, field): (Slot, Slot, u16),
    ) {
        let Some(shape) = self.shapes.get_mut(place.shape).filter(|shape| shape.credit >= 0) else { return };
        let Some(step) = self.steps.get_mut(usize::from(place.slot.0)).filter(|_| place.slot != Slot::UNKNOWN) else {
            return;
        };
        // The key that was expected is no surprise if only it is written in another way.
        if let Some(expected) = self.keys.get(usize::from(step.next.0))
            && expected.tight != tight
        {
            shape.credit -= 1;
            if shape.credit < 0 {
                shape.give_up(&mut self.steps, &self.keys);
                return;
            }
        }
        step.surprises = step.surprises.saturating_add(1);
        if step.surprises >= PATIENCE {
            step.learn(source, range, (next, field));
        }
    }
}

impl Shape {
    /// Most keys came as a surprise.
    #[cold]
    #[inline(never)]
    fn give_up(&mut self, steps: &mut [Step; STEPS], keys: &[Key]) {
        self.credit = -PAUSE * (1 + self.fields / FIELDS_A_SURPRISE);
        for tight in self.buckets.iter().map(|(tight, _)| tight).chain([&self.start]) {
            let spaced = keys.get(usize::from(tight.0)).into_iter().flat_map(|key| &key.spaced);
            for slot in spaced.chain([tight]) {
                steps.get_mut(usize::from(slot.0)).into_iter().for_each(|step| *step = Step::NONE);
            }
        }
    }
}

impl Key {
    fn new(literal: Literal, tight: Slot) -> Self {
        Self { literal, tight, spaced: [Slot::UNKNOWN; 2] }
    }
}

impl Step {
    #[cold]
    #[inline(never)]
    fn learn(&mut self, source: Source<'_>, range: Range<usize>, (next, field): (Slot, u16)) {
        let literal = source.text().as_bytes().get(range).and_then(Literal::new);
        if let Some(literal) = literal {
            *self = Self { literal, next, field, surprises: 0 };
        }
    }
}

/// A bucket for the key that begins at `at`: by its first sixteen bytes, or by the first eight and the last eight of a longer one.
/// `None` near the end of the text, where no key is compared.
///
/// Without branches, for which key comes is what nobody foresaw.
#[inline(always)]
fn hash(source: Source<'_>, at: usize) -> Option<usize> {
    let (front, back) = (source.whole_eight(at)?, source.whole_eight(at + 8)?);
    let (quotes, more_quotes) = (quotes(front), quotes(back));
    let back = match quotes | more_quotes {
        0 => source.eight(source.plain_end(at).saturating_sub(8)),
        _ if quotes == 0 => back & below(more_quotes),
        _ => 0,
    };
    let mixed = (front & below(quotes)) ^ back.rotate_left(29);
    // The golden ratio spreads the bits to the top (Knuth, "The Art of Computer Programming", 6.4).
    Some((mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize)
}

/// Where quotes stand, as the highest bit of their bytes. Only the lowest is surely right.
#[inline(always)]
fn quotes(eight: u64) -> u64 {
    let without_quotes = eight ^ 0x2222_2222_2222_2222;
    without_quotes.wrapping_sub(0x0101_0101_0101_0101) & !without_quotes & 0x8080_8080_8080_8080
}

/// The bytes before the lowest quote; where there is none, all but some bits of the last.
#[inline(always)]
fn below(quotes: u64) -> u64 {
    // Below that bit are the bytes before the quote and seven bits of the quote itself.
    (quotes & quotes.wrapping_neg()).wrapping_sub(1) >> 7
}

impl std::fmt::Debug for Learned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Learned").field("structs", &self.shapes.len()).field("keys", &self.keys.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two fields, and nothing else that may be passed over.
    fn resolve(key: &str) -> Meaning {
        match key {
            "a" => Meaning::Field(0),
            "b" => Meaning::Field(1),
            "denied" => Meaning::Text,
            _ => Meaning::Ignored(u16::MAX),
        }
    }

    /// The key in quotes at the front of a text that goes on.
    fn find(learned: &mut Learned, shape: usize, key: &str) -> Option<(Slot, u16)> {
        let text = format!("\"{key}\":{}", "1".repeat(Literal::LONGEST));
        let (slot, field, behind) = learned.find(shape, Source::new(&text), 0)?;
        assert_eq!(behind, key.len() + 2);
        Some((slot, field))
    }

    fn surprised(learned: &mut Learned, shape: usize, slot: Slot, literal: &[u8], (next, field): (Slot, u16)) {
        let text = std::str::from_utf8(literal).unwrap();
        let tight = learned.keys[usize::from(next.0)].tight;
        learned.surprised(Start { shape, slot }, Source::new(text), 0..text.len(), (tight, next, field));
    }

    fn foresees(learned: &mut Learned, slot: Slot, text: &str) -> Option<u16> {
        let text = text.to_owned() + &"1".repeat(Literal::LONGEST);
        learned.foreseen(slot, Source::new(&text), 0).map(|(_, _, field)| field)
    }

    #[test]
    fn a_literal_is_learned_at_once_and_replaced_when_it_is_wrong_often_in_a_row() {
        let mut learned = Learned::new();
        let Start { shape, slot } = learned.start(resolve);
        let [a, b] = ["a", "b"].map(|key| find(&mut learned, shape, key).unwrap());
        assert_eq!(foresees(&mut learned, slot, "\"a\":"), None);
        surprised(&mut learned, shape, slot, b"\"a\":", a);
        for _ in 0..5 {
            assert_eq!(foresees(&mut learned, slot, "\"a\":"), Some(0));
            for _ in 1..PATIENCE {
                surprised(&mut learned, shape, slot, b"\"b\":", b);
            }
            assert_eq!(foresees(&mut learned, slot, "\"b\":"), None);
        }
        surprised(&mut learned, shape, slot, b"\"b\":", b);
        assert_eq!(foresees(&mut learned, slot, "\"b\":"), Some(1));
        assert_eq!(foresees(&mut learned, slot, "\"a\":"), None);
    }

    #[test]
    fn a_key_that_was_expected_in_another_way_is_no_surprise_and_its_way_is_learned_when_it_lasts() {
        let mut learned = Learned::new();
        let Start { shape, slot } = learned.start(resolve);
        let a = find(&mut learned, shape, "a").unwrap();
        surprised(&mut learned, shape, slot, b"\"a\":", a);
        let spaced = learned.written(a.0, 1);
        let credit = learned.shapes[shape].credit;
        for _ in 0..PATIENCE {
            assert_eq!(foresees(&mut learned, slot, "\"a\" : "), None);
            surprised(&mut learned, shape, slot, b"\"a\" : ", (spaced, 0));
        }
        assert_eq!(foresees(&mut learned, slot, "\"a\" : "), Some(0));
        assert_eq!(learned.shapes[shape].credit, credit);
        // Back again it is none, either.
        surprised(&mut learned, shape, slot, b"\"a\":", a);
        assert_eq!(learned.shapes[shape].credit, credit);
    }

    #[test]
    fn nothing_is_foreseen_for_a_while_where_most_keys_are_a_surprise() {
        // One pointer: a function may have more than one address.
        let resolve: Resolve = resolve;
        let mut learned = Learned::new();
        let Start { shape, slot } = learned.start(resolve);
        let [a, b] = ["a", "b"].map(|key| find(&mut learned, shape, key).unwrap());
        surprised(&mut learned, shape, slot, b"\"a\":", a);
        let spaced = learned.written(a.0, 1);
        surprised(&mut learned, shape, spaced, b", \"b\": ", b);
        assert_eq!(foresees(&mut learned, spaced, ", \"b\": "), Some(1));
        // Whichever of the two keys was not expected comes.
        let unexpected = |learned: &mut Learned| match learned.steps[usize::from(slot.0)].next == a.0 {
            true => surprised(learned, shape, slot, b"\"b\":", b),
            false => surprised(learned, shape, slot, b"\"a\":", a),
        };
        let objects = (0..1_000).take_while(|_| {
            for _ in 0..4 {
                unexpected(&mut learned);
            }
            learned.start(resolve).shape == shape
        });
        let objects = objects.count();
        assert!((10..100).contains(&objects), "{objects}");
        assert_eq!(foresees(&mut learned, slot, "\"b\":"), None);
        assert_eq!(foresees(&mut learned, spaced, ", \"b\": "), None);
        let pause = (0..10_000).take_while(|_| learned.start(resolve).shape != shape).count();
        assert!((4_000..4_200).contains(&pause), "{pause}");
        // Two surprises an object are what two fields earn, once they have earned some.
        learned.start(resolve);
        for _ in 0..1_000 {
            unexpected(&mut learned);
            unexpected(&mut learned);
            assert_eq!(learned.start(resolve).shape, shape);
        }
    }

    #[test]
    fn a_key_has_one_slot_and_keeps_it() {
        let mut learned = Learned::new();
        let shape = learned.start(resolve).shape;
        for _ in 0..3 {
            let keys = ["a", "b", "other", "longer than a block, which has sixteen bytes"];
            let found = keys.map(|key| find(&mut learned, shape, key).unwrap());
            assert_eq!(found.map(|(slot, _)| slot.0), [1, 2, 3, 4]);
            assert_eq!(found.map(|(_, field)| field), [0, 1, u16::MAX, u16::MAX]);
            assert_eq!(find(&mut learned, shape, "denied"), None);
            assert_eq!(find(&mut learned, shape, &"x".repeat(Literal::LONGEST)), None);
            // The end is so near that it cannot be compared.
            assert_eq!(learned.find(shape, Source::new("\"a\":1}"), 0), None);
            assert_eq!(learned.keys.len(), 5);
        }
    }

    #[test]
    fn a_bucket_depends_on_the_key_and_on_nothing_behind_it() {
        for length in 0..40 {
            let key: String = ('a'..='z').cycle().take(length).collect();
            let of = |behind: &str| hash(Source::new(&format!("{key}\"{behind}{}", "1".repeat(40))), 0).unwrap();
            let expected = of("");
            for behind in [":1", ": \"", "\"\"", ",\"b\":", "\u{ff}"] {
                assert_eq!(of(behind), expected, "{key}{behind}");
            }
        }
        // What two keys have in common does not bring them together.
        let keys = [
            "customer_id",
            "customer_na",
            "customer_mail",
            "customer_name_of_the_second",
            "customer_name_of_the_third",
        ];
        let buckets: std::collections::HashSet<_> =
            keys.iter().map(|key| hash(Source::new(&format!("{key}\":1{}", " ".repeat(16))), 0)).collect();
        assert_eq!(buckets.len(), keys.len());
    }

    #[test]
    fn keys_that_are_data_do_not_fill_the_table() {
        let mut learned = Learned::new();
        let shape = learned.start(resolve).shape;
        for number in 0..1_000 {
            find(&mut learned, shape, &format!("key {number}"));
        }
        assert!(learned.keys.len() <= 1 + MOST_IGNORED, "{}", learned.keys.len());
    }

    #[test]
    fn a_key_has_a_slot_for_each_way_to_write_it() {
        let mut learned = Learned::new();
        let shape = learned.start(resolve).shape;
        let [a, b] = ["a", "b"].map(|key| find(&mut learned, shape, key).unwrap().0);
        let [tight, one, more] = [0, 1, 2].map(|space| learned.written(a, space));
        assert_eq!(tight, a);
        assert!(tight != one && tight != more && one != more);
        assert_eq!([0, 1, 2, 3].map(|space| learned.written(a, space)), [tight, one, more, more]);
        surprised(&mut learned, shape, b, b", \"a\" : ", (more, 0));
        assert!(![tight, one, more].contains(&learned.written(b, 1)));
        assert_eq!(find(&mut learned, shape, "a"), Some((tight, 0)));
        assert_eq!(learned.written(Slot::UNKNOWN, 1), Slot::UNKNOWN);
    }

    #[test]
    fn where_there_is_no_slot_left_a_key_keeps_the_one_it_has() {
        let mut learned = Learned::new();
        let resolves: [Resolve; 3] = [|_| Meaning::Field(0), |_| Meaning::Field(1), |_| Meaning::Field(2)];
        let mut kept = 0;
        for resolve in resolves {
            let shape = learned.start(resolve).shape;
            for number in 0..60 {
                let Some((tight, _)) = find(&mut learned, shape, &format!("key {number}")) else { continue };
                for space in [1, 2] {
                    let slot = learned.written(tight, space);
                    kept += usize::from(slot == tight);
                    assert!(usize::from(slot.0) < learned.keys.len());
                }
            }
        }
        assert!(kept > 0);
        assert_eq!(learned.keys.len(), usize::from(Slot::UNKNOWN.0));
    }
}
