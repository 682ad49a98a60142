//! Whole messages, those of the two RFCs among them.

use tidegate_plugin::native::{self, Decoded, Input, MemoryEnvironment};

use super::Exported;

/// 2026-11-20T10:15:00Z.
const RECEIVED: i64 = 1_795_169_700_000;

fn run(settings: &str, value: &str) -> Result<Decoded, String> {
    let record = Input::value(value).timestamp(RECEIVED);
    let output = native::run::<Exported>(MemoryEnvironment::new(), settings, &[record]).unwrap();
    match output.rejects.first() {
        Some(reject) => Err(reject.reason.clone()),
        None => Ok(native::decode::<Exported>(&output).unwrap().remove(0)),
    }
}

fn read(value: &str) -> Decoded {
    run("{}", value).unwrap()
}

const COLUMNS: [&str; 10] =
    ["time", "facility", "severity", "host", "app", "procid", "msgid", "structured_data", "message", "format"];

fn columns(row: &Decoded) -> [Option<&str>; 10] {
    COLUMNS.map(|column| row.get(column))
}

#[test]
fn a_message_of_rfc_5424_has_all_of_its_columns() {
    let row = read(
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 evntslog 8710 ID47 \
         [exampleSDID@32473 iut=\"3\" eventSource=\"App \\\"x\\\"\"] \u{feff}%% It's time to make the do-nuts.",
    );
    let expected = [
        "2003-08-24 12:14:15.000003",
        "local4",
        "notice",
        "192.0.2.1",
        "evntslog",
        "8710",
        "ID47",
        r#"{'exampleSDID@32473.eventSource':'App "x"','exampleSDID@32473.iut':'3'}"#,
        "%% It's time to make the do-nuts.",
        "RFC 5424",
    ];
    assert_eq!(columns(&row), expected.map(Some));
}

#[test]
fn a_message_of_rfc_3164_has_what_it_says_and_the_year_of_its_record() {
    let row = read("<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed for lonvick on /dev/pts/8");
    let expected = [
        Some("2026-10-11 22:14:15.000000"),
        Some("auth"),
        Some("crit"),
        Some("mymachine"),
        Some("su"),
        Some("230"),
        None,
        Some("{}"),
        Some("'su root' failed for lonvick on /dev/pts/8"),
        Some("RFC 3164"),
    ];
    assert_eq!(columns(&row), expected);
}

#[test]
fn words_that_are_not_known_are_null() {
    let row = read("<14>1 - - - - - -");
    let expected = [Some("2026-11-20 10:15:00.000000"), Some("user"), Some("info"), None, None, None, None];
    assert_eq!(columns(&row)[..7], expected);
    assert_eq!(columns(&row)[7..], [Some("{}"), Some(""), Some("RFC 5424")]);
}

#[test]
fn a_first_word_is_a_tag_where_a_colon_or_a_process_follows() {
    let tag = |text: &str| {
        let row = read(&format!("<13>Feb  5 17:32:18 10.0.0.99 {text}"));
        let [app, procid, message] = ["app", "procid", "message"].map(|name| row.get(name).map(str::to_owned));
        (app, procid, message.unwrap())
    };
    let some = |text: &str| Some(text.to_owned());
    let plain = |message: &str| (None, None, message.to_owned());
    assert_eq!(tag("Use the BFG!"), plain("Use the BFG!"));
    assert_eq!(tag("sshd: x"), (some("sshd"), None, "x".to_owned()));
    assert_eq!(tag("postfix/smtp[71]: x: y"), (some("postfix/smtp"), some("71"), "x: y".to_owned()));
    assert_eq!(tag("cron[71] x"), (some("cron"), some("71"), "x".to_owned()));
    assert_eq!(tag("kernel:x"), (some("kernel"), None, "x".to_owned()));
    assert_eq!(tag(": x"), plain(": x"));
    assert_eq!(tag("[ 12.5] x"), plain("[ 12.5] x"));
    assert_eq!(tag("[71]: x"), plain("[71]: x"));
    assert_eq!(tag("app[7"), plain("app[7"));
    assert_eq!(tag("app[]: x"), plain("app[]: x"));
    assert_eq!(tag("приложение: x"), plain("приложение: x"));
    assert_eq!(tag(""), plain(""));
}

#[test]
fn the_line_end_of_a_stream_is_no_part_of_a_message() {
    for end in ["\n", "\r\n"] {
        assert_eq!(read(&format!("<14>1 - h a - - - text{end}")).get("message"), Some("text"));
        assert_eq!(read(&format!("<14>1 - h a - - -{end}")).get("message"), Some(""));
        assert_eq!(read(&format!("<14>Feb  5 17:32:18 h{end}")).get("message"), Some(""));
        assert_eq!(read(&format!("<14>Feb  5 17:32:18 h a: two\nlines{end}")).get("message"), Some("two\nlines"));
    }
}

#[test]
fn clocks_of_another_zone_are_set_right() {
    let row = run(r#"{"utc_offset":"+03:00"}"#, "<34>Nov 20 13:15:00 h a: x").unwrap();
    assert_eq!(row.get("time"), Some("2026-11-20 10:15:00.000000"));
}

#[test]
fn wrong_settings_are_refused() {
    let refused = |settings| native::run::<Exported>(MemoryEnvironment::new(), settings, &[]).unwrap_err().to_string();
    let expected = "settings: utc_offset is \"MSK\", it should be like \"+03:00\"";
    assert_eq!(refused(r#"{"utc_offset":"MSK"}"#), expected);
    assert!(refused(r#"{"offset":"Z"}"#).starts_with("settings: unknown field `offset`"));
}

#[test]
fn every_beginning_of_a_message_is_a_message_or_refused_and_nothing_else() {
    let whole = "<165>1 2003-08-24T05:14:15.003Z hôst app 8710 ID47 [a b=\"\\\"ü\"][c] \u{feff}é";
    let older = "<34>Oct 11 22:14:15 mymachine su[230]: é";
    for text in [whole, older] {
        for (end, _) in text.char_indices() {
            if let Err(reason) = run("{}", &text[..end]) {
                assert!(reason.starts_with("not a syslog message at byte "), "{reason}");
            }
        }
    }
}
