//! Replies other than deliveries: any RESP2 or RESP3 value, as a tree.

use super::ProtocolError;
use super::buffer::{Line, Scan, bulk, line};

/// Deeper nesting is refused: no command in use answers with more than a handful of levels.
const DEPTH_MAX: usize = 32;
/// What is reserved for an aggregate on its own word.
const RESERVED_MAX: usize = 1024;

/// A Redis reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// RESP3 null, RESP2 null bulk string or null array.
    Null,
    /// A simple, bulk or verbatim string, or a big number's digits.
    Bytes(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// A RESP3 double.
    Double(f64),
    /// A RESP3 boolean.
    Boolean(bool),
    /// An array or a RESP3 set.
    Array(Vec<Value>),
    /// A RESP3 map, in the server's order.
    Map(Vec<(Value, Value)>),
    /// An error, simple or bulk.
    Error(ReplyError),
    /// An out-of-band RESP3 push.
    Push(Vec<Value>),
}

/// An error that Redis answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// The first word, such as `NOGROUP`.
    pub code: String,
    /// The whole text.
    pub message: String,
}

impl ReplyError {
    pub(super) fn new(text: &[u8]) -> Self {
        let message = String::from_utf8_lossy(text).into_owned();
        let code = message.split(' ').next().unwrap_or_default().to_owned();
        Self { code, message }
    }
}

/// The value that begins at `at`, and where the next one does.
pub(super) fn value(bytes: &[u8], at: usize) -> Scan<(Value, usize)> {
    Parser { bytes }.value(at, 1)
}

#[derive(Clone, Copy)]
struct Parser<'a> {
    bytes: &'a [u8],
}

impl<'a> Parser<'a> {
    fn value(self, at: usize, depth: usize) -> Scan<(Value, usize)> {
        if depth > DEPTH_MAX {
            return Err(ProtocolError("a reply is nested too deeply"));
        }
        let Some(header) = line(self.bytes, at)? else {
            return Ok(None);
        };
        let here = |value| Ok(Some((value, header.end)));
        match header.kind {
            b'+' | b'(' => here(Value::Bytes(header.text.to_vec())),
            b'-' => here(Value::Error(ReplyError::new(header.text))),
            b':' => here(Value::Integer(header.integer()?)),
            b'_' => here(Value::Null),
            b'#' => here(Value::Boolean(boolean(header.text)?)),
            b',' => here(Value::Double(double(header.text)?)),
            b'$' | b'!' | b'=' => self.string(&header),
            b'*' | b'~' | b'>' => self.sequence(&header, depth),
            b'%' => self.map(&header, depth),
            b'|' => self.after_attributes(&header, depth),
            _ => Err(ProtocolError("a reply begins with an unknown type byte")),
        }
    }

    fn string(self, header: &Line<'a>) -> Scan<(Value, usize)> {
        let Some(length) = header.length()? else {
            return Ok(Some((Value::Null, header.end)));
        };
        let Some(contents) = bulk(self.bytes, header.end, length)? else {
            return Ok(None);
        };
        let value = match header.kind {
            b'!' => Value::Error(ReplyError::new(contents)),
            // `txt:` or `mkd:` stands before a verbatim string's text.
            b'=' => Value::Bytes(contents.get(4..).unwrap_or_default().to_vec()),
            _ => Value::Bytes(contents.to_vec()),
        };
        Ok(Some((value, header.end.saturating_add(length).saturating_add(2))))
    }

    fn sequence(self, header: &Line<'a>, depth: usize) -> Scan<(Value, usize)> {
        let Some(count) = header.length()? else {
            return Ok(Some((Value::Null, header.end)));
        };
        let Some((items, end)) = self.items(header.end, count, depth)? else {
            return Ok(None);
        };
        let value = if header.kind == b'>' { Value::Push(items) } else { Value::Array(items) };
        Ok(Some((value, end)))
    }

    fn map(self, header: &Line<'a>, depth: usize) -> Scan<(Value, usize)> {
        let pairs = header.length()?.unwrap_or_default();
        let Some((items, end)) = self.items(header.end, pairs.saturating_mul(2), depth)? else {
            return Ok(None);
        };
        let mut items = items.into_iter();
        let mut map = Vec::with_capacity(pairs);
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            map.push((key, value));
        }
        Ok(Some((Value::Map(map), end)))
    }

    /// Attributes say something about the value that follows them; nothing here asks for it.
    fn after_attributes(self, header: &Line<'a>, depth: usize) -> Scan<(Value, usize)> {
        match self.map(header, depth)? {
            None => Ok(None),
            Some((_, end)) => self.value(end, depth.saturating_add(1)),
        }
    }

    fn items(self, mut at: usize, count: usize, depth: usize) -> Scan<(Vec<Value>, usize)> {
        let mut items = Vec::with_capacity(count.min(RESERVED_MAX));
        for _ in 0..count {
            let Some((item, end)) = self.value(at, depth.saturating_add(1))? else {
                return Ok(None);
            };
            items.push(item);
            at = end;
        }
        Ok(Some((items, at)))
    }
}

fn boolean(text: &[u8]) -> Result<bool, ProtocolError> {
    match text {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(ProtocolError("a boolean is neither t nor f")),
    }
}

fn double(text: &[u8]) -> Result<f64, ProtocolError> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ProtocolError("a double was expected"))
}
