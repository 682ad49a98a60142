//! What a case file may say, and what its faults are told as.

use super::*;

fn read(text: &str) -> Result<Case, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("first.toml");
    std::fs::write(&file, text).unwrap();
    let folder = format!("{}/", directory.path().display());
    Case::read(&file).map_err(|faults| faults.to_string().replace(&folder, ""))
}

#[test]
fn a_record_says_no_more_than_it_must() {
    let case = read("[[records]]\nvalue = \"a\"\n[[records]]\n").unwrap();
    let records = case.records();
    assert_eq!(case.range(), Range { topic: "test".into(), partition: 0, first: 0, next: 2 });
    assert_eq!((records.values.get(0), records.values.get(1)), (Some(&b"a"[..]), None));
    assert_eq!((records.timestamps, records.keys.nulls), (vec![-1, -1], vec![0, 1]));
    assert_eq!(case.expected, Outcome::default());
}

#[test]
fn a_record_says_all_that_kafka_can() {
    let text = "topic = \"sales\"\npartition = 3\n[[records]]\noffset = 7\ntimestamp = 5\nkey_hex = \"00FF\"\nvalue_hex = \"\"\n\
        headers = [[\"a\", \"1\"], [\"a\", \"2\"], [\"none\"]]\n[[records]]\noffset = 9\nheaders = { b = \"3\" }\n\
        [[records]]\noffset = 10\n[[records.headers]]\nname = \"c\"\nvalue_hex = \"ff\"\n[[records.headers]]\nname = \"c\"\n";
    let case = read(text).unwrap();
    let records = case.records();
    assert_eq!(case.range(), Range { topic: "sales".into(), partition: 3, first: 7, next: 11 });
    assert_eq!((records.keys.get(0), records.values.get(0)), (Some(&b"\x00\xff"[..]), Some(&b""[..])));
    let headers = |index| records.headers(index).collect::<Vec<_>>();
    assert_eq!(headers(0), [(&b"a"[..], Some(&b"1"[..])), (&b"a"[..], Some(&b"2"[..])), (&b"none"[..], None)]);
    assert_eq!(headers(1), [(&b"b"[..], Some(&b"3"[..]))]);
    assert_eq!(headers(2), [(&b"c"[..], Some(&b"\xff"[..])), (&b"c"[..], None)]);
}

#[test]
fn all_faults_are_told_at_once_with_what_would_be_right() {
    let text = "partition = -1\n[[records]]\nvlaue = \"a\"\n[[records]]\noffset = 0\nvalue = \"a\"\nvalue_hex = \"61\"\n\
        headers = [[1]]\n[[records]]\nkey_hex = \"abc\"\nheaders = 7\n[[rows]]\nrecord = 3\n[[rows]]\nroute = \"sale\"\n\
        [rows.columns]\nat = 2026-11-20\n[[rejects]]\nreason = 1\n";
    let faults = read(text).unwrap_err();
    let lines: Vec<_> = faults.lines().collect();
    assert_eq!(
        lines,
        [
            "first.toml:1: `partition`: is -1; expected a whole number from 0 to 2147483647",
            "first.toml:3: `records[0].vlaue`: is not a known key; the nearest known one is `value`",
            "first.toml:5: `records[1].offset`: is 0, and the record before it has 0; offsets ascend",
            "first.toml:7: `records[1].value_hex`: stands beside `value`; expected one of the two",
            "first.toml:8: `records[1].headers`: expected { name = \"value\" }, [[\"name\", \"value\"], [\"null\"]] or tables \
             [[records.headers]] with name and value",
            "first.toml:10: `records[2].key_hex`: is \"abc\"; expected pairs of hexadecimal digits, such as \"00ff\"",
            "first.toml:11: `records[2].headers`: expected { name = \"value\" }, [[\"name\", \"value\"], [\"null\"]] or tables \
             [[records.headers]] with name and value",
            "first.toml:12: `rows[0].route`: is missing; for example route = \"sale\"",
            "first.toml:12: `rows[0].columns`: is missing; expected [rows.columns] with lines such as price = \"1.50\"",
            "first.toml:13: `rows[0].record`: is 3; expected a whole number from 0 to 2",
            "first.toml:17: `rows[1].columns.at`: is 2026-11-20; expected it in quotes, as ClickHouse prints it",
            "first.toml:18: `rejects[0].record`: is missing; expected the index of a record, counted from 0",
            "first.toml:19: `rejects[0].reason`: is 1; expected a text in quotes",
        ]
    );
}

#[test]
fn a_case_without_records_is_refused() {
    assert!(read("records = []\n").unwrap_err().contains("`records`: is missing; expected at least one [[records]]"));
}

#[test]
fn lookups_are_files_beside_the_case_with_or_without_their_key() {
    let case = read("[lookups]\na = \"a.csv\"\nb = { file = \"../b.csv\", key = \"id\" }\n[[records]]\n").unwrap();
    let keys: Vec<_> = case.lookups.iter().map(|lookup| (lookup.name.as_str(), lookup.key.as_deref())).collect();
    assert_eq!(keys, [("a", None), ("b", Some("id"))]);
    assert!(case.lookups[1].file.ends_with("../b.csv"), "{:?}", case.lookups[1].file);
    assert!(case.instance().unwrap_err().to_string().contains("a.csv"));
    let faults = read("[lookups]\na = 1\nb = { key = \"id\" }\n[[records]]\n").unwrap_err();
    assert!(faults.contains(":2: `lookups.a`: expected a CSV file"), "{faults}");
    assert!(faults.contains(":3: `lookups.b.file`: is missing"), "{faults}");
}
