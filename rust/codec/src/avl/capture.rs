//! Several frames one after the other, and the search for the next sound one behind a damaged one.

use super::frame::{DATA_BYTES_MAX, Frame, decode_frame};
use super::refusal::Refusal;

/// A frame or refusal, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<'a> {
    /// Offset of the frame's first byte in all bytes.
    pub start: usize,
    /// The frame, or why it was refused; offsets in it count from `start`.
    pub outcome: Result<Frame<'a>, Refusal>,
}

/// The frames of one piece of traffic, up to its end or the first refusal.
///
/// For bytes whose extent is known, such as a line of a capture: after a refusal nothing in them can be trusted.
#[derive(Debug, Clone)]
pub struct FrameRun<'a> {
    bytes: &'a [u8],
    next: Option<usize>,
}

impl<'a> FrameRun<'a> {
    /// Empty bytes are one truncated frame.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: Some(0) }
    }
}

impl<'a> Iterator for FrameRun<'a> {
    type Item = Located<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let located = decode_at(self.bytes, self.next.take()?);
        if let Ok(frame) = &located.outcome {
            let end = located.start.saturating_add(frame.frame_bytes);
            self.next = Some(end).filter(|end| *end < self.bytes.len());
        }
        Some(located)
    }
}

/// The frames of a whole recording: after a refusal it goes on at the next frame.
///
/// That is where the refused frame ends if a preamble stands there, else at the next bytes that make
/// a sound frame; what lies between is part of the refused one.
#[derive(Debug, Clone)]
pub struct Capture<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Capture<'a> {
    /// Empty bytes hold no frame.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0 }
    }

    fn after_refusal(&self, start: usize, refusal: Refusal) -> usize {
        let declared_end = refusal
            .frame_bytes
            .map(|length| start.saturating_add(length))
            .filter(|end| begins_like_a_frame(self.bytes, *end));
        declared_end.unwrap_or_else(|| self.next_sound_frame(start.saturating_add(1)))
    }

    fn next_sound_frame(&self, from: usize) -> usize {
        (from..self.bytes.len())
            .filter(|start| begins_like_a_frame(self.bytes, *start))
            .find(|start| decode_at(self.bytes, *start).outcome.is_ok())
            .unwrap_or(self.bytes.len())
    }
}

impl<'a> Iterator for Capture<'a> {
    type Item = Located<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.bytes.len() {
            return None;
        }
        let located = decode_at(self.bytes, self.next);
        self.next = match &located.outcome {
            Ok(frame) => located.start.saturating_add(frame.frame_bytes),
            Err(refusal) => self.after_refusal(located.start, *refusal),
        };
        Some(located)
    }
}

fn decode_at(bytes: &[u8], start: usize) -> Located<'_> {
    let outcome = decode_frame(bytes.get(start..).unwrap_or_default(), DATA_BYTES_MAX);
    Located { start, outcome }
}

/// True at the end of the bytes too: there nothing contradicts the frame before.
fn begins_like_a_frame(bytes: &[u8], start: usize) -> bool {
    bytes.iter().skip(start).take(4).all(|byte| *byte == 0)
}
