//! A JSON scanner (RFC 8259) over bytes that are known to be UTF-8: finds tokens, keeps their places, copies nothing.

use super::error::{Code, Reject};

/// More levels of objects and arrays than this are `too_deep` (contract §2).
pub(super) const DEPTH_MAX: usize = 64;

/// A string's place between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub start: usize,
    pub end: usize,
    /// Holds at least one backslash escape.
    pub escaped: bool,
    /// Holds `\u0000` or a lone surrogate.
    pub unstorable: bool,
}

/// A number's place and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub start: usize,
    pub end: usize,
    /// Digits before the point.
    pub integer_digits: usize,
    /// Digits after the point.
    pub fraction_digits: usize,
    /// Where the exponent's sign or first digit stands.
    pub exponent: Option<usize>,
}

impl Number {
    /// Has neither a fraction nor an exponent.
    pub fn is_integer(&self) -> bool {
        self.fraction_digits == 0 && self.exponent.is_none()
    }
}

/// The type of a value, which its first byte shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    /// `true`, `false` or `null`.
    Literal,
}

/// A position in the text; every method leaves it behind what it has read.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Scan<T> = Result<T, Reject>;

impl<'a> Scanner<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub fn advance(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }

    pub fn bad<T>(&self) -> Scan<T> {
        Err(Reject::at(Code::BadJson, self.at.min(self.bytes.len())))
    }

    #[inline]
    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.advance(1);
        }
    }

    /// Takes `literal` if it stands here.
    #[inline]
    pub fn take(&mut self, literal: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(literal));
        if found {
            self.advance(literal.len());
        }
        found
    }

    #[inline]
    pub fn take_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.advance(1);
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.take_byte(byte) { Ok(()) } else { self.bad() }
    }

    /// After white space: the kind of the value that begins here.
    #[inline]
    pub fn kind(&mut self) -> Scan<Kind> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b't' | b'f' | b'n') => Ok(Kind::Literal),
            _ => self.bad(),
        }
    }

    /// Steps into an object or array; true if it has a first member, false if it is empty and already left.
    #[inline]
    pub fn enter(&mut self, close: u8) -> bool {
        self.advance(1);
        self.skip_space();
        !self.take_byte(close)
    }

    /// Behind a member: true if another follows, false if the object or array has ended here.
    #[inline]
    pub fn another(&mut self, close: u8) -> Scan<bool> {
        self.skip_space();
        if self.take_byte(b',') {
            self.skip_space();
            return Ok(true);
        }
        self.expect(close)?;
        Ok(false)
    }

    /// An object's key and the colon behind it.
    #[inline]
    pub fn key(&mut self) -> Scan<Text> {
        let key = self.text()?;
        self.skip_space();
        self.expect(b':')?;
        Ok(key)
    }

    /// A string.
    #[inline]
    pub fn text(&mut self) -> Scan<Text> {
        self.expect(b'"')?;
        let start = self.at;
        let mut text = Text { start, end: start, escaped: false, unstorable: false };
        loop {
            self.skip_plain_text();
            match self.peek() {
                Some(b'"') => {
                    text.end = self.at;
                    self.advance(1);
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.escaped = true;
                    text.unstorable |= !self.escape()?;
                }
                _ => return self.bad(),
            }
        }
    }

    /// Stops at the first quote, backslash, control character or the end; eight bytes a step.
    #[inline]
    fn skip_plain_text(&mut self) {
        while let Some(window) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let stops = stop_bits(u64::from_le_bytes(*window));
            if stops != 0 {
                self.advance((stops.trailing_zeros() / 8) as usize);
                return;
            }
            self.advance(8);
        }
        while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.advance(1);
        }
    }

    /// One escape; false if it is one that PostgreSQL cannot store.
    fn escape(&mut self) -> Scan<bool> {
        self.advance(1);
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.advance(1);
                Ok(true)
            }
            Some(b'u') => {
                self.advance(1);
                let unit = self.hex4()?;
                match unit {
                    0 | 0xDC00..=0xDFFF => Ok(false),
                    0xD800..=0xDBFF => self.low_surrogate(),
                    _ => Ok(true),
                }
            }
            _ => self.bad(),
        }
    }

    /// Behind a high surrogate: takes the low one that must follow; false if there is none.
    fn low_surrogate(&mut self) -> Scan<bool> {
        let behind_high = self.at;
        if !self.take(b"\\u") {
            return Ok(false);
        }
        let unit = self.hex4()?;
        if (0xDC00..=0xDFFF).contains(&unit) {
            return Ok(true);
        }
        // Another escape stands here: it is judged by itself.
        self.at = behind_high;
        Ok(false)
    }

    fn hex4(&mut self) -> Scan<u32> {
        let mut unit = 0u32;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.bad();
            };
            unit = unit << 4 | digit;
            self.advance(1);
        }
        Ok(unit)
    }

    /// A number by JSON's grammar.
    #[inline]
    pub fn number(&mut self) -> Scan<Number> {
        let start = self.at;
        self.take_byte(b'-');
        let first = self.at;
        let leading_zero = self.peek() == Some(b'0');
        let integer_digits = self.digits()?;
        if leading_zero && integer_digits > 1 {
            self.at = first.saturating_add(1);
            return self.bad();
        }
        let fraction_digits = if self.take_byte(b'.') { self.digits()? } else { 0 };
        let mut exponent = None;
        if let Some(b'e' | b'E') = self.peek() {
            self.advance(1);
            exponent = Some(self.at);
            if let Some(b'+' | b'-') = self.peek() {
                self.advance(1);
            }
            self.digits()?;
        }
        Ok(Number { start, end: self.at, integer_digits, fraction_digits, exponent })
    }

    /// One digit at least.
    #[inline]
    fn digits(&mut self) -> Scan<usize> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.advance(1);
        }
        match self.at.wrapping_sub(start) {
            0 => self.bad(),
            count => Ok(count),
        }
    }

    /// `true`, `false` or `null`.
    pub fn literal(&mut self) -> Scan<()> {
        if self.take(b"true") || self.take(b"false") || self.take(b"null") { Ok(()) } else { self.bad() }
    }

    /// Reads over any value that stands at nesting level `depth` (the whole payload is level 1).
    pub fn skip_value(&mut self, depth: usize) -> Scan<()> {
        match self.kind()? {
            Kind::Text => self.text().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Literal => self.literal(),
            Kind::Array => {
                self.check_depth(depth)?;
                let mut more = self.enter(b']');
                while more {
                    self.skip_value(depth.saturating_add(1))?;
                    more = self.another(b']')?;
                }
                Ok(())
            }
            Kind::Object => {
                self.check_depth(depth)?;
                let mut more = self.enter(b'}');
                while more {
                    self.key()?;
                    self.skip_value(depth.saturating_add(1))?;
                    more = self.another(b'}')?;
                }
                Ok(())
            }
        }
    }

    fn check_depth(&self, depth: usize) -> Scan<()> {
        if depth > DEPTH_MAX { Err(Reject::at(Code::TooDeep, self.at)) } else { Ok(()) }
    }

    /// Nothing but white space is left.
    pub fn finish(&mut self) -> Scan<()> {
        self.skip_space();
        if self.at == self.bytes.len() { Ok(()) } else { self.bad() }
    }
}

/// A high bit for each byte that ends plain text: quote, backslash or below 0x20 (Mycroft's zero-byte trick; only the
/// lowest set bit is exact, which is the one that is used).
#[inline]
fn stop_bits(window: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |value: u64| value.wrapping_sub(ONES) & !value;
    let quote = zero_byte(window ^ 0x2222_2222_2222_2222);
    let backslash = zero_byte(window ^ 0x5C5C_5C5C_5C5C_5C5C);
    let control = window.wrapping_sub(0x2020_2020_2020_2020) & !window;
    (quote | backslash | control) & HIGHS
}
