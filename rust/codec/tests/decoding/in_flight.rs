//! Entries in flight against a model that is a sorted map.

use std::collections::BTreeMap;

use codec::StreamId;
use codec::in_flight::InFlightIds;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Take(Vec<StreamId>, i64),
    Settle(Vec<StreamId>),
}

/// Few enough to be taken again; their text and their numbers are ordered differently.
fn ids() -> impl Strategy<Value = Vec<StreamId>> {
    let id = (8..12u64, 8..12u64).prop_map(|(ms, seq)| StreamId { ms, seq });
    vec(id, 0..10)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (ids(), -5..5i64).prop_map(|(ids, now_ms)| Step::Take(ids, now_ms)),
        1 => ids().prop_map(Step::Settle),
    ]
}

fn take(model: &mut BTreeMap<StreamId, i64>, ids: &[StreamId], now_ms: i64) -> usize {
    let before = model.len();
    for id in ids {
        model.entry(*id).or_insert(now_ms);
    }
    model.len() - before
}

fn settle(model: &mut BTreeMap<StreamId, i64>, ids: &[StreamId]) -> usize {
    let before = model.len();
    model.retain(|id, _| !ids.contains(id));
    before - model.len()
}

proptest! {
    #[test]
    fn what_is_in_flight_is_what_was_taken_first_and_not_settled(
        steps in vec(step(), 0..12), asked in ids(), before_ms in -6..6i64,
    ) {
        let (mut in_flight, mut model) = (InFlightIds::new(), BTreeMap::new());
        for step in steps {
            let (done, expected) = match step {
                Step::Take(ids, now_ms) => (in_flight.take(ids.clone(), now_ms), take(&mut model, &ids, now_ms)),
                Step::Settle(ids) => (in_flight.settle(ids.clone()), settle(&mut model, &ids)),
            };
            assert_eq!(done, expected);
            assert_eq!((in_flight.len(), in_flight.is_empty()), (model.len(), model.is_empty()));

            let mut absent = asked.clone();
            absent.retain(|id| !model.contains_key(id));
            assert_eq!(in_flight.absent(asked.clone()), absent);
            let old: Vec<StreamId> =
                model.iter().filter(|(_, came_ms)| **came_ms <= before_ms).map(|(id, _)| *id).collect();
            assert_eq!(in_flight.in_flight_since(before_ms), old);
        }
    }
}
