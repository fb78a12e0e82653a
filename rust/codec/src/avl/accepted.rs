//! A frame whose records are to be published, and the answer that it may get once they are.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::frame::Codec;
use super::imei::Imei;
use crate::resp::Confirmation;

/// Every accepted frame of the process has a number of its own, so that a confirmation belongs to one alone.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The number of one accepted frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameNumber(u64);

impl FrameNumber {
    fn next() -> Self {
        Self(NEXT_NUMBER.fetch_add(1, Ordering::Relaxed))
    }
}

/// How the device is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// By the number of records.
    Tcp,
    /// By a datagram that repeats both of the request's ids.
    Udp { packet_id: [u8; 2], avl_packet_id: u8 },
}

impl Transport {
    pub(super) fn answer(self, records: u8) -> Vec<u8> {
        match self {
            Self::Tcp => u32::from(records).to_be_bytes().to_vec(),
            Self::Udp { packet_id: [high, low], avl_packet_id } => {
                vec![0, 5, high, low, 1, avl_packet_id, records]
            }
        }
    }
}

/// The confirmation belongs to another frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongFrame;

impl fmt::Display for WrongFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the confirmation belongs to another frame")
    }
}

impl std::error::Error for WrongFrame {}

/// A frame or datagram whose XADD commands are written, and which has no answer before Redis has confirmed them.
#[derive(Debug, PartialEq, Eq)]
pub struct AcceptedFrame {
    /// Who sent it.
    pub imei: Imei,
    /// `8`, `8E` or `16`; of a frame that is kept without being decoded, any label or `other`.
    pub codec: &'static str,
    /// What the answer says.
    pub records: u8,
    /// The replies of Redis that it needs: one for each command.
    pub replies: usize,
    /// The place of its stream in the list.
    pub stream: usize,
    number: FrameNumber,
    transport: Transport,
}

impl AcceptedFrame {
    /// `quantity` records, a command each.
    pub(super) fn published(imei: Imei, codec: Codec, quantity: u8, stream: usize, transport: Transport) -> Self {
        Self {
            imei,
            codec: codec.label(),
            records: quantity,
            replies: usize::from(quantity),
            stream,
            number: FrameNumber::next(),
            transport,
        }
    }

    /// Kept whole by one command, answered by the number of records that it declares.
    pub(super) fn kept(imei: Imei, codec: &'static str, records: u8, stream: usize) -> Self {
        Self { imei, codec, records, replies: 1, stream, number: FrameNumber::next(), transport: Transport::Tcp }
    }

    pub(crate) fn number(&self) -> FrameNumber {
        self.number
    }

    /// The answer: four bytes over TCP, seven over UDP.
    ///
    /// # Errors
    ///
    /// [`WrongFrame`] if another frame was confirmed.
    pub fn answer(&self, confirmation: &Confirmation) -> Result<Vec<u8>, WrongFrame> {
        if confirmation.names(self.number) { Ok(self.transport.answer(self.records)) } else { Err(WrongFrame) }
    }
}
