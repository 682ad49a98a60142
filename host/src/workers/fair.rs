//! Which tenant's turn it is: start-time fair queueing (Goyal, Vin and Cheng, 1996). Every tenant has a virtual time, which
//! moves on by what its turns cost, divided by its weight; the one whose time is least is next. So tenants that all have
//! something to do get CPU time in proportion to their weights, and what one leaves the others take. A tenant that had nothing
//! to do begins where the others are: its absence is neither saved up nor owed. Pure: callers bring threads and clocks.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What waits for its turn, by tenant.
pub(super) struct FairQueue<T> {
    flows: Vec<Flow<T>>,
    /// The flows in which something waits, by their times.
    waiting: BTreeSet<(u64, usize)>,
    /// The virtual time: that of the flow which had the last turn, as its turn began.
    now: u64,
}

/// A tenant's flow of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowId(usize);

struct Flow<T> {
    weight: u64,
    /// In nanoseconds of CPU time by weight.
    time: u64,
    /// First in, first out: a tenant's own pipelines take turns.
    waiting: VecDeque<T>,
    /// Turns that have begun and not ended.
    running: usize,
}

/// What a turn costs at least: one that could not be measured must not be free, or it would always be next.
const LEAST: Duration = Duration::from_micros(1);

impl<T> FairQueue<T> {
    pub fn new() -> Self {
        Self { flows: Vec::new(), waiting: BTreeSet::new(), now: 0 }
    }

    /// A flow with this weight, empty.
    pub fn add(&mut self, weight: u32) -> FlowId {
        self.flows.push(Flow {
            weight: u64::from(weight.max(1)),
            time: self.now,
            waiting: VecDeque::new(),
            running: 0,
        });
        FlowId(self.flows.len() - 1)
    }

