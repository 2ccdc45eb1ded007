//! When a key expires.

use std::str::FromStr;

use time::{Duration, OffsetDateTime};

use crate::{failure::Failure, moment::Moment};

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
        Ok(match text.parse()? {
            Moment::Away(time) => Self::In(time),
            Moment::At(time) => Self::At(time),
        })
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
