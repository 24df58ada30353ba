//! Date and Timestamp.

use core::fmt;

use crate::{Cursor, HeaderName, Text, TypedHeader, Unexpected};

/// A point in time, in GMT, to the second ([RFC 3261 §20.17]).
///
/// [RFC 3261 §20.17]: https://www.rfc-editor.org/rfc/rfc3261#section-20.17
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Date {
    unix_seconds: u64,
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: u64 = 86_400;
/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

impl Date {
    /// Seconds since 1970-01-01 00:00:00 GMT; at most the year 9999.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        Self { unix_seconds: seconds.min(LAST) }
    }

    /// Seconds since 1970-01-01 00:00:00 GMT.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.unix_seconds
    }

    /// Year, month (from 1) and day (from 1).
    fn civil(self) -> (u64, u64, u64) {
        // Years counted from March, so that the leap day is a year's last (a cycle of 400 years has 146,097 days).
        let days = self.unix_seconds / DAY + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        (era * 400 + year_of_era + u64::from(month <= 2), month, day)
    }

    /// Days since 1970 for a valid date from then on.
    fn days(year: u64, month: u64, day: u64) -> Option<u64> {
        let year_from_march = year - u64::from(month <= 2);
        let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era).checked_sub(719_468)
    }
}

impl TypedHeader for Date {
    const NAME: HeaderName = HeaderName::DATE;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let weekday = cursor.word(&WEEKDAYS, "a day of the week, as Mon")?;
        cursor.expect(b',', "a comma after the day of the week")?;
        cursor.skip_space();
        let day_at = cursor.at();
        let day = cursor.digits(2, "a day of two digits")?;
        cursor.skip_space();
        let month = cursor.word(&MONTHS, "a month, as Jan")? + 1;
        cursor.skip_space();
        let year = cursor.digits(4, "a year of four digits")?;
        cursor.skip_space();
        let time_at = cursor.at();
        let hour = cursor.digits(2, "an hour of two digits")?;
        cursor.expect(b':', "a colon")?;
        let minute = cursor.digits(2, "a minute of two digits")?;
        cursor.expect(b':', "a colon")?;
        let second = cursor.digits(2, "a second of two digits")?;
        cursor.skip_space();
        let zone_at = cursor.at();
        if !cursor.token("GMT")?.eq_ignore_ascii_case("GMT") {
            return Err(Unexpected { at: zone_at, expected: "GMT" });
        }
        if hour > 23 || minute > 59 || second > 60 {
            return Err(Unexpected { at: time_at, expected: "a time of day" });
        }
        let days = if (1970..=9999).contains(&year) && day > 0 { Self::days(year, month, day) } else { None };
        let date =
            days.map(|days| Self::from_unix_seconds(days * DAY + hour * 3600 + minute * 60 + second.min(59)));
        match date {
            Some(date) if date.civil() == (year, month, day) && (date.unix_seconds / DAY) % 7 == weekday => {
                Ok(date)
            }
            _ => Err(Unexpected { at: day_at, expected: "a date that exists, with its day of the week" }),
        }
    }
}

impl Cursor<'_> {
    /// One of `words`, in any case; gives its index.
    fn word(&mut self, words: &[&str], expected: &'static str) -> Result<u64, Unexpected> {
        let at = self.at();
        let found = self.token(expected)?;
        let index = words.iter().position(|word| found.eq_ignore_ascii_case(word));
        index.map(|index| index as u64).ok_or(Unexpected { at, expected })
    }

    /// A number of exactly `count` digits.
    fn digits(&mut self, count: usize, expected: &'static str) -> Result<u64, Unexpected> {
        let at = self.at();
        let number = self.number(expected)?;
        if self.at() - at == count { Ok(number.into()) } else { Err(Unexpected { at, expected }) }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        let name = |names: &[&'static str], index: u64| {
            usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
        };
        let weekday = name(&WEEKDAYS, self.unix_seconds / DAY % 7);
        let month = name(&MONTHS, month - 1);
        let second = self.unix_seconds % DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// When the sender sent, by its own clock, and how long the answer took ([RFC 3261 §20.38]).
///
/// [RFC 3261 §20.38]: https://www.rfc-editor.org/rfc/rfc3261#section-20.38
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timestamp {
    /// Seconds, perhaps with a fraction.
    pub time: Text,
    /// Seconds the server took, perhaps with a fraction.
    pub delay: Option<Text>,
}

fn read_decimal(cursor: &mut Cursor<'_>, whole: bool) -> Result<Text, Unexpected> {
    let start = cursor.at();
    let count = |cursor: &mut Cursor<'_>| {
        let digits = cursor.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        cursor.advance(digits);
        digits
    };
    if count(cursor) == 0 && whole {
        return Err(cursor.unexpected("a number of seconds"));
    }
    if cursor.eat(b'.') {
        count(cursor);
    }
    Ok(cursor.text(start, cursor.at()))
}

impl TypedHeader for Timestamp {
    const NAME: HeaderName = HeaderName::TIMESTAMP;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let time = read_decimal(cursor, true)?;
        let space = cursor.at();
        cursor.skip_space();
        let delay = if cursor.at() == space { None } else { Some(read_decimal(cursor, false)?) };
        Ok(Self { time, delay: delay.filter(|delay| !delay.is_empty()) })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.time)?;
        match &self.delay {
            Some(delay) => write!(f, " {delay}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::whole;

    // rfc: 3261 §20.17 — Date: RFC 1123 form, GMT only
    #[test]
    fn dates_are_read_and_written_in_gmt() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
            ("Thu, 21 Feb 2002 13:02:03 GMT", 1_014_296_523),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Fri, 31 Dec 9999 23:59:59 GMT", LAST),
        ] {
            let date = whole(text, Date::parse).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(date.unix_seconds(), seconds, "{text}");
            assert_eq!(date.to_string(), text);
        }
        for wrong in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Sat, 01 Jan 2010 16:00:00 GMT",
            "Mon, 29 Feb 2010 16:00:00 GMT",
            "Fri, 1 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "Fri, 00 Jan 2010 16:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
        ] {
            assert!(whole(wrong, Date::parse).is_err(), "{wrong}");
        }
    }

    // rfc: 3261 §20.38 — Timestamp with fraction and delay
    #[test]
    fn timestamps_have_fractions_and_a_delay() {
        for text in ["54", "54.25", "54. .5", "54.0 3"] {
            assert_eq!(whole(text, Timestamp::parse).unwrap().to_string(), text);
        }
        assert!(whole("x", Timestamp::parse).is_err());
    }
}
