//! From Redis replies to PostgreSQL COPY rows in one pass, and from Teltonika AVL frames to Positions.
//!
//! The data's way through this crate:
//!
//! 1. [`resp`] takes bytes from the socket, cut anywhere, and finds replies and stream entries in them;
//! 2. [`position`] turns the JSON of one entry into typed columns, or into a [`position::Reject`];
//! 3. [`batch`] keeps the encoded rows of many entries: it sorts, splits and merges them, and writes them as COPY and
//!    XACK bytes;
//! 4. [`devices`] remembers the newest position of each device, updated a batch at a time, and finds the rows that may
//!    be in the table already;
//! 5. [`in_flight`] has the entries that were delivered and not settled yet, [`read_ranges`] those that were ever read.
//!
//! `resp` and `position` each read in two ways: `fast` checks that the bytes have the one form that the producer
//! writes, and gives up at the first difference; `general` then reads every valid form. `expect` is what both fast
//! paths compare with, `swar` reads eight digits in one step, `window` looks at 64 bytes in one, and [`StreamId`] is an
//! entry's id.
//!
//! [`avl`] is the other end of the system: the frames that trackers send over TCP and UDP, and the conversation with
//! them. [`xadd`] writes their records as commands for Redis, and [`resp::ReplyCounter`] counts its replies.
//!
//! Nothing here does I/O or reads a clock, and no input makes it panic.
//!
//! ```
//! use codec::position::Limits;
//! use codec::resp::{Delivered, Expect, Parser};
//!
//! let mut parser = Parser::new(Limits::default());
//! parser.feed(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$5\r\ncodec\r\n$1\r\n8\r\n");
//! let Ok(Some(Delivered::Delivery(delivery))) = parser.next_delivery(Expect::Read) else { panic!() };
//! assert_eq!(delivery.rejections[0].reject.code.as_str(), "missing_payload");
//! ```
#![forbid(unsafe_code)]

pub mod avl;
pub mod batch;
pub mod devices;
mod digits;
mod expect;
pub mod in_flight;
pub mod position;
pub mod read_ranges;
pub mod resp;
mod stream_id;
mod swar;
mod window;
pub mod xadd;

pub use stream_id::StreamId;
