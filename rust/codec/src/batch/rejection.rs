//! An entry that is not a Position, and why.

use crate::StreamId;
use crate::position::{Code, Reject};

/// An entry that is not a Position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The entry.
    pub id: StreamId,
    /// What is wrong with it.
    pub reject: Reject,
    /// The entry's copy of the device id, where it has a usable one.
    pub device_id: Option<String>,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.reject.code
    }
}
