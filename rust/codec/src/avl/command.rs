//! Codec 12 to 15: the check that a command frame is well-formed.

use super::cursor::Cursor;
use super::fault::Fault;

/// Walks over `quantity` messages: type (1 byte), size (4 bytes), `size` bytes.
///
/// In codec 13, 14 and 15 the size covers the timestamp and IMEI that precede the text.
pub(super) fn check_messages(data: &mut Cursor<'_>, quantity: u8) -> Result<(), Fault> {
    for _ in 0..quantity {
        data.u8().map_err(Fault::missing)?;
        let size = data.u32().map_err(Fault::missing)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        data.take(size).map_err(Fault::overrun)?;
    }
    Ok(())
}
