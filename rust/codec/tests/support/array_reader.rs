//! A reader of PostgreSQL's binary arrays, written from `array_send` alone, to look at parameters as the server would.

pub(crate) const TEXT_OID: i32 = 25;
pub(crate) const TIMESTAMPTZ_OID: i32 = 1184;
/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// The elements of a whole array without nulls; panics on anything that PostgreSQL would refuse.
pub(crate) fn read_array(bytes: &[u8], element_oid: i32) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let dimensions = int32(&mut rest);
    assert_eq!((int32(&mut rest), int32(&mut rest)), (0, element_oid), "flags and element type");
    let length = match dimensions {
        0 => 0,
        1 => {
            let length = int32(&mut rest);
            assert!(length > 0, "an empty array has no dimension");
            assert_eq!(int32(&mut rest), 1, "lower bound");
            length
        }
        more => panic!("{more} dimensions"),
    };
    let elements = (0..length).map(|_| {
        let length = int32(&mut rest).try_into().unwrap();
        take(&mut rest, length).to_vec()
    });
    let elements = elements.collect();
    assert_eq!(rest, b"", "bytes behind the elements");
    elements
}

/// Microseconds of the Unix time.
pub(crate) fn read_timestamp_us(element: &[u8]) -> i64 {
    i64::from_be_bytes(element.try_into().unwrap()) + POSTGRES_EPOCH_US
}

fn int32(rest: &mut &[u8]) -> i32 {
    i32::from_be_bytes(take(rest, 4).try_into().unwrap())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}
