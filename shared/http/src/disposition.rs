//! The `Content-Disposition` of a form's part (RFC 7578 §4.2, RFC 6266 §4).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What names a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Disposition {
    pub(crate) name: Option<String>,
    pub(crate) file_name: Option<String>,
}

impl Disposition {
    /// Reads `form-data` and its parameters; `None` for everything else.
    ///
    /// Quoted strings are read as clients write them: a backslash escapes a quote and nothing else,
    /// since Windows paths are sent unescaped; and the three escapes that browsers apply (WHATWG HTML,
    /// multipart/form-data encoding algorithm) are undone. `filename*`, which RFC 7578 forbids and older
    /// clients send for names beyond ASCII, is read where there is no `filename`.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (kind, rest) = header.split_at(header.find(';').unwrap_or(header.len()));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let (mut name, mut file_name, mut extended) = (None, None, None);
        for (key, value) in parameters(rest)? {
            let slot = match key.as_str() {
                "name" => &mut name,
                "filename" => &mut file_name,
                "filename*" => &mut extended,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let extended = match extended {
            Some(value) => Some(decode_extended(&value)?),
            None => None,
        };
        Some(Self {
            name,
            file_name: file_name.or(extended),
        })
    }
}

/// Parameters as they follow a value, `; name=value`, with their names in lower case.
pub(crate) fn parameters(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    while let Some(parameter) = rest.trim_start().strip_prefix(';') {
        rest = parameter;
        if rest.trim().is_empty() {
            break;
        }
        let (key, after) = parameter.split_once('=')?;
        let (value, after) = value(after.trim_start())?;
        parameters.push((key.trim().to_ascii_lowercase(), value));
        rest = after;
    }
    rest.trim().is_empty().then_some(parameters)
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut escaped = false;
    let end = quoted.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    Some((unescape(&quoted[..end]), &quoted[end + 1..]))
}

fn unescape(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for (escape, character) in [("\\\"", "\""), ("%22", "\""), ("%0D", "\r"), ("%0A", "\n")] {
        if text.contains(escape) {
            text = Cow::Owned(text.replace(escape, character));
        }
    }
    text.into_owned()
}

/// `UTF-8''…` of RFC 5987 §3.2.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    Some(percent_decode_str(encoded).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_as_clients_do() {
        for (header, name, file_name) in [
            (
                r#"form-data; name="file"; filename="a.txt""#,
                Some("file"),
                Some("a.txt"),
            ),
            (
                r#"Form-Data ; NAME = "file" ;filename=a.txt"#,
                Some("file"),
                Some("a.txt"),
            ),
            (
                r#"form-data; name="file"; filename="C:\dir\a.txt""#,
                Some("file"),
                Some(r"C:\dir\a.txt"),
            ),
            (
                r#"form-data; name="file"; filename="a \"b\".txt""#,
                Some("file"),
                Some("a \"b\".txt"),
            ),
            (
                r#"form-data; name="file"; filename="a %22b%22.txt""#,
                Some("file"),
                Some("a \"b\".txt"),
            ),
            (
                r#"form-data; name="file"; filename="a%0Ab""#,
                Some("file"),
                Some("a\nb"),
            ),
            (
                r#"form-data; filename="a; name=evil"; name="file""#,
                Some("file"),
                Some("a; name=evil"),
            ),
            (
                "form-data; name=\"file\"; filename*=UTF-8''%C3%A9",
                Some("file"),
                Some("é"),
            ),
            (
                "form-data; name=\"file\"; filename*=utf-8''b; filename=\"a\"",
                Some("file"),
                Some("a"),
            ),
            (
                r#"form-data; name="file"; filename="été""#,
                Some("file"),
                Some("été"),
            ),
            (r#"form-data; name="file"; size=3"#, Some("file"), None),
            (
                r#"form-data; name="file"; filename="""#,
                Some("file"),
                Some(""),
            ),
            ("form-data; name=\"file\";", Some("file"), None),
            ("form-data", None, None),
        ] {
            let expected = Disposition {
                name: name.map(str::to_owned),
                file_name: file_name.map(str::to_owned),
            };
            assert_eq!(Disposition::parse(header), Some(expected), "{header}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_not_guessed_at() {
        for header in [
            "",
            "attachment; name=\"file\"",
            "form-data; name",
            "form-data; name=",
            "form-data; name=\"file",
            r#"form-data; name="file"; filename="C:\dir\""#,
            r#"form-data; name="file" filename="a""#,
            r#"form-data; name="file"; name="key""#,
            r#"form-data; name="file"; filename="a"; filename="b""#,
            "form-data; name=\"file\"; filename*=latin-1''a",
            "form-data; name=\"file\"; filename*=UTF-8''%FF",
        ] {
            assert_eq!(Disposition::parse(header), None, "{header}");
        }
    }
}
