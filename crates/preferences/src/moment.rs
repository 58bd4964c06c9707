//! Times of decisions.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400_000;

/// A time in UTC, in milliseconds since 1970; RFC 3339 in text (`2026-03-02T10:11:12.345Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// 9999-12-31T23:59:59.999Z, the last time that four digits of a year can say.
    const LAST: i64 = 253_402_300_799_999;

    /// Returns the moment so many milliseconds after 1970 began in UTC, at most the end of the year 9999.
    pub fn from_unix_ms(milliseconds: u64) -> Self {
        Self(i64::try_from(milliseconds).unwrap_or(Self::LAST).min(Self::LAST))
    }

    /// Returns the present time, as the system's clock has it.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix_ms(since.as_millis() as u64)
    }

    /// Returns the milliseconds since 1970 began in UTC.
    pub fn unix_ms(self) -> u64 {
        self.0 as u64
    }

    /// Reads RFC 3339, with `Z` or an offset; what is finer than milliseconds is cut off. None where the text is no such time,
    /// or one before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() || text.len() < 20 {
            return None;
        }
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
        };
        let mark = |at: usize, allowed: &[u8]| text.as_bytes().get(at).is_some_and(|byte| allowed.contains(byte));
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let marks = mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":");
        // A minute with a leap second has 61.
        let valid = (1..=days_of(year, month)?).contains(&day) && hour < 24 && minute < 60 && second < 61;
        if !marks || !valid {
            return None;
        }
        let mut at = 19;
        let mut fraction = 0;
        if mark(at, b".") {
            let digits = text[20..].bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            fraction = format!("{:0<3.3}", &text[20..20 + digits]).parse().ok()?;
            at = 20 + digits;
        }
        let offset = if mark(at, b"Zz") && text.len() == at + 1 {
            0
        } else {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if !(mark(at, b"+-") && mark(at + 3, b":") && text.len() == at + 6 && hours < 24 && minutes < 60) {
                return None;
            }
            (hours * 60 + minutes) * if mark(at, b"-") { -1 } else { 1 }
        };
        let minutes = hour * 60 + minute - offset;
        let found = days_since_1970(year, month, day) * DAY + minutes * 60_000 + second * 1000 + fraction;
        (0..=Self::LAST).contains(&found).then_some(Self(found))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
    }
}

/// Returns how many days a month has; none where there is no such month.
fn days_of(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => Some(if leap { 29 } else { 28 }),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar: years that begin in March end in their leap day.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Returns year, month and day: [`days_since_1970`] backwards.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (year + era * 400, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds by GNU date.
    #[test]
    fn times_are_those_of_other_calendars() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:00:00.000Z", 951_825_600_000),
            ("2026-03-02T10:11:12.345Z", 1_772_446_272_345),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(Moment::from_unix_ms(milliseconds).to_string(), text);
            assert_eq!(Moment::parse(text), Some(Moment::from_unix_ms(milliseconds)), "{text}");
        }
        assert_eq!(Moment::from_unix_ms(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let moment = Moment(day * DAY + 1);
            assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
        }
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let wanted = Moment::parse("2026-03-02T10:11:12.300Z");
        for text in ["2026-03-02T12:11:12.3+02:00", "2026-03-02 04:41:12.300999-05:30", "2026-03-02t10:11:12.3z"] {
            assert_eq!(Moment::parse(text), wanted, "{text}");
        }
        assert!(wanted.is_some());
    }

    #[test]
    fn what_is_no_time_in_utc_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-03-02",
            "2026-03-02T10:11:12",
            "2026-02-30T10:11:12Z",
            "2026-13-01T10:11:12Z",
            "2026-03-02T24:11:12Z",
            "2026-03-02T10:11:12.Z",
            "2026-03-02T10:11:12ZZ",
            "2026-03-02T10:11:12+2:00",
            "+026-03-02T10:11:12Z",
            "1969-12-31T23:59:59Z",
            "2026-03-02T10:11:12é",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
