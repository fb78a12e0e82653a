//! Redis' replies to pipelined commands, counted for the frame that each command belongs to.
//!
//! A frame is confirmed when every one of its XADDs was answered by an entry's id, and refused when one was answered by
//! an error. Of a refused one whose first records were taken, and no others, the rest can be sent on. Replies come in
//! the order of the commands, so they are counted from the front of a queue.

use std::collections::VecDeque;

use memchr::memmem;

use super::buffer::{Buffer, bulk, line};
use super::{ProtocolError, ReplyError};
use crate::StreamId;
use crate::avl::{AcceptedFrame, FrameNumber};

/// Redis has taken every record of one frame. Only a [`ReplyCounter`] makes one.
///
/// ```compile_fail,E0451
/// fn forged(confirmation: codec::resp::Confirmation) -> codec::resp::Confirmation {
///     codec::resp::Confirmation { ..confirmation }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Confirmation {
    frame: FrameNumber,
}

impl Confirmation {
    /// It is this frame's.
    pub(crate) fn names(&self, frame: FrameNumber) -> bool {
        self.frame == frame
    }
}

/// What became of a command, or of the commands of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Redis has taken every record of the frame.
    Confirmed(Confirmation),
    /// Redis answered one of the commands with an error.
    Refused(Refusal),
    /// The reply to another command: its line with the type byte, without the line's end. A bulk string is `$` and its
    /// content.
    Reply(Vec<u8>),
}

/// An error among the replies to a frame's commands, or to another command.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first one.
    pub error: ReplyError,
    /// What can be sent on: of a frame alone, and only if Redis has taken no record behind the one that it refused.
    pub rest: Option<Rest>,
}

/// The last records of one frame, which Redis has not taken; it has all those before them. Only a [`ReplyCounter`]
/// makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    frame: FrameNumber,
    records: usize,
    taken: usize,
}

impl Rest {
    /// The number of records before it.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }
}

/// Longer replies are refused: an id has 41 bytes at most.
const REPLY_BYTES_MAX: usize = 64 * 1024;

/// The replies of one connection. Each command, or frame, has a waiter, whatever that is.
#[derive(Debug)]
pub struct ReplyCounter<W> {
    buffer: Buffer,
    expected: VecDeque<Expected<W>>,
    owed: usize,
    settled: Vec<(W, Outcome)>,
    broken: Option<ProtocolError>,
}

#[derive(Debug)]
struct Expected<W> {
    waiter: W,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Frame(Counting),
    Other,
}

/// What has come of a frame's replies.
#[derive(Debug)]
struct Counting {
    number: FrameNumber,
    records: usize,
    /// Before the first error.
    taken: usize,
    owed: usize,
    error: Option<ReplyError>,
    /// A record was taken behind one that was refused.
    torn: bool,
    /// An ASKING goes before each XADD.
    asking: bool,
    /// The error that the last ASKING was answered with. It matters if its XADD is refused.
    not_asked: Option<ReplyError>,
}

impl<W> Default for ReplyCounter<W> {
    fn default() -> Self {
        Self { buffer: Buffer::default(), expected: VecDeque::new(), owed: 0, settled: Vec::new(), broken: None }
    }
}

impl<W> ReplyCounter<W> {
    /// For a new connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The commands of this frame are sent next.
    pub fn expect(&mut self, frame: &AcceptedFrame, waiter: W) {
        self.expect_rest(&Rest { frame: frame.number(), records: frame.replies, taken: 0 }, false, waiter);
    }

    /// The commands of the rest of a frame are sent next, each behind an ASKING if `asking`.
    pub fn expect_rest(&mut self, rest: &Rest, asking: bool, waiter: W) {
        let counting = Counting::new(rest, asking);
        self.owed = self.owed.saturating_add(counting.owed);
        self.expected.push_back(Expected { waiter, kind: Kind::Frame(counting) });
    }

    /// A command with one reply is sent next.
    pub fn expect_other(&mut self, waiter: W) {
        self.owed = self.owed.saturating_add(1);
        self.expected.push_back(Expected { waiter, kind: Kind::Other });
    }

    /// Replies that have not come yet.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Takes bytes from the socket, cut anywhere.
    ///
    /// # Errors
    ///
    /// The peer does not speak the protocol, sends what nobody waits for, or answers XADD with something else than an
    /// id: then no later reply can be trusted, and every further call fails.
    pub fn feed(&mut self, data: &[u8]) -> Result<(), ProtocolError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.count(data).inspect_err(|error| self.broken = Some(*error))
    }

    fn count(&mut self, data: &[u8]) -> Result<(), ProtocolError> {
        if self.buffer.rest().is_empty() {
            let rest = self.take_replies(data)?;
            self.buffer.feed(rest);
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.feed(data);
        let left = self.take_replies(buffer.rest())?.len();
        let taken = buffer.rest().len().saturating_sub(left);
        buffer.consume(taken);
        self.buffer = buffer;
        Ok(())
    }

    /// Takes whole replies; what is left is part of one.
    fn take_replies<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        let mut rest = bytes;
        while let Some((reply, length)) = read_reply(rest)? {
            self.take(&reply)?;
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(rest)
    }

    fn take(&mut self, reply: &Reply<'_>) -> Result<(), ProtocolError> {
        let expected = self.expected.front_mut().ok_or(ProtocolError("a reply came that nobody waits for"))?;
        if let Kind::Frame(counting) = &mut expected.kind {
            counting.take(reply)?;
        }
        self.owed = self.owed.saturating_sub(1);
        if matches!(&expected.kind, Kind::Frame(counting) if counting.owed > 0) {
            return Ok(());
        }
        if let Some(Expected { waiter, kind }) = self.expected.pop_front() {
            self.settled.push((waiter, kind.outcome(reply)));
        }
        Ok(())
    }

    /// Every waiter that is held.
    pub fn waiters(&self) -> impl Iterator<Item = &W> {
        let expected = self.expected.iter().map(|expected| &expected.waiter);
        expected.chain(self.settled.iter().map(|(waiter, _)| waiter))
    }

    /// What is complete since the last call, in order.
    pub fn take_settled(&mut self) -> Vec<(W, Outcome)> {
        std::mem::take(&mut self.settled)
    }

    /// The connection is gone: the waiters of all that is not complete. Nothing is owed then.
    pub fn drop_expected(&mut self) -> Vec<W> {
        self.owed = 0;
        self.buffer = Buffer::default();
        std::mem::take(&mut self.expected).into_iter().map(|expected| expected.waiter).collect()
    }
}

