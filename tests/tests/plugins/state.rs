//! What of a guest outlives a range: all of it where the plugin is stateless, nothing where it is not.

use std::sync::Arc;

use tidegate::config::PluginState;
use tidegate::pipeline::{Range, TransformFault};
use tidegate::plugin::{GuestFault, InstanceSettings, Plugin};
use tidegate_tests::cases;

use crate::{load, rejects, texts, unruly};

async fn lines(plugin: &Arc<dyn Plugin>, values: &[&str]) -> Vec<String> {
    let transformed = cases::transform(plugin.clone(), cases::records(0, values)).await.unwrap();
    texts(&**plugin, &transformed)
}

#[tokio::test]
async fn an_instance_of_a_stateless_plugin_is_used_again_until_it_traps() {
    let plugin = unruly().await;
    assert!(plugin.description().stateless);
    assert_eq!(lines(&plugin, &["calls", "calls"]).await, ["1", "2"]);
    assert_eq!(lines(&plugin, &["calls"]).await, ["3"]);
    cases::transform(plugin.clone(), cases::records(0, ["calls", "trap"])).await.unwrap_err();
    assert_eq!(lines(&plugin, &["calls"]).await, ["1"]);
}

#[tokio::test]
async fn ranges_of_a_stateless_plugin_at_the_same_time_have_an_instance_each() {
    let plugin = unruly().await;
    let range = || cases::transform(plugin.clone(), cases::records(0, ["calls"]));
    let (mut one, mut other) = (Box::pin(range()), Box::pin(range()));
    let (one, other) = tokio::join!(&mut one, &mut other);
    let both = [one.unwrap(), other.unwrap()].map(|transformed| texts(&*plugin, &transformed).remove(0));
    assert!(both.iter().all(|calls| calls == "1" || calls == "2"), "{both:?}");
}

#[tokio::test]
async fn a_stateful_plugin_begins_every_range_anew() {
    let plugin = load("counter", cases::instance()).await;
    assert!(!plugin.description().stateless);
    assert_eq!(lines(&plugin, &["a", "b", "c"]).await, ["3"]);
    assert_eq!(lines(&plugin, &["d"]).await, ["1"]);
}

/// Transforms records of a partition as one range; its row of the count.
async fn count_in(plugin: &Arc<dyn Plugin>, partition: i32, values: &[&str]) -> Result<Vec<String>, TransformFault> {
    let range = Range { topic: "test".into(), partition, first: 0, next: values.len() as i64 };
    let transformed = tidegate::cases::transform(plugin.clone(), range, cases::records(0, values)).await?;
    Ok(texts(&**plugin, &transformed))
}

#[tokio::test]
async fn a_stateful_plugin_goes_on_where_it_was_where_its_state_is_kept_for_each_partition_by_itself() {
    let plugin = load("counter", InstanceSettings { state: PluginState::Kept, ..cases::instance() }).await;
    let count = async |partition, values: &[&str]| count_in(&plugin, partition, values).await.unwrap();
    assert_eq!(count(0, &["a", "b", "c"]).await, ["3"]);
    assert_eq!(count(1, &["a"]).await, ["1"]);
    assert_eq!(count(0, &["d"]).await, ["4"]);
    assert_eq!(count(1, &["b"]).await, ["2"]);
}

#[tokio::test]
async fn state_that_is_kept_ends_with_a_fault_and_with_the_partition() {
    let plugin = load("counter", InstanceSettings { state: PluginState::Kept, ..cases::instance() }).await;
    let count = async |partition, values: &[&str]| count_in(&plugin, partition, values).await.unwrap();
    assert_eq!((count(0, &["a"]).await, count(1, &["a"]).await), (vec!["1".to_owned()], vec!["1".to_owned()]));
    count_in(&plugin, 0, &["fail"]).await.unwrap_err();
    assert_eq!((count(0, &["a"]).await, count(1, &["a"]).await), (vec!["1".to_owned()], vec!["2".to_owned()]));
    plugin.forget(&Range { topic: "test".into(), partition: 1, first: 0, next: 1 });
    assert_eq!((count(0, &["a"]).await, count(1, &["a"]).await), (vec!["2".to_owned()], vec!["1".to_owned()]));
}

#[tokio::test]
async fn state_is_kept_over_the_guest_calls_of_one_range() {
    let plugin = load("counter", cases::instance()).await;
    let mut values = vec!["a"; 9_999];
    values.push("refuse");
    let transformed = cases::transform(plugin.clone(), cases::records(0, values)).await.unwrap();
    assert_eq!(texts(&*plugin, &transformed), ["10000"]);
    assert_eq!(transformed.routes[0].chunks[0].origins, [u32::MAX]);
    assert_eq!(rejects(&transformed), [(9_999, "refused, but counted")]);
    // The row of the range answers for no record of its own.
    assert_eq!(transformed.dropped, 9_999);
}

#[tokio::test]
async fn an_error_at_the_end_fails_the_range_and_not_the_next() {
    let plugin = load("counter", cases::instance()).await;
    let fault = cases::transform(plugin.clone(), cases::records(5, ["a", "fail", "b"])).await.unwrap_err();
    assert_eq!((fault.first, fault.last), (5, 7));
    assert!(matches!(fault.fault, GuestFault::Finish(_)), "{fault:?}");
    assert_eq!(
        fault.to_string(),
        "transform records 5 to 7: the plugin fails at the end of the range: the count is not to be trusted"
    );
    assert_eq!(lines(&plugin, &["a"]).await, ["1"]);
}
