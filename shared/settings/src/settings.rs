//! Environment variables, read into types.

use std::{fmt, str::FromStr};

/// Environment variables, or what stands in for them.
///
/// Only a program's `main` reads the environment itself.
pub struct Settings(Box<Var>);

type Var = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Settings {
    /// Settings whose values `var` returns.
    pub fn new(var: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Box::new(var))
    }

    /// The value of a variable; `None` if it is unset or empty.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// The value of a variable that has no default.
    ///
    /// # Errors
    /// It is unset or empty.
    pub fn required(&self, name: &'static str) -> Result<String, InvalidSetting> {
        self.get(name)
            .ok_or_else(|| InvalidSetting::new(name, "not set"))
    }

    /// The parsed value of a variable, or `default` if it is unset or empty.
    ///
    /// # Errors
    /// It does not parse.
    pub fn parse<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
        default: T,
    ) -> Result<T, InvalidSetting> {
        match self.get(name) {
            None => Ok(default),
            Some(_) => self.parse_strict(name, default),
        }
    }

    /// The number in a variable, or `default` if it is unset or empty.
    ///
    /// # Errors
    /// It is not a whole number.
    pub fn number(&self, name: &'static str, default: u64) -> Result<u64, InvalidSetting> {
        self.parse(name, default)
            .map_err(|_| InvalidSetting::new(name, "not a whole number"))
    }

    /// The parsed value of a variable, or `default` if it is unset. An empty value is parsed too.
    ///
    /// # Errors
    /// It does not parse.
    pub fn parse_strict<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
        default: T,
    ) -> Result<T, InvalidSetting> {
        match (self.0)(name) {
            None => Ok(default),
            Some(value) => value
                .parse()
                .map_err(|error: T::Err| InvalidSetting::new(name, error)),
        }
    }
}

/// Values stay out of logs.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

/// For tests and for programs that set the variables themselves.
impl<const N: usize> From<[(&str, &str); N]> for Settings {
    fn from(variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::new(move |asked| {
            // The last one counts, as in a shell.
            let mut found = variables.iter().rev().filter(|(name, _)| name == asked);
            found.next().map(|(_, value)| value.clone())
        })
    }
}

/// A variable that is missing or does not parse. The message names it and says what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct InvalidSetting {
    name: &'static str,
    reason: String,
}

impl InvalidSetting {
    /// The variable `name` is wrong for this reason, which never repeats a secret.
    pub fn new(name: &'static str, reason: impl fmt::Display) -> Self {
        Self {
            name,
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_the_default_unless_it_has_a_meaning() {
        for settings in [Settings::from([]), Settings::from([("N", "")])] {
            assert_eq!(settings.get("N"), None);
            assert_eq!(settings.parse("N", 7), Ok(7));
            let missing = settings.required("N").unwrap_err();
            assert_eq!(missing.to_string(), "N: not set");
        }
        let empty = Settings::from([("N", "")]);
        assert!(empty.parse_strict::<u64>("N", 7).is_err());
        assert_eq!(Settings::from([]).parse_strict("N", 7), Ok(7));
    }

    #[test]
    fn a_value_parses_or_is_named_but_not_repeated() {
        let settings = Settings::from([("N", "1"), ("N", "8")]);
        assert_eq!(settings.parse("N", 7), Ok(8));
        for wrong in ["-1", "CANARY"] {
            let error = Settings::from([("N", wrong)]).parse::<u64>("N", 7);
            let message = error.unwrap_err().to_string();
            assert!(message.starts_with("N: ") && !message.contains(wrong));
        }
        assert!(!format!("{settings:?}").contains('8'));
    }
}
