//! The login: a length of 15 in two bytes, then the IMEI in ASCII.

use super::step::BadLogin;
use crate::avl::Imei;

/// The whole login.
pub(super) const LOGIN_BYTES: usize = PREFIX.len() + Imei::DIGITS;
const PREFIX: [u8; 2] = [0, 15];

/// The bytes begin as a login does, as far as they go.
pub(super) fn begins_login(bytes: &[u8]) -> bool {
    bytes.iter().zip(PREFIX).all(|(byte, expected)| *byte == expected)
}

/// The login that begins at the first byte; None until it is whole.
///
/// # Errors
///
/// At the first byte that cannot be part of one. The code depends on nothing behind it, so it is the same however
/// the bytes are cut.
pub(super) fn read_login(bytes: &[u8]) -> Result<Option<Imei>, BadLogin> {
    let (prefix, digits) = bytes.split_at(bytes.len().min(PREFIX.len()));
    match prefix {
        [] | [0] | [0, 15] => {}
        [0, _] => return Err(BadLogin::BadLength),
        [first, ..] => return Err(stranger(*first)),
    }
    let digits = digits.get(..Imei::DIGITS).unwrap_or(digits);
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadLogin::NotDigits);
    }
    Ok(Imei::from_digits(digits))
}

/// Who speaks, by the first byte: it says already that the length is not 15.
fn stranger(first: u8) -> BadLogin {
    match first {
        // The record type of a handshake, <https://www.rfc-editor.org/rfc/rfc8446#section-5.1>.
        0x16 => BadLogin::Tls,
        // GET, HEAD, POST, PUT, PATCH, DELETE, CONNECT, OPTIONS, TRACE.
        b'G' | b'H' | b'P' | b'D' | b'C' | b'O' | b'T' => BadLogin::Http,
        0x01 => BadLogin::OtherLogin,
        _ => BadLogin::BadLength,
    }
}
