//! The characters that a JSON string's escapes stand for.

/// The text with its escapes resolved. Lone surrogates become three bytes each, as if they were characters, so that
/// two different texts never become equal; such text is refused before it is stored.
pub(super) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(backslash);
        plain.extend_from_slice(before);
        let (unit, used) = escape_value(escape);
        push_utf8(&mut plain, unit);
        rest = escape.get(used..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    plain
}

/// The code point that a checked escape stands for, and the escape's length.
fn escape_value(escape: &[u8]) -> (u32, usize) {
    let unit = match escape.get(1) {
        Some(b'u') => hex_unit(escape),
        Some(b'b') => 0x08,
        Some(b'f') => 0x0C,
        Some(b'n') => 0x0A,
        Some(b'r') => 0x0D,
        Some(b't') => 0x09,
        other => return (other.copied().map_or(0, u32::from), 2),
    };
    if escape.get(1) != Some(&b'u') {
        return (unit, 2);
    }
    let next = escape.get(6..).unwrap_or_default();
    if (0xD800..0xDC00).contains(&unit) && next.starts_with(b"\\u") {
        let low = hex_unit(next);
        if (0xDC00..0xE000).contains(&low) {
            let pair = (unit.wrapping_sub(0xD800) << 10) | low.wrapping_sub(0xDC00);
            return (pair.wrapping_add(0x1_0000), 12);
        }
    }
    (unit, 6)
}

fn hex_unit(escape: &[u8]) -> u32 {
    let digits = escape.get(2..6).unwrap_or_default();
    digits.iter().fold(0, |unit, &byte| unit << 4 | char::from(byte).to_digit(16).unwrap_or_default())
}

fn push_utf8(plain: &mut Vec<u8>, code_point: u32) {
    if let Some(character) = char::from_u32(code_point) {
        plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let continuation = |bits: u32| 0x80 | (bits & 0x3F).to_le_bytes()[0];
        let lead = 0xE0 | (code_point >> 12).to_le_bytes()[0];
        plain.extend_from_slice(&[lead, continuation(code_point >> 6), continuation(code_point)]);
    }
}
