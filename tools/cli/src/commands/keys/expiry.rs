//! When a key expires.

use std::str::FromStr;

use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::failure::Failure;

/// When a key expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Never,
    In(Duration),
    At(OffsetDateTime),
}

impl Expiry {
    pub(super) fn time(self) -> Result<Option<OffsetDateTime>, Failure> {
        let now = OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        Ok(match self {
            Self::Never => None,
            Self::In(time) => Some(
                now.checked_add(time)
                    .ok_or_else(|| Failure::usage("the key would expire too far away"))?,
            ),
            Self::At(time) => Some(time),
        })
    }
}

impl FromStr for Expiry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "never" => return Ok(Self::Never),
            "now" => return Ok(Self::In(Duration::ZERO)),
            _ => {}
        }
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(time));
        }
        let wrong = "not a time such as 90d, 12h, 30m or 2027-01-31T12:00:00Z";
        let (number, unit) = text
            .split_at_checked(text.len().saturating_sub(1))
            .ok_or(wrong)?;
        let number: u16 = number.parse().map_err(|_| wrong)?;
        match unit {
            "d" => Ok(Self::In(Duration::days(number.into()))),
            "h" => Ok(Self::In(Duration::hours(number.into()))),
            "m" => Ok(Self::In(Duration::minutes(number.into()))),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_read() {
        for (text, expiry) in [
            ("never", Expiry::Never),
            ("now", Expiry::In(Duration::ZERO)),
            ("90d", Expiry::In(Duration::days(90))),
            ("12h", Expiry::In(Duration::hours(12))),
            ("30m", Expiry::In(Duration::minutes(30))),
            (
                "2027-01-31T12:00:00Z",
                Expiry::At(time::macros::datetime!(2027-01-31 12:00 UTC)),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expiry), "{text}");
        }
        for text in [
            "",
            "d",
            "90",
            "-1d",
            "1.5d",
            "90 d",
            "90w",
            "1€",
            "2027-01-31",
        ] {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }
}
