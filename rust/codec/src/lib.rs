//! Redis replies to Position to PostgreSQL COPY rows in one pass, and Teltonika AVL frames.
//!
//! The data's way through this crate:
//!
//! 1. [`resp`] takes bytes as they come from the socket, cut anywhere, and finds replies and stream entries in them;
//! 2. [`position`] turns the JSON of one entry into typed columns, or into a [`position::Reject`];
//! 3. [`batch`] holds the encoded rows of many entries: sorted, split, merged, given out as COPY and XACK bytes;
//! 4. [`devices`] remembers the newest position of each device, updated a batch at a time, and tells which rows may be
//!    in the table already;
//! 5. [`in_flight`] remembers which entries were taken and not settled yet, [`read_ranges`] which were ever read.
//!
//! [`avl`] is the other end of the system: what a tracker sends over TCP, for tools that publish captures.
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
mod expect;
pub mod in_flight;
pub mod position;
pub mod read_ranges;
pub mod resp;
mod stream_id;
mod swar;

pub use stream_id::StreamId;
