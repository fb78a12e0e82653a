//! Datagrams: what stands around the data field, byte by byte.

use codec::avl::{Datagram, Imei, decode_datagram};

use crate::session_properties::as_datagram;
use crate::sessions::{IMEI, confirm, writers};

/// A codec 8 record without elements, as a data field.
fn record() -> Vec<u8> {
    [&[8, 1][..], &[0; 30], &[1]].concat()
}

fn decode(bytes: &[u8]) -> Datagram {
    decode_datagram(bytes, &writers(), &mut Vec::new())
}

/// The code, the offset and whether the device is named.
fn refused(bytes: &[u8]) -> (&'static str, usize, bool) {
    match decode(bytes) {
        Datagram::Refused(imei, refused) => (refused.code.as_str(), refused.offset, imei.is_some()),
        other => panic!("{other:?}"),
    }
}

fn changed(at: usize, byte: u8) -> Vec<u8> {
    let mut datagram = as_datagram(&record());
    datagram[at] = byte;
    datagram
}

#[test]
fn a_length_that_is_not_the_datagrams_is_refused() {
    let datagram = as_datagram(&record());
    let length = datagram.len();
    for cut in 0..length {
        assert_eq!(refused(&datagram[..cut]), ("truncated", cut, false));
    }
    assert_eq!(refused(&[&datagram[..], &[0]].concat()), ("count_mismatch", length, false));
}

#[test]
fn another_packet_type_and_what_is_no_imei_are_refused() {
    assert_eq!(refused(&changed(4, 2)), ("bad_preamble", 4, false));
    assert_eq!(refused(&changed(7, 14)), ("bad_imei", 6, false));
    assert_eq!(refused(&changed(7, 0xff)), ("bad_imei", 6, false));
    assert_eq!(refused(&changed(8, b'x')), ("bad_imei", 6, false));
}

#[test]
fn a_damaged_data_field_is_refused_with_the_device_named() {
    assert_eq!(refused(&changed(23, 9)), ("unknown_codec", 23, true));
    assert_eq!(refused(&changed(24, 2)), ("count_mismatch", 55, true));
    assert_eq!(refused(&changed(51, 1)), ("io_overrun", 55, true));
    assert_eq!(refused(&as_datagram(&[])), ("count_mismatch", 23, true));
    assert_eq!(refused(&changed(23, 0x0c)), ("unknown_codec", 23, true));
}

#[test]
fn a_sound_command_is_recognised_and_not_answered() {
    let command = [0x0c, 1, 5, 0, 0, 0, 2, b'o', b'k', 1];
    let Datagram::Command(imei, codec) = decode(&as_datagram(&command)) else { panic!() };
    assert_eq!((imei, codec.label()), (Imei::parse(IMEI).unwrap(), "12"));
}

#[test]
fn the_same_datagram_is_answered_alike_and_each_needs_its_own_confirmation() {
    let datagram = as_datagram(&record());
    let (Datagram::Accepted(first), Datagram::Accepted(second)) = (decode(&datagram), decode(&datagram)) else {
        panic!()
    };
    assert!(first.answer(&confirm(&second)).is_err());
    assert_eq!(first.answer(&confirm(&first)), Ok(vec![0, 5, 0xca, 0xfe, 1, 5, 1]));
    assert_eq!(second.answer(&confirm(&second)), first.answer(&confirm(&first)));
}

#[test]
fn a_datagram_without_records_is_answered_with_zero() {
    let Datagram::Empty(imei, empty) = decode(&as_datagram(&[0x8e, 0, 0])) else { panic!() };
    assert_eq!(imei.as_str(), IMEI);
    assert_eq!((empty.codec.label(), empty.answer), ("8E", vec![0, 5, 0xca, 0xfe, 1, 5, 0]));
}