    /// Lets something wait for a turn of its flow.
    pub fn push(&mut self, FlowId(id): FlowId, item: T) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.waiting.is_empty() {
            if flow.running == 0 {
                flow.time = flow.time.max(self.now);
            }
            self.waiting.insert((flow.time, id));
        }
        flow.waiting.push_back(item);
    }

    /// Begins the next turn, if anything waits. Its end is told with [`Self::end`].
    pub fn begin(&mut self) -> Option<(FlowId, T)> {
        let (time, id) = self.waiting.pop_first()?;
        let flow = self.flows.get_mut(id)?;
        let item = flow.waiting.pop_front()?;
        self.now = self.now.max(time);
        flow.running += 1;
        if !flow.waiting.is_empty() {
            self.waiting.insert((time, id));
        }
        Some((FlowId(id), item))
    }

    /// Ends a turn that took this much CPU time.
    pub fn end(&mut self, FlowId(id): FlowId, used: Duration) {
        // Before it counts as over: its time goes on from where its turn began.
        self.charge(FlowId(id), used.max(LEAST));
        if let Some(flow) = self.flows.get_mut(id) {
            flow.running = flow.running.saturating_sub(1);
        }
    }

    /// A flow has used CPU time, within a turn or elsewhere.
    pub fn charge(&mut self, FlowId(id): FlowId, used: Duration) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let waits = self.waiting.remove(&(flow.time, id));
        if !waits && flow.running == 0 {
            // What it used while it had no turn counts from now on: where it was long ago says nothing.
            flow.time = flow.time.max(self.now);
        }
        let cost = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        flow.time = flow.time.saturating_add((cost / flow.weight).max(1));
        if waits {
            self.waiting.insert((flow.time, id));
        }
    }

    /// Takes out all that waits.
    pub fn drain(&mut self) -> Vec<T> {
        self.waiting.clear();
        self.flows.iter_mut().flat_map(|flow| std::mem::take(&mut flow.waiting)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(5);

    /// Gives turns of a tick until `total` have been given; what had a turn waits again, as a fibre does that yields.
    fn turns(queue: &mut FairQueue<FlowId>, total: usize) -> Vec<usize> {
        let mut counts = vec![0; queue.flows.len()];
        for _ in 0..total {
            let (flow, item) = queue.begin().unwrap();
            counts[flow.0] += 1;
            queue.push(flow, item);
            queue.end(flow, TICK);
        }
        counts
    }

    fn busy(queue: &mut FairQueue<FlowId>, weight: u32, fibres: usize) -> FlowId {
        let flow = queue.add(weight);
        (0..fibres).for_each(|_| queue.push(flow, flow));
        flow
    }

    #[test]
    fn equal_weights_get_equal_shares_however_much_one_asks_for() {
        let mut queue = FairQueue::new();
        busy(&mut queue, 1, 1);
        busy(&mut queue, 1, 256);
        assert_eq!(turns(&mut queue, 1_000), [500, 500]);
    }

    #[test]
    fn shares_are_as_the_weights_are() {
        let mut queue = FairQueue::new();
        busy(&mut queue, 3, 2);
        busy(&mut queue, 1, 200);
        let counts = turns(&mut queue, 1_000);
        assert!((749..=751).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn what_a_flow_uses_elsewhere_counts_for_it_also_while_nothing_of_it_waits() {
        let mut queue = FairQueue::new();
        let (one, other) = (busy(&mut queue, 1, 2), queue.add(1));
        queue.charge(other, 100 * TICK);
        (0..2).for_each(|_| queue.push(other, other));
        assert_eq!(turns(&mut queue, 100)[one.0], 100, "it has had its share elsewhere");
        let mut queue = FairQueue::new();
        let (one, other) = (busy(&mut queue, 1, 2), busy(&mut queue, 1, 2));
        queue.charge(one, 50 * TICK);
        let counts = turns(&mut queue, 150);
        assert!((49..=51).contains(&counts[one.0]) && counts[other.0] >= 99, "{counts:?}");
    }

    #[test]
    fn what_counts_is_cpu_time_and_not_the_number_of_turns() {
        let mut queue = FairQueue::new();
        let (short, long) = (busy(&mut queue, 1, 4), busy(&mut queue, 1, 4));
        let mut used = [Duration::ZERO; 2];
        for _ in 0..10_000 {
            let (flow, item) = queue.begin().unwrap();
            let cost = if flow == short { Duration::from_micros(50) } else { TICK };
            used[flow.0] += cost;
            queue.push(flow, item);
            queue.end(flow, cost);
        }
        assert!(used[0].abs_diff(used[1]) <= 2 * TICK, "{used:?} of {short:?} and {long:?}");
    }

    #[test]
    fn one_that_was_idle_is_next_and_then_gets_its_share_and_nothing_for_its_absence() {
        let mut queue = FairQueue::new();
        let idle = queue.add(1);
        busy(&mut queue, 1, 8);
        assert_eq!(turns(&mut queue, 10_000), [0, 10_000]);
        queue.push(idle, idle);
        queue.push(idle, idle);
        // At most the turn that was the others' last comes before it.
        let first: Vec<_> = (0..2).map(|_| turns(&mut queue, 1)[0]).collect();
        assert!(first.contains(&1), "{first:?}");
        let counts = turns(&mut queue, 1_000);
        assert!((499..=501).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn one_that_was_busy_alone_owes_nothing() {
        let mut queue = FairQueue::new();
        let first = busy(&mut queue, 1, 2);
        turns(&mut queue, 10_000);
        busy(&mut queue, 1, 2);
        let counts = turns(&mut queue, 100);
        assert!((49..=51).contains(&counts[first.0]), "{counts:?}");
    }

    #[test]
    fn one_that_comes_and_goes_gets_no_more_than_its_share() {
        let mut queue = FairQueue::new();
        busy(&mut queue, 1, 8);
        let fitful = queue.add(1);
        queue.push(fitful, fitful);
        let mut counts = [0_u32; 2];
        for turn in 0..1_000 {
            let (flow, item) = queue.begin().unwrap();
            counts[flow.0] += 1;
            queue.end(flow, TICK);
            if flow != fitful {
                queue.push(flow, item);
            }
            // Away for a moment after each of its turns, and then back.
            if turn % 2 == 1 && queue.flows[fitful.0].waiting.is_empty() {
                queue.push(fitful, fitful);
            }
        }
        assert!(counts[1] <= 501 && counts[1] >= 300, "{counts:?}");
    }

    #[test]
    fn of_many_none_starves() {
        let mut queue = FairQueue::new();
        (0..1_000).for_each(|index| _ = busy(&mut queue, 1 + index % 4, 3));
        let counts = turns(&mut queue, 100_000);
        for (index, count) in counts.iter().enumerate() {
            let due = 100 * (1 + index % 4) * 2 / 5;
            assert!(count.abs_diff(due) <= 4, "{index}: {count} turns, {due} due");
        }
    }

    #[test]
    fn turns_that_cost_nothing_do_not_stop_the_others() {
        let mut queue = FairQueue::new();
        let free = busy(&mut queue, 1_000, 1);
        let other = busy(&mut queue, 1, 1);
        let mut others = 0;
        for _ in 0..100_000 {
            let (flow, item) = queue.begin().unwrap();
            others += usize::from(flow == other);
            queue.push(flow, item);
            queue.end(flow, if flow == free { Duration::ZERO } else { LEAST });
        }
        assert!(others >= 50, "{others}");
    }

    #[test]
    fn turns_at_the_same_time_are_all_charged() {
        let mut queue = FairQueue::new();
        busy(&mut queue, 1, 64);
        busy(&mut queue, 1, 1);
        let mut counts = [0_u32; 2];
        for _ in 0..500 {
            let under_way: Vec<_> = (0..8).filter_map(|_| queue.begin()).collect();
            for (flow, item) in under_way {
                counts[flow.0] += 1;
                queue.push(flow, item);
                queue.end(flow, TICK);
            }
        }
        // One fibre is on one thread at a time: it has that thread always, and the others have the rest.
        assert!(counts[1] >= 499, "{counts:?}");
    }

    #[test]
    fn what_waits_at_the_end_is_handed_out() {
        let mut queue = FairQueue::new();
        busy(&mut queue, 1, 3);
        busy(&mut queue, 2, 2);
        assert_eq!(queue.drain().len(), 5);
        assert!(queue.begin().is_none());
    }
}
