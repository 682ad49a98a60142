//! Every notation, and the edges of the calendar and of the columns.

use super::*;

fn millis(text: &str) -> Result<String, String> {
    read::<DateTime64<3>>(text)
}

fn read<T: FromStr<Err = InvalidValue> + fmt::Display>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|time| time.to_string()).map_err(|error| error.to_string())
}

fn json<T: for<'de> Deserialize<'de> + fmt::Display>(text: &str) -> Result<String, String> {
    serde_json::from_str::<T>(text).map(|time| time.to_string()).map_err(|error| error.to_string())
}

#[test]
fn reads_every_notation_of_one_time() {
    for text in [
        "2026-11-20T10:15:00.123Z",
        "2026-11-20t10:15:00.123z",
        "2026-11-20 10:15:00.123",
        "2026-11-20T10:15:00.123",
        "2026-11-20 10:15:00.123Z",
        "2026-11-20T13:15:00.123+03:00",
        "2026-11-20T13:15:00.123+0300",
        "2026-11-20T00:45:00.123-09:30",
        "2026-11-21T10:14:00.123+23:59",
        "2026-11-20T10:15:00.1239999999999999999999Z",
        "1795169700123",
    ] {
        assert_eq!(millis(text), Ok("2026-11-20 10:15:00.123".into()), "{text}");
    }
    assert_eq!(millis("1795169700"), Ok("2026-11-20 10:15:00.000".into()));
    assert_eq!(millis("2026-11-20T10:15:00Z"), Ok("2026-11-20 10:15:00.000".into()));
    assert_eq!(millis("2026-11-20T10:15:00.5"), Ok("2026-11-20 10:15:00.500".into()));
    assert_eq!(json::<DateTime64<3>>("1795169700"), Ok("2026-11-20 10:15:00.000".into()));
    assert_eq!(json::<DateTime64<3>>("1795169700123"), Ok("2026-11-20 10:15:00.123".into()));
    assert_eq!(json::<DateTime64<3>>("1795169700.123"), Ok("2026-11-20 10:15:00.123".into()));
    assert_eq!(json::<DateTime64<6>>("1795169700.123456"), Ok("2026-11-20 10:15:00.123456".into()));
    assert_eq!(json::<DateTime64<3>>("1795169700.1239"), Ok("2026-11-20 10:15:00.123".into()));
    assert_eq!(json::<DateTime>("1795169700.9"), Ok("2026-11-20 10:15:00".into()));
    assert_eq!(json::<DateTime>("\"2026-11-20T10:15:00.999Z\""), Ok("2026-11-20 10:15:00".into()));
}

#[test]
fn integers_turn_from_seconds_to_milliseconds_at_one_hundred_billion() {
    assert_eq!(json::<DateTime64<3>>("100000000000"), Ok("1973-03-03 09:46:40.000".into()));
    assert!(json::<DateTime64<3>>("99999999999").is_err_and(|reason| reason.contains("out of range")));
    assert_eq!(json::<DateTime64<3>>("-100000000001"), Ok("1966-10-31 14:13:19.999".into()));
    assert_eq!(millis("-1"), Ok("1969-12-31 23:59:59.000".into()));
    assert_eq!(json::<DateTime64<3>>("-0.5"), Ok("1969-12-31 23:59:59.500".into()));
    assert_eq!(millis("0"), Ok("1970-01-01 00:00:00.000".into()));
}

#[test]
fn keeps_as_many_digits_as_the_column_has() {
    let text = "1969-12-31T23:59:59.123456789Z";
    assert_eq!(read::<DateTime64<0>>(text), Ok("1969-12-31 23:59:59".into()));
    assert_eq!(read::<DateTime64<1>>(text), Ok("1969-12-31 23:59:59.1".into()));
    assert_eq!(read::<DateTime64<6>>(text), Ok("1969-12-31 23:59:59.123456".into()));
    assert_eq!(read::<DateTime64<9>>(text), Ok("1969-12-31 23:59:59.123456789".into()));
    assert_eq!(text.parse().map(DateTime64::<3>::ticks), Ok(-877));
    assert_eq!(text.parse().map(DateTime64::<9>::millis), Ok(-877));
    assert_eq!(text.parse().map(DateTime64::<0>::millis), Ok(-1_000));
}

