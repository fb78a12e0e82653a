//! What a session finds in its bytes, step by step.

use crate::avl::{AcceptedFrame, Codec, EmptyFrame, Imei, RefusedFrame};

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
