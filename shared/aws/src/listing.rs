//! Keys in S3's listings.

use std::borrow::Cow;

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

/// A key out of a listing that was asked for with `encoding-type=url`: XML cannot hold every
/// character that a key can. `encoding` is what the answer says about itself.
pub(crate) fn decoded(key: &str, encoding: Option<&EncodingType>) -> String {
    if encoding != Some(&EncodingType::Url) {
        return key.to_owned();
    }
    let spaces = match key.contains('+') {
        true => Cow::Owned(key.replace('+', " ")),
        false => Cow::Borrowed(key),
    };
    percent_decode_str(&spaces).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_if_the_answer_says_so() {
        let url = Some(&EncodingType::Url);
        assert_eq!(decoded("a/b+c%2Bd%20e%25%C3%A4", url), "a/b c+d e%ä");
        assert_eq!(decoded("a/b+c%2Bd", None), "a/b+c%2Bd");
    }
}