#[test]
fn knows_the_calendar() {
    for text in ["2024-02-29 00:00:00", "2000-02-29 23:59:59", "2026-12-31 00:00:00", "2026-04-30 00:00:00"] {
        assert_eq!(millis(text), Ok(format!("{text}.000")));
    }
    for text in [
        "2026-02-29 00:00:00",
        "1900-02-29 00:00:00",
        "2100-02-29 00:00:00",
        "2026-00-10 00:00:00",
        "2026-13-10 00:00:00",
        "2026-10-00 00:00:00",
        "2026-04-31 00:00:00",
        "2026-10-10 24:00:00",
        "2026-10-10 10:60:00",
        "2026-10-10 10:10:60",
        "2026-10-10T10:10:10+24:00",
        "2026-10-10T10:10:10+01:60",
    ] {
        let expected = format!("\"{text}\" is not a time, there is no such date or time of day");
        assert_eq!(millis(text), Err(expected));
    }
}

#[test]
fn refuses_what_is_none_of_the_notations() {
    for text in [
        "",
        "-",
        "now",
        "2026-11-20",
        "2026-11-20T10:15",
        "2026-11-20T10:15Z",
        "2026/11/20 10:15:00",
        "2026-11-20_10:15:00",
        "2026-11-20T10:15:00.",
        "2026-11-20T10:15:00.Z",
        "2026-11-20T10:15:00 Z",
        "2026-11-20T10:15:00ZZ",
        "2026-11-20T10:15:00+3",
        "2026-11-20T10:15:00+03",
        "2026-11-20T10:15:00+0a:00",
        "2026-11-20T1a:15:00Z",
        "+026-11-20T10:15:00Z",
        "2026-11-20T10:15:00Z ",
        " 2026-11-20T10:15:00Z",
        "1795169700.5",
        "+1795169700",
        "１７９５１６９７００",
        "NaN",
    ] {
        let expected = format!("\"{text}\" is not a time, such as \"2026-11-20T10:15:00.123Z\" or epoch milliseconds");
        assert_eq!(millis(text), Err(expected));
    }
}

#[test]
fn ends_where_the_column_ends() {
    assert_eq!(millis("1900-01-01T00:00:00Z"), Ok("1900-01-01 00:00:00.000".into()));
    assert_eq!(millis("2299-12-31T23:59:59.999Z"), Ok("2299-12-31 23:59:59.999".into()));
    let reason = "1899-12-31T23:59:59Z is out of range, DateTime64(3) holds 1900-01-01 to 2299-12-31";
    assert_eq!(millis("1899-12-31T23:59:59Z"), Err(reason.into()));
    for text in ["2300-01-01T00:00:00Z", "1900-01-01T00:59:59+01:00", "0000-01-01T00:00:00Z", "99999999999999999999"] {
        assert!(millis(text).is_err_and(|reason| reason.contains("out of range")), "{text}");
    }
    assert_eq!(read::<DateTime64<9>>("2262-04-11T23:47:16.854775807Z"), Ok("2262-04-11 23:47:16.854775807".into()));
    let reason = "2262-04-11T23:47:16.854775808Z is out of range, DateTime64(9) holds 1900-01-01 to 2262-04-11";
    assert_eq!(read::<DateTime64<9>>("2262-04-11T23:47:16.854775808Z"), Err(reason.into()));
    assert_eq!(read::<DateTime64<9>>("1900-01-01T00:00:00Z"), Ok("1900-01-01 00:00:00.000000000".into()));

    assert_eq!(read::<DateTime>("2106-02-07T06:28:15Z"), Ok("2106-02-07 06:28:15".into()));
    let reason = "2106-02-07T06:28:16Z is out of range, DateTime holds 1970-01-01 00:00:00 to 2106-02-07 06:28:15";
    assert_eq!(read::<DateTime>("2106-02-07T06:28:16Z"), Err(reason.into()));
    assert!(read::<DateTime>("1969-12-31T23:59:59.999Z").is_err());
}

#[test]
fn numbers_beyond_every_range_are_named_as_they_came() {
    for text in ["18446744073709551615", "9223372036854775807", "-9223372036854775808", "1e300", "1763633700123.0"] {
        let refused = json::<DateTime64<3>>(text);
        assert!(refused.as_ref().is_err_and(|reason| reason.contains("out of range")), "{text}: {refused:?}");
    }
    assert!(
        json::<DateTime64<3>>("18446744073709551615").is_err_and(|reason| reason.starts_with("18446744073709551615"))
    );
    assert!(json::<DateTime64<3>>("null").is_err_and(|reason| reason.contains("expected a time")));
    assert!(DateTime64::<3>::from_millis(i64::MIN).is_err());
    assert!(DateTime64::<9>::from_ticks(i64::MAX).is_ok());
    assert!(DateTime64::<0>::from_ticks(LAST_SECOND + 1).is_err());
}
