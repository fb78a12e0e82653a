//! The three clocks of a session, and the two of its end.

use super::limits::SessionLimits;

/// From the refusal to the end: the device reads the answer meanwhile.
const REFUSED_MS: u64 = 2_000;
/// From our FIN to the end: what the device still sends is read, or the kernel would send RST and the answer be lost.
const LINGER_MS: u64 = 1_000;

/// Which clock ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The login was not whole in time.
    Login,
    /// A frame was not whole in time.
    Frame,
    /// Nothing came for too long.
    Idle,
    /// The login was refused, and the device has had time to read that.
    Refused,
    /// FIN was sent, and the device has had time to answer it.
    Lingered,
}

impl Expiry {
    /// The name as it stands in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Frame => "frame",
            Self::Idle => "idle",
            Self::Refused => "refused",
            Self::Lingered => "lingered",
        }
    }
}

/// What a session waits for, as far as time is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) enum Awaited {
    Login,
    /// The rest of a frame.
    Frame,
    /// Anything.
    Bytes,
    /// The end, after a refused login.
    RefusedEnd,
    /// The end, after FIN.
    LingerEnd,
}

/// Times in milliseconds of one clock.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "units stand last in names")]
pub(super) struct Clocks {
    /// Of the acceptance; later of the refusal, or of FIN.
    since_ms: u64,
    /// Of the last byte.
    heard_ms: u64,
    /// Of the first byte of what is not whole.
    begun_ms: u64,
}

impl Clocks {
    pub(super) fn start(now_ms: u64) -> Self {
        Self { since_ms: now_ms, heard_ms: now_ms, begun_ms: now_ms }
    }

    pub(super) fn hear(&mut self, now_ms: u64, begins: bool) {
        self.heard_ms = now_ms;
        if begins {
            self.begun_ms = now_ms;
        }
    }

    /// A step was taken; what is left came with the last bytes.
    pub(super) fn step(&mut self) {
        self.begun_ms = self.heard_ms;
    }

    /// The end begins.
    pub(super) fn end(&mut self, now_ms: u64) {
        self.since_ms = now_ms;
    }

    /// Nothing is read while a frame is in hand: that time is not the device's.
    pub(super) fn pause(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.begun_ms = now_ms;
    }

    pub(super) fn expired(&self, awaited: Awaited, now_ms: u64, limits: &SessionLimits) -> Option<Expiry> {
        let over = |since_ms: u64, limit_ms| now_ms.saturating_sub(since_ms) >= limit_ms;
        let found = |is_over: bool, expiry| is_over.then_some(expiry);
        let idle = || found(over(self.heard_ms, limits.idle_timeout_ms), Expiry::Idle);
        match awaited {
            Awaited::Login => found(over(self.since_ms, limits.login_timeout_ms), Expiry::Login),
            Awaited::Frame => found(over(self.begun_ms, limits.frame_timeout_ms), Expiry::Frame).or_else(idle),
            Awaited::Bytes => idle(),
            Awaited::RefusedEnd => found(over(self.since_ms, REFUSED_MS), Expiry::Refused),
            Awaited::LingerEnd => found(over(self.since_ms, LINGER_MS), Expiry::Lingered),
        }
    }
}
