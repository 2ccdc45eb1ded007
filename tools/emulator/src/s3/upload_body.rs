//! What a client announces about a body, compared with the body.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use s3s::{S3Request, S3Result, TrailingHeaders, s3_error};

use crate::store::checksum::{Algorithm, Digests};

/// The announced length, MD5, and at most one flexible checksum, in a header or a trailer.
pub(super) struct Announced {
    /// The length of the decoded body in bytes.
    pub(super) length: Option<u64>,
    /// The algorithm of the flexible checksum.
    pub(super) algorithm: Option<Algorithm>,
    value: Option<String>,
    trailers: Option<TrailingHeaders>,
    md5: Option<Vec<u8>>,
}

impl Announced {
    /// Reads the headers of an upload.
    pub(super) fn parse<T>(req: &S3Request<T>) -> S3Result<Self> {
        let headers = &req.headers;
        let mut values = Algorithm::ALL.into_iter().filter_map(|algorithm| {
            text(headers, &algorithm.header()).map(|value| (algorithm, value.to_owned()))
        });
        let in_header = values.next();
        if values.next().is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not \
                 allowed."
            ));
        }
        if let Some((algorithm, value)) = &in_header
            && !algorithm.is_well_formed(value)
        {
            return Err(malformed(*algorithm));
        }
        let in_trailer = text(headers, "x-amz-trailer")
            .and_then(|names| names.split(',').find_map(Algorithm::from_header));
        let (algorithm, value) = match in_header {
            Some((algorithm, value)) => (Some(algorithm), Some(value)),
            None => (in_trailer, None),
        };
        if algorithm.is_none() && text(headers, "x-amz-sdk-checksum-algorithm").is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                 x-amz-trailer headers were found."
            ));
        }
        let md5 = text(headers, "content-md5").map(|value| {
            let bytes = STANDARD
                .decode(value)
                .ok()
                .filter(|bytes| bytes.len() == 16);
            bytes.ok_or_else(|| {
                s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid.")
            })
        });
        Ok(Self {
            length: length(headers)?,
            algorithm,
            value,
            trailers: req.trailing_headers.clone(),
            md5: md5.transpose()?,
        })
    }

    /// Compares the body with the announcement.
    pub(super) fn verify(&self, digests: &Digests) -> S3Result<()> {
        if self.md5.as_ref().is_some_and(|md5| md5[..] != digests.md5) {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        let Some(algorithm) = self.algorithm else {
            return Ok(());
        };
        let expected = self.value.clone().or_else(|| {
            let trailers = self.trailers.as_ref()?;
            trailers.read(|trailers| text(trailers, &algorithm.header()).map(str::to_owned))?
        });
        let Some(expected) = expected else {
            return Err(s3_error!(
                InvalidRequest,
                "The announced trailer with the checksum was missing."
            ));
        };
        if !algorithm.is_well_formed(&expected) {
            return Err(malformed(algorithm));
        }
        if digests.checksum(algorithm).as_ref() == Some(&expected) {
            return Ok(());
        }
        Err(s3_error!(
            BadDigest,
            "The {} you specified did not match the calculated checksum.",
            algorithm.name()
        ))
    }
}

/// The length of the body, without the framing of `aws-chunked`.
fn length(headers: &HeaderMap) -> S3Result<Option<u64>> {
    let value =
        text(headers, "x-amz-decoded-content-length").or_else(|| text(headers, "content-length"));
    let length = value.map(str::parse).transpose();
    length.map_err(|_| s3_error!(InvalidArgument, "Invalid content length"))
}

fn malformed(algorithm: Algorithm) -> s3s::S3Error {
    s3_error!(
        InvalidRequest,
        "Value for {} header is invalid.",
        algorithm.header()
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
