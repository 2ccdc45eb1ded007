//! A time on the command line.

use std::str::FromStr;

use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::failure::Failure;

/// A time: so far from now (90d, 12h, 30m), or in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Away(Duration),
    At(OffsetDateTime),
}

impl Moment {
    /// The time, if it has passed.
    pub(crate) fn before_now(self) -> Result<OffsetDateTime, Failure> {
        match self {
            Self::At(time) => Ok(time),
            Self::Away(distance) => OffsetDateTime::now_utc()
                .checked_sub(distance)
                .ok_or_else(|| Failure::usage("the time is too far away")),
        }
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(time));
        }
        let wrong = "not a time such as 90d, 12h, 30m or 2027-01-31T12:00:00Z";
        let (number, unit) = text
            .split_at_checked(text.len().saturating_sub(1))
            .ok_or(wrong)?;
        let number: u16 = number.parse().map_err(|_| wrong)?;
        match unit {
            "d" => Ok(Self::Away(Duration::days(number.into()))),
            "h" => Ok(Self::Away(Duration::hours(number.into()))),
            "m" => Ok(Self::Away(Duration::minutes(number.into()))),
            _ => Err(wrong),
        }
    }
}
