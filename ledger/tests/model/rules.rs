//! The rules of the protocol, each of which can be broken to see that the search notices.

/// What is kept to. All of them hold where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Rows are sent when a plan names their range, not when they are made.
    pub plan_before_send: bool,
    /// A range is released by the answer to the commit that plans it, not by its being sent.
    pub await_answer: bool,
    /// At most one commit of a partition is on its way.
    pub one_outstanding: bool,
    /// A commit of unknown fate ends the membership, and with it what the client still holds.
    pub end_membership_on_unknown: bool,
    /// So does losing the partition while a commit is on its way.
    pub end_membership_on_lost: bool,
    /// A revocation is answered when no commit is on its way.
    pub answer_revocation_after_commit: bool,
    /// A commit whose connection broke counts as unknown; it is not sent a second time behind the first.
    pub never_resend: bool,
    /// Who begins waits until no transaction with a commit of the partition is open.
    pub read_stable: bool,
    /// What is planned is closed again with the same boundaries.
    pub replay_as_planned: bool,
    /// It is made again by the same bundle.
    pub replay_same_bundle: bool,
    /// A record that traps in a replay, and did not before, is no poison: the partition pauses.
    pub replay_finds_no_poison: bool,
    /// A plan names what is left out.
    pub carry_verdicts: bool,
    /// A commit carries the lineage on.
    pub carry_lineage: bool,
    /// What an operator has set begins another lineage.
    pub reset_begins_lineage: bool,
    /// A range stays planned until the offset has passed it.
    pub keep_planned_ranges: bool,
    /// Rows that a table refuses are planned before the rest is sent.
    pub plan_refusals: bool,
    /// Where rows may have been sent before, a refusal counts only if the table was not altered since the range was planned.
    pub heed_alterations: bool,
    /// That is looked at when the rest has been written, not when the table refuses.
    pub look_when_written: bool,
    /// Where rows may have been sent before and none of a route's are left, no token is spent: the partition pauses.
    pub pause_where_none_is_left: bool,
    /// A token is made of the range.
    pub token_names_range: bool,
    /// And of the route.
    pub token_names_route: bool,
    /// Rows that nothing is planned of go under a lineage of their own.
    pub unplanned_lineage: bool,
    /// A range's row in the database is written even if there are no others.
    pub fence_without_rows: bool,
    /// Dead letters appear with the commit that completes their range.
    pub letters_with_commit: bool,
    /// Who promises less finishes what was planned before.
    pub finish_old_plan: bool,
}

impl Rules {
    /// All of them.
    pub const ALL: Self = Self {
        plan_before_send: true,
        await_answer: true,
        one_outstanding: true,
        end_membership_on_unknown: true,
        end_membership_on_lost: true,
        answer_revocation_after_commit: true,
        never_resend: true,
        read_stable: true,
        replay_as_planned: true,
        replay_same_bundle: true,
        replay_finds_no_poison: true,
        carry_verdicts: true,
        carry_lineage: true,
        reset_begins_lineage: true,
        keep_planned_ranges: true,
        plan_refusals: true,
        heed_alterations: true,
        look_when_written: true,
        pause_where_none_is_left: true,
        token_names_range: true,
        token_names_route: true,
        unplanned_lineage: true,
        fence_without_rows: true,
        letters_with_commit: true,
        finish_old_plan: true,
    };
}
