//! How much and how long a session may take.

/// Bounds of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// The largest length field of a frame.
    pub frame_bytes_max: usize,
    /// From the connection's acceptance to the whole login.
    pub login_timeout_ms: u64,
    /// From a frame's first byte to its last.
    pub frame_timeout_ms: u64,
    /// From the last byte.
    pub idle_timeout_ms: u64,
}
