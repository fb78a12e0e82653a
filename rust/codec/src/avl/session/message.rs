//! The message at the front of a device's bytes.

use super::login::{LOGIN_BYTES, begins_login, read_login};
use super::step::BadLogin;
use crate::avl::accepted::Transport;
use crate::avl::fault::Fault;
use crate::avl::frame::{CHECKSUM_BYTES, DATA_BYTES_MIN, HEADER_BYTES, checked_data, declared_length};
use crate::avl::outcome::{Carried, accept, label_of};
use crate::avl::{AcceptedFrame, Codec, Imei, RefusalCode, RefusedFrame};
use crate::xadd::StreamWriters;

/// A lone one is a ping.
const PING: u8 = 0xff;

/// What stands at the front.
pub(super) enum Message {
    Ping,
    Login(Imei),
    BadLogin(BadLogin),
    Accepted(AcceptedFrame),
    Empty(Codec),
    Command(Codec),
    Refused(RefusedFrame),
}

/// What the bytes hold at their front.
pub(super) enum Front {
    /// More bytes are needed. The number is known once a frame's header is there.
    Missing(Option<usize>),
    /// A message and its length.
    Whole(Message, usize),
}

/// The front before the login.
pub(super) fn read_before_login(bytes: &[u8]) -> Front {
    if bytes.first() == Some(&PING) {
        return Front::Whole(Message::Ping, 1);
    }
    read_login_message(bytes)
}

fn read_login_message(bytes: &[u8]) -> Front {
    match read_login(bytes) {
        Ok(None) => Front::Missing(None),
        Ok(Some(imei)) => Front::Whole(Message::Login(imei), LOGIN_BYTES),
        Err(bad) => Front::Whole(Message::BadLogin(bad), bytes.len()),
    }
}

/// A device that has logged in, and how its records are published.
pub(super) struct Sender<'a> {
    pub(super) imei: Imei,
    pub(super) writers: &'a StreamWriters,
    pub(super) frame_bytes_max: usize,
}

impl Sender<'_> {
    /// Looks at the front. The commands of an accepted frame are written behind what `commands` holds.
    ///
    /// Nothing but a ping is judged before its eighth byte: the header says what it is.
    pub(super) fn read(&self, bytes: &[u8], commands: &mut Vec<u8>) -> Front {
        if bytes.first() == Some(&PING) {
            return Front::Whole(Message::Ping, 1);
        }
        if bytes.len() < HEADER_BYTES {
            return Front::Missing(None);
        }
        if begins_login(bytes) {
            return read_login_message(bytes);
        }
        let frame_bytes = match self.frame_bytes(bytes) {
            Ok(frame_bytes) => frame_bytes,
            Err(Fault { code, offset }) => {
                let refused = RefusedFrame { code, offset, codec: "other", closes: true, frame: None, records: 0 };
                return Front::Whole(Message::Refused(refused), bytes.len());
            }
        };
        match bytes.get(..frame_bytes) {
            None => Front::Missing(Some(frame_bytes.saturating_sub(bytes.len()))),
            Some(frame) => Front::Whole(self.decode(frame, commands), frame_bytes),
        }
    }

    /// The frame's length by its header.
    fn frame_bytes(&self, bytes: &[u8]) -> Result<usize, Fault> {
        let frame_bytes =
            declared_length(bytes, self.frame_bytes_max).map_err(|refusal| Fault::new(refusal.code, refusal.offset))?;
        if frame_bytes < FRAME_BYTES_MIN {
            return Err(Fault::new(RefusalCode::CountMismatch, LENGTH_OFFSET));
        }
        Ok(frame_bytes)
    }

    fn decode(&self, frame: &[u8], commands: &mut Vec<u8>) -> Message {
        let codec_id = frame.get(HEADER_BYTES).copied();
        let refused = |Fault { code, offset }, kept: Option<&[u8]>| {
            Message::Refused(RefusedFrame {
                code,
                offset,
                codec: label_of(codec_id),
                closes: true,
                frame: kept.map(<[u8]>::to_vec),
                records: frame.get(QUANTITY_OFFSET).copied().unwrap_or_default(),
            })
        };
        let data = match checked_data(frame) {
            Ok(data) => data,
            Err(fault) => return refused(fault, None),
        };
        match accept(self.imei, data, self.writers, Transport::Tcp, commands) {
            Ok(Carried::Records(accepted)) => Message::Accepted(accepted),
            Ok(Carried::Nothing(codec)) => Message::Empty(codec),
            Ok(Carried::Command(codec)) => Message::Command(codec),
            // A device does not wait for an answer to a command frame, so it does not repeat it either.
            Err(fault) if codec_id.and_then(Codec::from_id).is_some_and(Codec::is_command) => refused(fault, None),
            Err(fault) => refused(fault, Some(frame)),
        }
    }
}

/// Where the length field stands.
const LENGTH_OFFSET: usize = 4;
/// Where the first quantity stands.
const QUANTITY_OFFSET: usize = HEADER_BYTES + 1;
/// A frame without records: header, the smallest data field, checksum.
const FRAME_BYTES_MIN: usize = HEADER_BYTES + DATA_BYTES_MIN + CHECKSUM_BYTES;
