//! Teltonika AVL frames over TCP: bytes to records, records to the Position JSON of the stream.
//!
//! [`decode_frame`] takes the bytes of a connection from a frame's first byte on and gives the frame
//! or a [`Refusal`] with a stable code and a byte offset: a frame is accepted whole or refused whole.
//! [`FrameRun`] reads several frames up to the first refusal, [`Capture`] goes on behind damaged
//! ones. [`Record::position_json`] writes a record as the stream's payload.
//!
//! Protocol: Teltonika Data Sending Protocols,
//! <https://wiki.teltonika-gps.com/view/Teltonika_Data_Sending_Protocols>.
//!
//! ```
//! use codec::avl::{Body, RefusalCode, decode_frame};
//!
//! let empty = [0, 0, 0, 0, 0, 0, 0, 3, 0x08, 0, 0, 0, 0, 0xc2, 0x81];
//! let frame = decode_frame(&empty)?;
//! assert_eq!(frame.codec.label(), "8");
//! assert!(matches!(frame.body, Body::Records(records) if records.is_empty()));
//!
//! let refusal = decode_frame(&empty[..9]).unwrap_err();
//! assert_eq!((refusal.code, refusal.offset), (RefusalCode::Truncated, 9));
//! # Ok::<(), codec::avl::Refusal>(())
//! ```

mod calendar;
mod capture;
mod command;
mod cursor;
mod fault;
mod frame;
mod imei;
mod position_json;
mod record;
mod refusal;

pub use capture::{Capture, FrameRun, Located};
pub use frame::{Body, Codec, FRAME_BYTES_MAX, Frame, decode_frame};
pub use imei::Imei;
pub use record::{Element, Record, Value};
pub use refusal::{Refusal, RefusalCode};
