//! Unambiguous concatenation: no two lists of parts give the same bytes.

/// Prefixes every part with its length, a 32-bit big-endian number.
pub(crate) fn prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        let len = u32::try_from(part.len()).expect("names and numbers are short");
        joined.extend_from_slice(&len.to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_from_part_to_part_changes_the_whole() {
        assert_eq!(prefixed(&[b"ab", b""]), b"\0\0\0\x02ab\0\0\0\0");
        assert_ne!(prefixed(&[b"ab", b"c"]), prefixed(&[b"a", b"bc"]));
        assert_ne!(prefixed(&[b"ab"]), prefixed(&[b"ab", b""]));
    }
}
