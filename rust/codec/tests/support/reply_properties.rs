//! Properties of reply parsing as plain functions of bytes; each panics where it does not hold.

use codec::position::Limits;
use codec::resp::Expect;

use super::replies::outcomes;

/// Small, so that generated payloads cross it.
const LIMITS: Limits = Limits { payload_bytes_max: 512, past_days_max: 3650, future_seconds_max: 86_400 };

const READINGS: [Option<Expect>; 3] = [None, Some(Expect::Read), Some(Expect::Claim)];

/// Any bytes are replies or an error, and come out the same however they are cut: here, whole, one by one, and at
/// these places.
pub(crate) fn cut_anywhere_is_whole(wire: &[u8], cuts: &[usize]) {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
    places.extend([0, wire.len()]);
    places.sort_unstable();
    for expect in READINGS {
        let whole = outcomes(expect, LIMITS, [wire]);
        assert_eq!(outcomes(expect, LIMITS, wire.chunks(1)), whole, "byte by byte, {expect:?}");
        let pieces = places.windows(2).map(|place| &wire[place[0]..place[1]]);
        assert_eq!(outcomes(expect, LIMITS, pieces), whole, "cut at {places:?}, {expect:?}");
    }
}
