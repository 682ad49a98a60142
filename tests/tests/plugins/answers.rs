//! Answers that break the contract. The SDK cannot give them, so a fake does; what is checked is `transform`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tidegate::pipeline::{Range, Stage, Transformed};
use tidegate::plugin::contract::{self, Output, Reject, Rows};
use tidegate::plugin::{BoxFuture, Description, Guest, GuestFault, Plugin, PluginHash};
use tidegate_tests::cases;

/// Answers its calls with these outputs, one after the other, and with empty ones from then on.
struct Answering {
    description: Description,
    answers: Arc<Mutex<VecDeque<Output>>>,
}

struct Answer(Arc<Mutex<VecDeque<Output>>>);

const RANGE: u32 = u32::MAX;

/// Routes `line`, a UInt8, a Bool and a String, and `number`, a Decimal(4, 2).
fn answering(answers: impl IntoIterator<Item = Output>) -> Arc<dyn Plugin> {
    let route = |name: &str, columns: &[(&str, &str)]| contract::Route {
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|(name, kind)| contract::Column { name: (*name).to_owned(), type_: (*kind).to_owned() })
            .collect(),
    };
    let line = route("line", &[("id", "UInt8"), ("right", "Bool"), ("text", "String")]);
    let number = route("number", &[("number", "Decimal(4, 2)")]);
    let (name, version) = ("answering".to_owned(), "1".to_owned());
    let description = contract::Description { name, version, stateless: true, routes: vec![line, number] };
    let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
    Arc::new(Answering { description: Description::new(description).unwrap(), answers })
}

impl Plugin for Answering {
    fn description(&self) -> &Description {
        &self.description
    }

    fn hash(&self) -> PluginHash {
        PluginHash::of(b"answering")
    }

    fn guest<'a>(&'a self, _: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        let guest = Answer(self.answers.clone());
        Box::pin(async move { Ok(Box::new(guest) as Box<dyn Guest>) })
    }

    fn give_back(&self, _: Box<dyn Guest>) {}
}

impl Answer {
    fn next(&self) -> BoxFuture<'static, Result<Output, GuestFault>> {
        let answer = self.0.lock().unwrap().pop_front().unwrap_or(Output { rows: vec![], rejects: vec![] });
        Box::pin(async move { Ok(answer) })
    }
}

