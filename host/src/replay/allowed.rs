//! What would double rows without anybody noticing is refused, before anything is written.

use super::there::{Asked, tells};
use super::{Selection, Wanted};
use crate::audit::Place;
use crate::config::{Guarantee, Target};
use crate::pipeline::Range;
use crate::subject::{Subject, SubjectFault};

/// Fails where writing could double rows without anybody noticing, as far as what was asked for shows.
///
/// # Errors
/// With what would be right.
pub fn allowed(subject: &Subject, wanted: &Wanted, asked: &[Asked]) -> Result<(), SubjectFault> {
    let unusable = |problem: String| Err(SubjectFault::Unusable(problem));
    let destinations = &subject.prepared.destinations;
    let unasked = unasked(subject, asked);
    match &wanted.selection {
        Selection::Offsets(_) if !wanted.after_delete => {
            if let Some(destination) = destinations.iter().find(|destination| !wanted.is_elsewhere(&destination.route))
            {
                return unusable(format!(
                    "rows of these offsets may still be in {target}; --into {route}=SINK:TABLE writes them elsewhere, \
                     --after-delete says that they were deleted",
                    target = destination.target,
                    route = destination.route
                ));
            }
        }
        Selection::DeadLetters { from, to } if wanted.write => {
            let is_offset = |place: &Option<Place>| matches!(place, Some(Place::Offset(_)));
            let missing = match (is_offset(from), is_offset(to)) {
                (_, false) => {
                    Some("a letter that comes meanwhile would make it another replay; --to OFFSET says where to end")
                }
                (false, true) => Some(
                    "letters that Kafka removes meanwhile would make it another replay; --from OFFSET says where to begin",
                ),
                (true, true) => None,
            };
            if let Some((target, missing)) = unasked.zip(missing) {
                return unusable(format!("{target} does not tell which rows it has, so that {missing}"));
            }
        }
        Selection::Offsets(_) | Selection::DeadLetters { .. } => {}
    }
    match unasked {
        Some(target) if wanted.write && subject.prepared.guarantee == Guarantee::AtLeastOnce => unusable(format!(
            "{target} does not tell which rows it has, and the pipeline promises \"at-least-once\": the same replay would write its rows twice; \
             let the plugin write `_partition` and `_offset`"
        )),
        _ => Ok(()),
    }
}

/// A table that does not tell which rows it has.
pub fn unasked<'s>(subject: &'s Subject, asked: &[Asked]) -> Option<&'s Target> {
    let mut destinations = subject.prepared.destinations.iter().enumerate();
    destinations.find(|(route, _)| !tells(asked, *route)).map(|(_, destination)| &destination.target)
}

/// Fails where an end was named that letters have yet to reach, or a beginning that Kafka has no more, though only what is replayed tells one
/// replay from another.
///
/// # Errors
/// With what would be right.
pub fn pinned(subject: &Subject, wanted: &Wanted, asked: &[Asked], ranges: &[Range]) -> Result<(), SubjectFault> {
    let Selection::DeadLetters { from: Some(Place::Offset(from)), to: Some(Place::Offset(to)) } = &wanted.selection
    else {
        return Ok(());
    };
    let (Some(target), true) = (unasked(subject, asked), wanted.write) else { return Ok(()) };
    if let Some(range) = ranges.iter().find(|range| range.first > *from) {
        return Err(SubjectFault::Unusable(format!(
            "--from is {from}, but {}/{} begins at {}: {target} does not tell which rows it has, so that what Kafka has removed would make it \
             another replay",
            range.topic, range.partition, range.first
        )));
    }
    match ranges.iter().find(|range| range.next < *to) {
        None => Ok(()),
        Some(range) => Err(SubjectFault::Unusable(format!(
            "--to is {to}, but {}/{} ends at {}: {target} does not tell which rows it has, so that a letter that comes meanwhile would make \
             it another replay",
            range.topic, range.partition, range.next
        ))),
    }
}

/// What the group has not completed, for an operator to know; fails where that would be written into the pipeline's tables, which the pipeline itself
/// will do.
///
/// # Errors
/// Where it is to be written.
pub fn completed(subject: &Subject, wanted: &Wanted, ahead: Vec<String>) -> Result<Vec<String>, SubjectFault> {
    let mut destinations = subject.prepared.destinations.iter();
    if destinations.all(|destination| wanted.is_elsewhere(&destination.route)) {
        return Ok(Vec::new());
    }
    match ahead.first() {
        Some(problem) if wanted.write => Err(SubjectFault::Unusable(problem.clone())),
        _ => Ok(ahead),
    }
}
