//! What a session finds in its bytes, step by step.

use crate::avl::accepted::AcceptedFrame;
use crate::avl::{Codec, Imei, RefusalCode};

/// One step of a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The device says who it is: admit or refuse it.
    Login {
        /// The device.
        imei: Imei,
        /// It had logged in before on this connection.
        again: bool,
    },
    /// No login, or the login of another device: the session is over.
    BadLogin(BadLogin),
    /// A lone `FF`.
    Ping,
    /// A frame to be published. It is in hand until it is settled.
    Accepted(AcceptedFrame),
    /// A frame without records, which is answered at once.
    Empty(EmptyFrame),
    /// A frame of codec 12 to 15, which is not answered.
    Command(Codec),
    /// A frame that is not published and not answered.
    Refused(RefusedFrame),
}

/// Why the bytes are no login that the session could take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadLogin {
    /// Begins as a TLS handshake does, with `16`.
    Tls,
    /// Begins as an HTTP method does.
    Http,
    /// Begins as the logins of other makers do, with `01`.
    OtherLogin,
    /// The length is not 15.
    BadLength,
    /// The IMEI is not digits alone.
    NotDigits,
    /// A second login, by another device.
    OtherImei,
}

impl BadLogin {
    /// The code as it stands in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http => "http",
            Self::OtherLogin => "other_login",
            Self::BadLength => "bad_length",
            Self::NotDigits => "not_digits",
            Self::OtherImei => "other_imei",
        }
    }
}

/// A frame or datagram without records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyFrame {
    /// Which codec it says.
    pub codec: Codec,
    /// Its answer: there is nothing to be confirmed.
    pub answer: Vec<u8>,
}

/// A frame that was refused whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFrame {
    /// What is wrong.
    pub code: RefusalCode,
    /// Where, in bytes from the frame's first byte.
    pub offset: usize,
    /// The codec's label; `other` where it is unknown or not looked at.
    pub codec: &'static str,
    /// The session is over, unless it keeps the frame.
    pub closes: bool,
    /// The whole frame, if its checksum is right.
    pub frame: Option<Vec<u8>>,
    /// The number of records that it declares; 0 where that was not looked at.
    pub records: u8,
}

/// The label of the codec with this id.
pub(in crate::avl) fn label_of(codec_id: Option<u8>) -> &'static str {
    codec_id.and_then(Codec::from_id).map_or("other", Codec::label)
}
