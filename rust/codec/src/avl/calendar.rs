//! Milliseconds since 1970 as ISO-8601 text in UTC.

use crate::digits::{padded, write_integer};

const MS_A_DAY: u64 = 86_400_000;
/// A Gregorian era, after which the calendar repeats.
const DAYS_AN_ERA: u64 = 146_097;
/// From 0000-03-01, where the eras are counted from, to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

/// Writes `2026-05-01T09:30:00.000Z`.
///
/// From the year 10000 on it is ISO 8601's expanded form, `+010000-01-01T00:00:00.000Z`, as JavaScript
/// writes it: the contract's readers refuse that as `bad_timestamp`, so such a record is neither
/// dropped here nor changed into a date that looks right.
pub(crate) fn write_iso_timestamp(out: &mut Vec<u8>, ms_since_1970: u64) {
    let (year, month, day) = civil_date(ms_since_1970 / MS_A_DAY);
    write_year(out, year);
    // Each is below 86,400,000, so the default is never taken.
    let part = |number: u64| u32::try_from(number).unwrap_or_default();
    let ms = part(ms_since_1970 % MS_A_DAY);
    let ([m1, m2], [d1, d2]) = (padded(part(month)), padded(part(day)));
    let ([h1, h2], [i1, i2]) = (padded(ms / 3_600_000), padded(ms / 60_000 % 60));
    let ([s1, s2], [x1, x2, x3]) = (padded(ms / 1_000 % 60), padded(ms % 1_000));
    out.extend_from_slice(&[
        b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2, b'.', x1, x2, x3, b'Z',
    ]);
}

fn write_year(out: &mut Vec<u8>, year: u64) {
    if let Ok(year @ ..=9_999) = u32::try_from(year) {
        out.extend_from_slice(&padded::<4>(year));
        return;
    }
    out.push(b'+');
    if year < 100_000 {
        out.push(b'0');
    }
    write_integer(out, year);
}

/// Year, month and day of a day number, by Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in March, so the leap day is the last.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a u64 of milliseconds is at most 2^38 days, and each difference is of a larger and a smaller part"
)]
const fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + DAYS_TO_1970;
    let era = days / DAYS_AN_ERA;
    let day_of_era = days % DAYS_AN_ERA;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso_timestamp(ms: u64) -> String {
        let mut out = Vec::new();
        write_iso_timestamp(&mut out, ms);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn timestamps_are_written_as_the_contract_shows_them() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_777_627_800_000, "2026-05-01T09:30:00.000Z"),
            (4_107_542_399_001, "2100-02-28T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(iso_timestamp(ms), text);
        }
    }

    #[test]
    fn years_beyond_9999_take_the_expanded_form_up_to_the_last_millisecond() {
        assert_eq!(iso_timestamp(253_402_300_800_000), "+010000-01-01T00:00:00.000Z");
        assert_eq!(iso_timestamp(u64::MAX), "+584556019-04-03T14:25:51.615Z");
    }
}
