//! Who stands beside the honest tenant in `make bench-tenants`: one neighbour that is honest, too, and uses all the CPU it may, and
//! hostile ones whose records tell the plugin `unruly` what to do.

use tidegate_demo::produce::{Outgoing, Source};

/// A neighbour.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    /// What it does.
    pub name: &'static str,
    /// Its records by turns; none where it reads what the honest tenant reads.
    pub commands: &'static [&'static str],
    /// How many records there are: more than it can get through.
    pub records: u64,
    /// The lines of its pipeline file's `[batch]`.
    pub batch: &'static str,
}

/// The neighbour that all others are compared with.
pub const HONEST: Neighbour = Neighbour { name: "honest", commands: &[], records: 0, batch: USUAL };

const USUAL: &str = "records = 50_000";

/// Each hostile one in its turn.
pub const HOSTILE: [Neighbour; 10] = [
    Neighbour { name: "spins", commands: &["spin"], records: 20_000, batch: "records = 100" },
    Neighbour { name: "grows to its limit", commands: &["grow 200"], records: 20_000, batch: "records = 100" },
    Neighbour { name: "traps on every record", commands: &["panic no"], records: 2_000_000, batch: USUAL },
    Neighbour { name: "traps on every second", commands: &["panic no", "ok 1"], records: 2_000_000, batch: USUAL },
    Neighbour { name: "recurses", commands: &["recurse", "ok 1"], records: 500_000, batch: USUAL },
    Neighbour { name: "floods the log", commands: &["log so it goes"], records: 3_000_000, batch: USUAL },
    Neighbour { name: "makes huge rows", commands: &["big-row 1000000"], records: 200_000, batch: USUAL },
    Neighbour { name: "makes many rows", commands: &["ok 10000"], records: 200_000, batch: USUAL },
    Neighbour { name: "rejects everything", commands: &["reject so it goes"], records: 3_000_000, batch: USUAL },
    Neighbour { name: "has tiny ranges", commands: &["ok 1"], records: 2_000_000, batch: "records = 1" },
];

impl Neighbour {
    /// A name that files and topics can have.
    pub fn word(&self) -> String {
        self.name.replace(' ', "-")
    }
}

/// Records with these values by turns.
pub struct Commands {
    values: &'static [&'static str],
    turn: usize,
}

impl Commands {
    /// From the first on.
    pub fn new(values: &'static [&'static str]) -> Self {
        Self { values, turn: 0 }
    }
}

impl Source for Commands {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        let value = self.values.iter().cycle().nth(self.turn % self.values.len().max(1));
        self.turn += 1;
        let value = value.map(|value| value.as_bytes());
        take(Outgoing { key: b"", value, headers: &[], timestamp: 1_795_000_000_000 });
    }
}
