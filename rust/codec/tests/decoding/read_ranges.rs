//! Ids that were read against a model that is a set, on a stream that a group may be sent back on.

use std::cell::RefCell;
use std::collections::BTreeSet;

use codec::StreamId;
use codec::read_ranges::ReadRanges;
use proptest::collection::vec;
use proptest::prelude::*;

const ENTRIES: u64 = 40;

#[derive(Clone, Debug)]
enum Step {
    /// Others read some entries, then we some.
    Read {
        of_others: u64,
        ours: u64,
    },
    SetBack(u64),
    Redeliver(Vec<u64>),
}

/// Entry number n: text and numbers are ordered differently.
fn id(number: u64) -> StreamId {
    StreamId { ms: 8 + number / 5, seq: number % 5 * 3 }
}

fn ids(numbers: &[u64]) -> Vec<StreamId> {
    numbers.iter().map(|number| id(*number)).collect()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u64, 1..6u64).prop_map(|(of_others, ours)| Step::Read { of_others, ours }),
        1 => (0..ENTRIES).prop_map(Step::SetBack),
        1 => vec(0..ENTRIES, 1..4).prop_map(Step::Redeliver),
    ]
}

/// Plays the steps on a group's last delivery; after each, `check` sees both.
fn play(steps: Vec<Step>, stretches_max: usize, check: impl Fn(&ReadRanges, &BTreeSet<u64>, &[StreamId], &[StreamId])) {
    let (mut read, mut model, mut next) = (ReadRanges::new(stretches_max), BTreeSet::new(), 0);
    for step in steps {
        let (delivered, again) = match step {
            Step::SetBack(number) => {
                next = next.min(number);
                continue;
            }
            Step::Read { of_others, ours } => {
                let first = (next + of_others).min(ENTRIES);
                next = (first + ours).min(ENTRIES);
                let numbers: Vec<u64> = (first..next).collect();
                let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { continue };
                let again = read.note_stretch(id(*first), id(*last), ids(&numbers));
                (numbers, again)
            }
            Step::Redeliver(mut numbers) => {
                numbers.sort_unstable();
                numbers.dedup();
                let again = read.note(ids(&numbers));
                (numbers, again)
            }
        };
        let known: Vec<u64> = delivered.iter().copied().filter(|number| model.contains(number)).collect();
        model.extend(delivered);
        check(&read, &model, &again, &ids(&known));
    }
}

proptest! {
    #[test]
    fn what_was_read_before_is_known_however_far_the_group_goes_back(steps in vec(step(), 0..30)) {
        play(steps, 1_000, |read, model, again, known| {
            assert_eq!(again, known);
            for number in 0..ENTRIES {
                assert_eq!(read.contains(id(number)), model.contains(&number));
            }
        });
    }

    #[test]
    fn of_too_many_stretches_the_lowest_are_forgotten_and_nothing_else(
        steps in vec(step(), 0..30), stretches_max in 1..5usize,
    ) {
        let known_before = RefCell::new(BTreeSet::new());
        play(steps, stretches_max, |read, model, again, known| {
            assert!(read.stretches() <= stretches_max);
            assert!(again.iter().all(|each| known.contains(each)));
            let known_now: BTreeSet<u64> = (0..ENTRIES).filter(|number| read.contains(id(*number))).collect();
            assert!(known_now.is_subset(model));
            let lowest = known_now.first().copied();
            assert!(known_before.borrow().difference(&known_now).all(|forgotten| Some(*forgotten) < lowest));
            known_before.replace(known_now);
        });
    }
}

#[test]
fn nothing_is_known_between_the_stretches_of_two_reads() {
    let mut read = ReadRanges::new(10);
    assert!(read.note_stretch(id(0), id(3), ids(&[0, 1, 2, 3])).is_empty());
    assert!(read.note_stretch(id(6), id(7), ids(&[6, 7])).is_empty());
    assert_eq!(read.note_stretch(id(2), id(6), ids(&[2, 4, 5, 6])), ids(&[2, 6]));
    assert_eq!(read.stretches(), 1);
}
