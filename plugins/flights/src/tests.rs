//! Lines as they stand in the file, and what the golden cases cannot say.

use tidegate_plugin::native::{self, Input, MemoryEnvironment};

use super::Exported;

const LINE: &str = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";

fn airlines() -> MemoryEnvironment {
    MemoryEnvironment::new().with_table("airlines", &["carrier", "name"], &[["UA", "United Air Lines Inc."]])
}

fn reason(line: &str) -> String {
    let output = native::run::<Exported>(airlines(), "{}", &[Input::value(line)]).unwrap();
    assert_eq!(output.rows, []);
    output.rejects[0].reason.clone()
}

#[test]
fn a_line_is_a_row_with_the_name_of_its_airline() {
    let output = native::run::<Exported>(airlines(), "{}", &[Input::value(LINE)]).unwrap();
    let row = native::decode::<Exported>(&output).unwrap().remove(0);
    let found: Vec<_> = row.columns.iter().map(|(_, value)| value.as_deref().unwrap()).collect();
    let expected = [
        "2013-01-01 10:15:00",
        "2013-01-01 10:17:00",
        "UA",
        "United Air Lines Inc.",
        "1545",
        "N14228",
        "EWR",
        "IAH",
        "515",
        "517",
        "2",
        "819",
        "830",
        "11",
        "227",
        "1400",
        "0",
        "0",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_column_that_is_read_is_checked() {
    let fields: Vec<_> = LINE.split(',').collect();
    // The first three and the hour are said by the last one too.
    for index in (3..16).chain([17, 18]) {
        for wrong in ["", "x\u{0}", "70000", "2013-02-29T10:00:00Z"] {
            let is_text = matches!(index, 9 | 11..=13) && !wrong.is_empty();
            let is_time = index == 18 && wrong == "70000";
            if is_text || is_time {
                continue;
            }
            let mut fields = fields.clone();
            fields[index] = wrong;
            assert!(reason(&fields.join(",")).starts_with("column "), "{index} {wrong}");
        }
    }
}

#[test]
fn an_airline_is_asked_for_once() {
    let environment = airlines();
    native::run::<Exported>(environment.clone(), "{}", &vec![Input::value(LINE); 100]).unwrap();
    assert_eq!(environment.gets(), 1);
}
