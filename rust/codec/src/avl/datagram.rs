//! One datagram of a device that sends over UDP: who it is, and a data field without preamble and checksum.
//!
//! Length (2 bytes, of what follows), packet id (2), `01`, AVL packet id (1), length of the IMEI (2), IMEI, data field.

use super::accepted::{AcceptedFrame, Transport};
use super::cursor::Cursor;
use super::fault::Fault;
use super::frame::Codec;
use super::imei::Imei;
use super::outcome::{Carried, EmptyFrame, RefusedFrame, accept, label_of};
use super::refusal::RefusalCode;
use crate::xadd::StreamWriters;

/// What a datagram holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Datagram {
    /// Records to be published.
    Accepted(AcceptedFrame),
    /// No records: it is answered at once.
    Empty(Imei, EmptyFrame),
    /// Codec 12 to 15: it is not answered.
    Command(Imei, Codec),
    /// It is not published and not answered. The IMEI as far as there is one.
    Refused(Option<Imei>, RefusedFrame),
}

/// Decodes a datagram. The commands of its records are written behind what `commands` holds.
#[must_use]
pub fn decode_datagram(bytes: &[u8], writers: &StreamWriters, commands: &mut Vec<u8>) -> Datagram {
    let (imei, transport, data) = match read_header(bytes) {
        Ok(header) => header,
        Err(fault) => return refused(None, fault, None),
    };
    let codec_id = data.rest().first().copied();
    match accept(imei, data, writers, transport, commands) {
        Ok(Carried::Records(accepted)) => Datagram::Accepted(accepted),
        Ok(Carried::Nothing(codec)) => Datagram::Empty(imei, EmptyFrame { codec, answer: transport.answer(0) }),
        Ok(Carried::Command(codec)) => Datagram::Command(imei, codec),
        Err(fault) => refused(Some(imei), without_command(fault, codec_id, bytes), codec_id),
    }
}

/// What stands before the data field.
fn read_header(bytes: &[u8]) -> Result<(Imei, Transport, Cursor<'_>), Fault> {
    let truncated = |_| Fault::new(RefusalCode::Truncated, bytes.len());
    let mut cursor = Cursor::new(bytes);
    let length = cursor.u16().map_err(truncated)?;
    let mut cursor = cursor.sub(usize::from(length)).map_err(truncated)?;
    let end = cursor.offset().saturating_add(cursor.rest().len());
    if end < bytes.len() {
        return Err(Fault::new(RefusalCode::CountMismatch, end));
    }
    let packet_id = cursor.u16().map_err(truncated)?.to_be_bytes();
    let type_offset = cursor.offset();
    if cursor.u8().map_err(truncated)? != 1 {
        return Err(Fault::new(RefusalCode::BadPreamble, type_offset));
    }
    let avl_packet_id = cursor.u8().map_err(truncated)?;
    let imei_offset = cursor.offset();
    let imei_bytes = usize::from(cursor.u16().map_err(truncated)?);
    let imei = cursor.take(imei_bytes).ok().and_then(Imei::from_digits);
    let imei = imei.ok_or(Fault::new(RefusalCode::BadImei, imei_offset))?;
    Ok((imei, Transport::Udp { packet_id, avl_packet_id }, cursor))
}

/// Without a checksum, what is no sound command does not show that commands were meant: its codec id is refused.
fn without_command(fault: Fault, codec_id: Option<u8>, bytes: &[u8]) -> Fault {
    if codec_id.and_then(Codec::from_id).is_some_and(Codec::is_command) {
        let codec_offset = HEADER_BYTES.min(bytes.len());
        return Fault::new(RefusalCode::UnknownCodec, codec_offset);
    }
    fault
}

/// What stands before the data field.
const HEADER_BYTES: usize = 8 + Imei::DIGITS;

fn refused(imei: Option<Imei>, Fault { code, offset }: Fault, codec_id: Option<u8>) -> Datagram {
    let codec = label_of(codec_id);
    Datagram::Refused(imei, RefusedFrame { code, offset, codec, closes: false, frame: None, records: 0 })
}