impl Counting {
    fn new(rest: &Rest, asking: bool) -> Self {
        let Rest { frame, records, taken } = *rest;
        let left = records.saturating_sub(taken);
        Self {
            number: frame,
            records,
            taken,
            owed: if asking { left.saturating_mul(2) } else { left },
            error: None,
            torn: false,
            asking,
            not_asked: None,
        }
    }

    fn take(&mut self, reply: &Reply<'_>) -> Result<(), ProtocolError> {
        if self.asking && self.owed.is_multiple_of(2) {
            self.not_asked = match reply {
                Reply::Line(b'+', _) => None,
                Reply::Error(text) => Some(ReplyError::new(text)),
                _ => return Err(ProtocolError("ASKING was answered by something else than OK")),
            };
        } else {
            match reply {
                Reply::Bulk(id) if StreamId::parse(id).is_some() && self.error.is_some() => self.torn = true,
                Reply::Bulk(id) if StreamId::parse(id).is_some() => self.taken = self.taken.saturating_add(1),
                Reply::Error(text) => {
                    let not_asked = self.not_asked.take();
                    self.error.get_or_insert_with(|| not_asked.unwrap_or_else(|| ReplyError::new(text)));
                }
                _ => return Err(ProtocolError("XADD was answered by something else than an id")),
            }
        }
        self.owed = self.owed.saturating_sub(1);
        Ok(())
    }

    fn outcome(self) -> Outcome {
        let Self { number: frame, records, taken, error, torn, .. } = self;
        match error {
            None => Outcome::Confirmed(Confirmation { frame }),
            Some(error) => Outcome::Refused(Refusal { error, rest: (!torn).then_some(Rest { frame, records, taken }) }),
        }
    }
}

impl Kind {
    fn outcome(self, reply: &Reply<'_>) -> Outcome {
        match self {
            Self::Frame(counting) => counting.outcome(),
            Self::Other => match reply {
                Reply::Error(text) => Outcome::Refused(Refusal { error: ReplyError::new(text), rest: None }),
                Reply::Bulk(content) => Outcome::Reply([b"$", *content].concat()),
                Reply::Line(kind, text) => Outcome::Reply([&[*kind], *text].concat()),
                Reply::Null => Outcome::Reply(b"_".to_vec()),
            },
        }
    }
}

/// One reply, as far as it matters here.
enum Reply<'a> {
    Bulk(&'a [u8]),
    Error(&'a [u8]),
    /// A simple string or an integer: type byte and text.
    Line(u8, &'a [u8]),
    Null,
}

/// An error's text may hold anything but its own end, a lone CR or LF included.
fn read_error(text: &[u8]) -> Result<Option<(Reply<'_>, usize)>, ProtocolError> {
    let end = memmem::find(text, b"\r\n");
    let seen = text.strip_suffix(b"\r").unwrap_or(text).len();
    // Judged by its length alone, so that a line cut in two is refused exactly where a whole one is.
    if end.unwrap_or(seen) > REPLY_BYTES_MAX {
        return Err(ProtocolError("an error is too long"));
    }
    let Some(text) = end.and_then(|end| text.get(..end)) else { return Ok(None) };
    Ok(Some((Reply::Error(text), text.len().saturating_add(3))))
}

/// The reply at the front and its length; None until it is whole.
fn read_reply(bytes: &[u8]) -> Result<Option<(Reply<'_>, usize)>, ProtocolError> {
    if let Some((b'-', text)) = bytes.split_first() {
        return read_error(text);
    }
    let Some(header) = line(bytes, 0)? else { return Ok(None) };
    let here = |reply| Ok(Some((reply, header.end)));
    match header.kind {
        b'+' => return here(Reply::Line(header.kind, header.text)),
        b':' => {
            header.integer()?;
            return here(Reply::Line(header.kind, header.text));
        }
        b'_' => return here(Reply::Null),
        b'$' | b'!' => {}
        _ => return Err(ProtocolError("a reply is no string, error, integer or null")),
    }
    let Some(length) = header.length()? else { return here(Reply::Null) };
    if length > REPLY_BYTES_MAX {
        return Err(ProtocolError("a reply is too long"));
    }
    let Some(content) = bulk(bytes, header.end, length)? else { return Ok(None) };
    let reply = if header.kind == b'!' { Reply::Error(content) } else { Reply::Bulk(content) };
    Ok(Some((reply, header.end.saturating_add(length).saturating_add(2))))
}
