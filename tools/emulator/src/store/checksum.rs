//! S3's flexible checksums.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256},
    dto::Checksum,
};
use serde::{Deserialize, Serialize};

/// A checksum algorithm of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name in headers and XML.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Finds an algorithm by its name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// Finds the algorithm of a header or trailer such as `x-amz-checksum-crc32`.
    pub(crate) fn from_header(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let name = name.strip_prefix("x-amz-checksum-")?;
        Self::from_name(&name.to_ascii_uppercase())
    }

    /// The header or trailer that carries the value.
    pub(crate) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    /// Whether a value is base64 of the right length.
    pub(crate) fn is_well_formed(self, value: &str) -> bool {
        let length = match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        };
        STANDARD
            .decode(value)
            .is_ok_and(|bytes| bytes.len() == length)
    }

    fn crc(self) -> Option<(CrcAlgorithm, usize)> {
        match self {
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// The checksum of the checksums of parts, without the `-N`.
    ///
    /// None when a value is not base64.
    pub(crate) fn composite<'a>(self, parts: impl Iterator<Item = &'a str>) -> Option<String> {
        let mut hasher = Hashes::new(&[self]);
        for part in parts {
            hasher.update(&STANDARD.decode(part).ok()?);
        }
        hasher.finish().checksum(self)
    }

    /// The checksum of the whole object from those of its parts and their lengths.
    ///
    /// None for an algorithm that cannot be combined, or when a value is malformed.
    pub(crate) fn combined<'a>(
        self,
        parts: impl Iterator<Item = (&'a str, u64)>,
    ) -> Option<String> {
        let (crc, width) = self.crc()?;
        let mut combined = None;
        for (value, size) in parts {
            let mut padded = [0; 8];
            let bytes = STANDARD.decode(value).ok()?;
            padded
                .get_mut(8_usize.checked_sub(bytes.len())?..)?
                .copy_from_slice(&bytes);
            let value = u64::from_be_bytes(padded);
            combined = Some(match combined {
                None => value,
                Some(earlier) => crc_fast::checksum_combine(crc, earlier, value, size),
            });
        }
        let bytes = combined?.to_be_bytes();
        Some(STANDARD.encode(bytes.get(8 - width..)?))
    }
}

/// Hashes a body as it streams: MD5 and the requested checksums.
pub(crate) struct Hashes {
    md5: Md5,
    checksums: ChecksumHasher,
}

impl Hashes {
    pub(crate) fn new(algorithms: &[Algorithm]) -> Self {
        Self {
            md5: Md5::new(),
            checksums: hasher(algorithms),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksums.update(bytes);
    }

    pub(crate) fn finish(self) -> Digests {
        Digests {
            md5: self.md5.finalize(),
            checksums: self.checksums.finalize(),
        }
    }
}

/// Compares bytes with the checksum that was recorded for them.
pub(crate) struct Comparison {
    algorithm: Algorithm,
    expected: String,
    hasher: ChecksumHasher,
}

impl Comparison {
    pub(crate) fn new(algorithm: Algorithm, expected: String) -> Self {
        Self {
            algorithm,
            expected,
            hasher: hasher(&[algorithm]),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Whether all bytes together have the checksum.
    pub(crate) fn holds(self) -> bool {
        let found = value(&self.hasher.finalize(), self.algorithm);
        found.as_ref() == Some(&self.expected)
    }
}

fn hasher(algorithms: &[Algorithm]) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    for algorithm in algorithms {
        match algorithm {
            Algorithm::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Algorithm::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Algorithm::Crc64Nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
            Algorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
        }
    }
    hasher
}

fn value(checksums: &Checksum, algorithm: Algorithm) -> Option<String> {
    match algorithm {
        Algorithm::Crc32 => checksums.checksum_crc32.clone(),
        Algorithm::Crc32c => checksums.checksum_crc32c.clone(),
        Algorithm::Crc64Nvme => checksums.checksum_crc64nvme.clone(),
        Algorithm::Sha1 => checksums.checksum_sha1.clone(),
        Algorithm::Sha256 => checksums.checksum_sha256.clone(),
    }
}

/// The results of [`Hashes`].
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    checksums: Checksum,
}

impl Digests {
    /// The checksum in base64, if it was requested.
    pub(crate) fn checksum(&self, algorithm: Algorithm) -> Option<String> {
        value(&self.checksums, algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hashes = Hashes::new(&[algorithm]);
        hashes.update(bytes);
        hashes.finish().checksum(algorithm).unwrap()
    }

    #[test]
    fn combined_parts_equal_the_whole() {
        let (one, two, three) = (b"first part".as_slice(), b"2".as_slice(), b"".as_slice());
        let whole = [one, two, three].concat();
        for algorithm in Algorithm::ALL {
            let parts = [one, two, three].map(|part| (of(algorithm, part), part.len() as u64));
            let parts = parts.iter().map(|(value, size)| (value.as_str(), *size));
            let expected = algorithm.crc().is_some().then(|| of(algorithm, &whole));
            assert_eq!(algorithm.combined(parts), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn names_lead_back_to_the_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            assert_eq!(Algorithm::from_header(&algorithm.header()), Some(algorithm));
            assert!(algorithm.is_well_formed(&of(algorithm, b"")));
            assert!(!algorithm.is_well_formed("AAA="));
        }
    }
}
