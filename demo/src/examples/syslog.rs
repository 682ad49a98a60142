//! Messages of syslog in both formats, for the plugin `syslog` with its settings as they are shipped.

use std::io::Write as _;

use crate::shop::Generated;
use crate::shop::dice::Dice;
use crate::shop::time::Civil;

/// Apart from the other streams.
const STREAM: u64 = 102;

/// An hour before 2026, so that the year of the older format is no matter of course. A broker takes no records of the future.
const START: i64 = 1_767_222_000_000;

/// How long before it is received a message may have been written, in milliseconds: half an hour.
const DELAY: u32 = 1_800_000;

const HOSTS: [&str; 4] = ["web-1", "db.example.com", "10.0.0.99", "2001:db8::1"];
const APPS: [&str; 4] = ["su", "postfix/smtpd", "CRON", "evntslog"];
const TEXTS: [&str; 5] = [
    "'su root' failed for lonvick on /dev/pts/8",
    "соединение закрыто: тайм-аут",
    "two\nlines",
    "[not data] <34>",
    "x",
];

/// Facilities and severities by number, as `<` says them.
const PRIORITIES: [(u8, &str, &str); 6] = [
    (0, "kern", "emerg"),
    (34, "auth", "crit"),
    (78, "cron", "info"),
    (86, "authpriv", "info"),
    (165, "local4", "notice"),
    (191, "local7", "debug"),
];

/// Structured data as it is written, and the entries of the map; one next to the other, by hand.
const DATA: [(&str, &[(&str, &str)]); 5] = [
    ("-", &[]),
    (r#"[mark]"#, &[("mark", "")]),
    (r#"[x@1 a="1" b=""]"#, &[("x@1.a", "1"), ("x@1.b", "")]),
    (r#"[x@1 q="\"\\\]" n="C:\new"][y@2 a="ü"]"#, &[("x@1.n", r"C:\new"), ("x@1.q", r#""\]"#), ("y@2.a", "ü")]),
    (r#"[origin ip="::1" ip="::2"]"#, &[("origin.ip", "::1"), ("origin.ip.2", "::2")]),
];

const MALFORMED: [&[u8]; 8] = [
    b"",
    b"no priority",
    b"<192>1 - - - - - -",
    b"<34>2 - - - - - -",
    b"<34>Okt 11 22:14:15 h a: x",
    b"<34>1 2003-10-11 22:14:15Z h a - - - x",
    b"<34>1 - h a - - [x y=\"never closed",
    b"<34>1 - h a - - - caf\xe9",
];

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Microseconds since 1970.
    pub time: i64,
    /// Its name.
    pub facility: &'static str,
    /// Its name.
    pub severity: &'static str,
    /// Where it was written.
    pub host: Option<&'static str>,
    /// What wrote it.
    pub app: Option<&'static str>,
    /// A number as text.
    pub procid: Option<String>,
    /// In RFC 5424 only.
    pub msgid: Option<&'static str>,
    /// The map, in the order of its keys.
    pub structured_data: &'static [(&'static str, &'static str)],
    /// The text.
    pub message: &'static str,
    /// `RFC 5424` or `RFC 3164`.
    pub format: &'static str,
}

/// What should become of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedMessage {
    /// A row.
    Message(Message),
    /// A dead letter.
    Malformed,
}

/// The stream of a seed.
#[derive(Clone, Debug)]
pub struct Syslog {
    dice: Dice,
    malformed: f64,
    clock: i64,
    value: Vec<u8>,
}

impl Syslog {
    /// Starts the stream of `seed`, with this share of malformed records, from 0 to 1.
    pub fn new(seed: u64, malformed: f64) -> Self {
        Self { dice: Dice::new(seed, STREAM), malformed, clock: START, value: Vec::new() }
    }

    /// The next record. It borrows the buffer, which the one after it overwrites.
    pub fn next_record(&mut self) -> Generated<'_, ExpectedMessage> {
        self.clock += i64::from(self.dice.below(200));
        self.value.clear();
        let expected = if self.dice.share(self.malformed) {
            self.value.extend_from_slice(self.dice.pick(&MALFORMED));
            ExpectedMessage::Malformed
        } else {
            let message = self.draw();
            if self.dice.one_in(4) {
                self.value.push(b'\n');
            }
            ExpectedMessage::Message(message)
        };
        Generated { key: b"", value: Some(&self.value), headers: &[], timestamp: self.clock, expected }
    }

    fn draw(&mut self) -> Message {
        let dice = &mut self.dice;
        let (priority, facility, severity) = dice.pick(&PRIORITIES);
        let moment = self.clock - i64::from(dice.below(DELAY));
        let mut message = Message {
            time: moment * 1_000,
            facility,
            severity,
            host: Some(dice.pick(&HOSTS)),
            app: Some(dice.pick(&APPS)),
            procid: dice.one_in(2).then(|| dice.below(65_536).to_string()),
            msgid: None,
            structured_data: &[],
            message: dice.pick(&TEXTS),
            format: "RFC 5424",
        };
        // Writing to a Vec cannot fail.
        let _ = write!(self.value, "<{priority}>");
        match self.dice.one_in(2) {
            true => self.newer(&mut message, moment),
            false => self.older(&mut message, moment),
        }
        message
    }

    fn newer(&mut self, message: &mut Message, moment: i64) {
        let dice = &mut self.dice;
        let (written, data) = dice.pick(&DATA);
        message.structured_data = data;
        message.msgid = dice.one_in(2).then_some("ID47");
        let micros = dice.below(1_000);
        message.time += i64::from(micros);
        for word in [&mut message.host, &mut message.app] {
            if dice.one_in(8) {
                *word = None;
            }
        }
        let mark = if dice.one_in(2) { "\u{feff}" } else { "" };
        let Civil { year, month, day, millisecond_of_day } = Civil::at(moment);
        let (clock, millis) = (clock(millisecond_of_day), millisecond_of_day % 1_000);
        let [host, app, msgid] = [message.host, message.app, message.msgid].map(|word| word.unwrap_or("-"));
        let (procid, text) = (message.procid.as_deref().unwrap_or("-"), message.message);
        let _ = write!(
            self.value,
            "1 {year}-{month:02}-{day:02}T{clock}.{millis:03}{micros:03}Z {host} {app} {procid} {msgid} {written} {mark}{text}"
        );
    }

    /// Without a fraction of the second and without a year.
    fn older(&mut self, message: &mut Message, moment: i64) {
        const MONTHS: [&str; 13] =
            ["", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        message.time = moment.div_euclid(1_000) * 1_000_000;
        message.format = "RFC 3164";
        let Civil { month, day, millisecond_of_day, .. } = Civil::at(moment);
        let month = MONTHS.get(month as usize).copied().unwrap_or_default();
        let tag = match (message.app, &message.procid) {
            (Some(app), Some(procid)) => format!("{app}[{procid}]: "),
            (Some(app), None) => format!("{app}: "),
            (None, _) => String::new(),
        };
        let (host, clock, text) = (message.host.unwrap_or_default(), clock(millisecond_of_day), message.message);
        let _ = write!(self.value, "{month} {day:2} {clock} {host} {tag}{text}");
    }
}

fn clock(millisecond_of_day: u32) -> String {
    let second = millisecond_of_day / 1_000;
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}
