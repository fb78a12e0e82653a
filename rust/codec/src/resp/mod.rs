//! A sans-I/O parser of Redis replies: RESP2 and RESP3, fed in pieces that may be cut anywhere.
//!
//! Deliveries (XREADGROUP, XCLAIM) are decoded entry by entry while their bytes come in: the buffer never holds
//! more than an entry that is not whole yet. Other replies become a [`Value`] when they are whole. Where they only
//! have to be counted, [`ReplyCounter`] does it.
//!
//! Protocol: <https://redis.io/docs/latest/develop/reference/protocol-spec/>

mod buffer;
mod counting;
mod delivery;
mod fast;
mod general;
mod outside;
mod value;

use std::fmt;

use buffer::Buffer;
pub use counting::{Confirmation, Outcome, Refusal, ReplyCounter, Rest};
use delivery::DeliveryReader;
pub use delivery::{Delivery, Expect};
pub use outside::Outside;
pub use value::{ReplyError, Value};

use crate::position::Limits;

/// The peer does not speak the protocol: the connection is of no more use. The text says what was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub &'static str);

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ProtocolError {}

/// The answer to a command that delivers entries.
#[derive(Debug)]
pub enum Delivered {
    /// Entries, maybe none.
    Delivery(Delivery),
    /// Redis refused the command.
    Error(ReplyError),
}

/// The replies of one connection, in their order.
#[derive(Debug)]
pub struct Parser {
    buffer: Buffer,
    delivery: DeliveryReader,
    limits: Limits,
}

impl Parser {
    /// A parser for a new connection, which decodes Positions under `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { buffer: Buffer::default(), delivery: DeliveryReader::default(), limits }
    }

    /// Takes bytes from the socket.
    pub fn feed(&mut self, data: &[u8]) {
        self.buffer.feed(data);
    }

    /// Room for `bytes` bytes, for receiving without a copy: write into its beginning, then say how many with
    /// [`Parser::filled`].
    ///
    /// ```
    /// use codec::resp::{Parser, Value};
    ///
    /// let mut parser = Parser::new(codec::position::Limits::default());
    /// let received = std::io::Read::read(&mut b":42\r\n".as_slice(), parser.space(1024)).unwrap();
    /// parser.filled(received);
    /// assert_eq!(parser.next_value(), Ok(Some(Value::Integer(42))));
    /// ```
    pub fn space(&mut self, bytes: usize) -> &mut [u8] {
        self.buffer.space(bytes)
    }

    /// The first `bytes` bytes of the room that [`Parser::space`] gave last have been received.
    pub fn filled(&mut self, bytes: usize) {
        self.buffer.filled(bytes);
    }

    /// Bytes that are held and belong to no whole reply or entry yet.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.rest().len()
    }

    /// The next reply, or `None` until it is whole. Out-of-band pushes are skipped.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol, or a delivery is half read.
    pub fn next_value(&mut self) -> Result<Option<Value>, ProtocolError> {
        if self.delivery.is_inside() {
            return Err(ProtocolError("a delivery is half read"));
        }
        loop {
            let Some((value, end)) = value::value(self.buffer.rest(), 0)? else {
                return Ok(None);
            };
            self.buffer.consume(end);
            if !matches!(value, Value::Push(_)) {
                return Ok(Some(value));
            }
        }
    }

    /// The next reply as a delivery, or `None` until it is whole.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol, or answered in the form of another command.
    pub fn next_delivery(&mut self, expect: Expect) -> Result<Option<Delivered>, ProtocolError> {
        while !self.delivery.is_inside() {
            match self.buffer.rest().first() {
                None => return Ok(None),
                Some(b'-' | b'!' | b'>') => {}
                Some(_) => break,
            }
            let Some((value, end)) = value::value(self.buffer.rest(), 0)? else {
                return Ok(None);
            };
            self.buffer.consume(end);
            if let Value::Error(error) = value {
                return Ok(Some(Delivered::Error(error)));
            }
        }
        let delivery = self.delivery.read(&mut self.buffer, expect, &self.limits)?;
        Ok(delivery.map(Delivered::Delivery))
    }
}