impl Guest for Answer {
    fn transform<'a>(&'a mut self, _: contract::Batch<'a>) -> BoxFuture<'a, Result<Output, GuestFault>> {
        self.next()
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Output, GuestFault>> {
        self.next()
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

/// A row of the route `line`.
const RIGHT: &[u8] = &[7, 1, 2, b'o', b'k'];

/// Rows of the route `line`, each with the record it comes from.
fn lines(rows: &[(u32, &[u8])]) -> Rows {
    rows_of(0, rows)
}

fn rows_of(route: u32, rows: &[(u32, &[u8])]) -> Rows {
    let mut all = Rows { route, bytes: vec![], ends: vec![], origins: vec![] };
    for (origin, row) in rows {
        all.bytes.extend_from_slice(row);
        all.ends.push(all.bytes.len() as u32);
        all.origins.push(*origin);
    }
    all
}

fn emitting(rows: impl IntoIterator<Item = Rows>) -> Output {
    Output { rows: rows.into_iter().collect(), rejects: vec![] }
}

fn refusing(origin: u32, reason: &str) -> Output {
    Output { rows: vec![], rejects: vec![Reject { origin, reason: reason.to_owned() }] }
}

fn silent() -> Output {
    emitting([])
}

/// Transforms this many records, from the offset 10 on.
async fn transformed(records: usize, answers: impl IntoIterator<Item = Output>) -> Result<Transformed, String> {
    let values = cases::records(10, vec!["value"; records]);
    cases::transform(answering(answers), values).await.map_err(|fault| fault.to_string())
}

/// What three records fail with.
async fn fault(answers: impl IntoIterator<Item = Output>) -> String {
    let text = transformed(3, answers).await.unwrap_err();
    text.strip_prefix("transform records 10 to 12: ").unwrap().to_owned()
}

async fn broken(rows: impl IntoIterator<Item = Rows>) -> String {
    let text = fault([emitting(rows)]).await;
    text.strip_prefix("the plugin broke the contract: ").unwrap().to_owned()
}

#[tokio::test]
async fn ends_that_do_not_fit_the_bytes_are_a_fault() {
    let ends = async |ends: &[u32]| {
        let rows = Rows { ends: ends.to_vec(), origins: vec![0; ends.len()], ..lines(&[(0, RIGHT), (1, RIGHT)]) };
        broken([rows]).await
    };
    assert_eq!(ends(&[5, 11]).await, "rows for route `line`: row 1 from 5 to 11, but there are 10 bytes");
    assert_eq!(ends(&[5, u32::MAX]).await, "rows for route `line`: row 1 from 5 to 4294967295, but there are 10 bytes");
    assert_eq!(ends(&[10, 5]).await, "rows for route `line`: row 1 from 10 to 5, but there are 10 bytes");
    assert_eq!(ends(&[5]).await, "rows for route `line`: the last row ends at 5, but there are 10 bytes");
    assert_eq!(ends(&[]).await, "rows for route `line`: the last row ends at 0, but there are 10 bytes");
}

#[tokio::test]
async fn as_many_origins_as_rows_are_needed_and_each_within_the_batch() {
    let origins =
        async |origins: &[u32]| broken([Rows { origins: origins.to_vec(), ..lines(&[(0, RIGHT), (1, RIGHT)]) }]).await;
    assert_eq!(origins(&[0]).await, "rows for route `line`: 2 ends, but 1 origins");
    assert_eq!(origins(&[0, 1, 2]).await, "rows for route `line`: 2 ends, but 3 origins");
    assert_eq!(origins(&[0, 3]).await, "rows for route `line`: row 1 comes from record 3 in a batch of 3");
    assert_eq!(
        origins(&[RANGE - 1, 0]).await,
        "rows for route `line`: row 0 comes from record 4294967294 in a batch of 3"
    );
}

#[tokio::test]
async fn a_route_that_there_is_not_or_that_stands_twice_is_a_fault() {
    assert_eq!(broken([rows_of(2, &[])]).await, "rows for route 2, but there are 2 routes");
    assert_eq!(broken([rows_of(u32::MAX, &[])]).await, "rows for route 4294967295, but there are 2 routes");
    let twice = [lines(&[(0, RIGHT)]), rows_of(1, &[]), lines(&[(1, RIGHT)])];
    assert_eq!(broken(twice).await, "rows for route `line` twice in one output");
}

#[tokio::test]
async fn a_reject_of_no_record_is_a_fault() {
    let text = fault([refusing(3, "why")]).await;
    assert_eq!(text, "the plugin broke the contract: a reject of record 3 in a batch of 3");
    // Only the end of a range may reject the range.
    let text = fault([refusing(RANGE, "all of it")]).await;
    assert_eq!(text, "the plugin broke the contract: a reject of record 4294967295 in a batch of 3");
    let text = fault([silent(), refusing(RANGE, "all of it")]).await;
    assert_eq!(text, "the plugin fails at the end of the range: all of it");
}

#[tokio::test]
async fn a_wrong_row_of_the_range_is_a_fault_for_want_of_a_record() {
    let text = fault([silent(), emitting([lines(&[(RANGE, RIGHT), (RANGE, &[7, 2, 0])])])]).await;
    let wrong = "row 1, which has no record, is wrong: column `right`: the byte 2 stands where 0 or 1 must";
    assert_eq!(text, format!("the plugin broke the contract: rows for route `line`: {wrong}"));
}

#[tokio::test]
async fn wrong_bytes_refuse_their_record_alone() {
    let wrong: [(&[u8], &str); 7] = [
        (&[7, 2, 0], "column `right`: the byte 2 stands where 0 or 1 must"),
        (&[7, 1, 2, b'o', 0xff], "column `text`: the text is not UTF-8 from its byte 1 on"),
        (&[7, 1, 9, b'o', b'k'], "column `text`: the row ends within the value"),
        (&[7, 1, 0x80], "column `text`: the row ends within the value"),
        (
            &[7, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
            "column `text`: the length is not a number of at most 64 bits",
        ),
        (&[7, 1, 1, b'o', b'k'], "1 bytes stand behind the last column"),
        (&[], "column `id`: the row ends within the value"),
    ];
    for (row, problem) in wrong {
        let output = emitting([lines(&[(0, RIGHT), (1, row), (2, RIGHT), (2, RIGHT)])]);
        let transformed = transformed(3, [output]).await.unwrap();
        let [reject] = transformed.rejects.as_slice() else { panic!("{:?}", transformed.rejects) };
        assert_eq!((reject.record, reject.stage), (1, Stage::Encode));
        assert_eq!(reject.reason, format!("row for route `line`: {problem}"));
        let [chunk] = transformed.routes[0].chunks.as_slice() else { panic!("{row:?}") };
        assert_eq!((&*chunk.bytes, chunk.ends.as_slice()), (&*RIGHT.repeat(3), &[5, 10, 15][..]), "{row:?}");
        assert_eq!(chunk.origins, [0, 2, 2]);
        assert_eq!((transformed.routes[0].rows, transformed.dropped), (4 - 1, 0));
    }
}

#[tokio::test]
async fn a_number_beyond_its_type_refuses_its_record() {
    let rows = [(0, &9_999i32.to_le_bytes()[..]), (1, &10_000i32.to_le_bytes()), (2, &(-10_000i32).to_le_bytes())];
    let transformed = transformed(3, [emitting([rows_of(1, &rows)])]).await.unwrap();
    let reasons: Vec<_> = transformed.rejects.iter().map(|reject| (reject.record, reject.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (1, "row for route `number`: column `number`: 10000 is out of the range of its type"),
            (2, "row for route `number`: column `number`: -10000 is out of the range of its type"),
        ]
    );
    assert_eq!(transformed.routes[1].rows, 1);
}

#[tokio::test]
async fn only_wrong_rows_leave_no_chunk_and_one_reject_a_record() {
    let wrong: &[u8] = &[7, 2, 0];
    let rows = [lines(&[(1, wrong), (1, wrong)]), rows_of(1, &[(1, &[0])])];
    let transformed = transformed(3, [emitting(rows)]).await.unwrap();
    assert_eq!(transformed.rejects.len(), 1);
    assert!(transformed.routes.iter().all(|route| route.rows == 0 && route.chunks.is_empty()));
    assert_eq!(transformed.dropped, 2);
}

#[tokio::test]
async fn origins_count_from_the_call_and_results_from_the_range() {
    // A call takes 4,096 records; the second one here has 904.
    let first = emitting([lines(&[(4_095, RIGHT)])]);
    let mut second = emitting([lines(&[(0, RIGHT), (1, &[7, 2, 0]), (903, RIGHT)])]);
    second.rejects.push(Reject { origin: 2, reason: "no".to_owned() });
    let finish = emitting([lines(&[(RANGE, RIGHT), (4_999, RIGHT)])]);
    let transformed = transformed(5_000, [first, second, finish]).await.unwrap();
    let origins: Vec<_> = transformed.routes[0].chunks.iter().map(|chunk| chunk.origins.clone()).collect();
    assert_eq!(origins, [vec![4_095], vec![4_096, 4_999], vec![RANGE, 4_999]]);
    let rejects: Vec<_> = transformed.rejects.iter().map(|reject| (reject.record, reject.stage)).collect();
    assert_eq!(rejects, [(4_097, Stage::Encode), (4_098, Stage::Transform)]);
    assert_eq!(transformed.dropped, 5_000 - 5);
}

#[tokio::test]
async fn an_origin_of_the_range_is_no_record_of_a_later_call() {
    let second = emitting([lines(&[(904, RIGHT)])]);
    let text = transformed(5_000, [silent(), second]).await.unwrap_err();
    let problem = "rows for route `line`: row 0 comes from record 904 in a batch of 904";
    assert_eq!(text, format!("transform records 4106 to 5009: the plugin broke the contract: {problem}"));
}
