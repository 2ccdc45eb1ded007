//! Text from elsewhere, such as the names of files, and quantities for people.

use std::fmt::Write;

use indicatif::HumanBytes;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// The text, with escapes for characters that could write over the screen, begin another line, or show
/// a text in another order.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match is_active(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped
}

/// The same for a text of several lines. What comes from elsewhere is [`escaped`] before, or it could
/// look like lines of this program.
pub(crate) fn escaped_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(escaped).collect();
    lines.join("\n")
}

/// The object on one line, with the escapes of JSON for the same characters.
pub(crate) fn json(object: &Value) -> String {
    let mut escaped = String::new();
    for c in object.to_string().chars() {
        // All of them are in strings, and none needs a surrogate.
        match is_active(c) {
            true => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            false => escaped.push(c),
        }
    }
    escaped
}

/// Control characters, separators of lines, and what changes the direction of text.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A length in binary units.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A time in RFC 3339, to the minute.
pub(crate) fn minute(time: &str) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]Z");
    let parsed = OffsetDateTime::parse(time, &Rfc3339).ok();
    let utc = parsed.and_then(|time| time.to_offset(time::UtcOffset::UTC).format(format).ok());
    utc.unwrap_or_else(|| escaped(time))
}

/// What a file may be called here: its name without folders and control characters.
pub(crate) fn file_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| if is_active(c) { '_' } else { c })
        .collect();
    match &*name {
        "" | "." | ".." => "file".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_could_change_the_screen_is_escaped() {
        for (text, shown) in [
            ("report 日本.txt", "report 日本.txt"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("a\u{9b}b\u{7f}", "a\\u{9b}b\\u{7f}"),
            ("txt.\u{202e}exe", "txt.\\u{202e}exe"),
        ] {
            assert_eq!(escaped(text), shown);
            let object = json!({ "name": text });
            let line = super::json(&object);
            assert!(!line.contains(is_active), "{line}");
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), object);
        }
    }

    #[test]
    fn names_of_files_stay_in_their_folder() {
        for (name, here) in [
            ("report.txt", "report.txt"),
            ("../../etc/passwd", "passwd"),
            (r"C:\a.txt", "a.txt"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("a/", "file"),
            ("a\n\u{1b}b", "a__b"),
        ] {
            assert_eq!(file_name(name), here, "{name:?}");
        }
    }

    #[test]
    fn times_are_shown_to_the_minute() {
        assert_eq!(minute("2026-01-01T01:02:59+01:00"), "2026-01-01 00:02Z");
        assert_eq!(minute("a\nb"), "a\\nb");
    }
}
