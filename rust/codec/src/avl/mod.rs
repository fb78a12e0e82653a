//! Teltonika AVL frames over TCP: bytes to records, records to the Position JSON of the stream.
//!
//! [`decode_frame`] takes the bytes of a connection from a frame's first byte on and gives the frame
//! or a [`Refusal`] with a stable code and a byte offset: a frame is accepted whole or refused whole.
//! [`FrameRun`] reads several frames up to the first refusal, [`Capture`] goes on behind damaged
//! ones. [`Record::write_position_json`] writes a record as the stream's payload.
//!
//! [`Session`] is the server's side of a device's conversation over TCP, [`decode_datagram`] that of UDP. Both turn
//! frames into XADD commands at once, and give an [`AcceptedFrame`], whose answer needs a
//! [`Confirmation`](crate::resp::Confirmation).
//!
//! Protocol: Teltonika Data Sending Protocols,
//! <https://wiki.teltonika-gps.com/view/Teltonika_Data_Sending_Protocols>.
//!
//! ```
//! use codec::avl::{Body, DATA_BYTES_MAX, RefusalCode, decode_frame};
//!
//! let empty = [0, 0, 0, 0, 0, 0, 0, 3, 0x08, 0, 0, 0, 0, 0xc2, 0x81];
//! let frame = decode_frame(&empty, DATA_BYTES_MAX)?;
//! assert_eq!(frame.codec.label(), "8");
//! assert!(matches!(frame.body, Body::Records(records) if records.is_empty()));
//!
//! let refusal = decode_frame(&empty[..9], DATA_BYTES_MAX).unwrap_err();
//! assert_eq!((refusal.code, refusal.offset), (RefusalCode::Truncated, 9));
//! # Ok::<(), codec::avl::Refusal>(())
//! ```

mod accepted;
mod calendar;
mod capture;
mod command;
mod cursor;
mod datagram;
mod fault;
mod frame;
mod imei;
mod outcome;
mod position_json;
mod record;
mod refusal;
mod session;

pub use accepted::{AcceptedFrame, WrongFrame};
pub use capture::{Capture, FrameRun, Located};
pub use datagram::{Datagram, decode_datagram};
pub use frame::{Body, Codec, DATA_BYTES_MAX, Frame, decode_frame};
pub use imei::Imei;
pub use outcome::{EmptyFrame, RefusedFrame};
pub use record::{Element, Record, Value};
pub use refusal::{Refusal, RefusalCode};
pub use session::{BadLogin, Expiry, RECEIVE_BYTES, Session, SessionLimits, Step, WrongState};

pub(crate) use accepted::FrameNumber;
