//! Multipart forms (RFC 7578) that carry one file.

use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use multer::{Field, Multipart};

use crate::{FileName, InvalidFileName, Problem, ProblemKind};

/// Parts of one form at most.
const MAX_PARTS: usize = 16;

/// Names and values of one part's headers in bytes at most.
const MAX_PART_HEADERS: usize = 8 * 1024;

/// A value in a text field in bytes at most.
const MAX_TEXT: usize = 8 * 1024;

/// A form with exactly one part named `file`, and any text fields that were asked for.
#[derive(Debug)]
pub struct FileForm<const TEXTS: usize> {
    /// The file.
    pub file: FormFile,
    /// The text fields in the order asked for.
    pub texts: [Option<String>; TEXTS],
}

/// A file as it came in a form.
pub struct FormFile {
    /// Its name, reduced to the last component.
    pub name: FileName,
    /// Its content type, as the client says it.
    pub content_type: Option<String>,
    /// Its content.
    pub content: Vec<u8>,
}

/// Name and content stay out of logs.
impl std::fmt::Debug for FormFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FormFile").finish_non_exhaustive()
    }
}

/// Reads a form of one part `file` and at most one part for each name in `texts`. Other text fields,
/// such as a web framework adds, are skipped.
///
/// # Errors
/// * `unsupported-media-type`: not `multipart/form-data`, or with a content encoding;
/// * `malformed-multipart`: no boundary, broken, unterminated, a part without a name;
/// * `file-count`: no file, several, or one under another name;
/// * `invalid-filename`: NUL, CR or LF in the name;
/// * `invalid-request`: a text field that was asked for, but comes twice or not in UTF-8;
/// * `too-large`: a body over `max_body_bytes`, over 16 parts, over 8 KiB of headers in one part or
///   of text in one field.
pub async fn read_file_form<const TEXTS: usize>(
    request: Request<Body>,
    max_body_bytes: u64,
    texts: [&str; TEXTS],
) -> Result<FileForm<TEXTS>, Problem> {
    let boundary = boundary(request.headers())?;
    let body = request.into_body();
    if http_body::Body::size_hint(&body).lower() > max_body_bytes {
        return Err(Problem::body_too_large(max_body_bytes));
    }
    let limit = usize::try_from(max_body_bytes).unwrap_or(usize::MAX);
    let size_hint = http_body::Body::size_hint(&body).lower() as usize;
    let body = Limited::new(body, limit).into_data_stream();
    let mut form = Multipart::new(body, boundary);

    let mut file = None;
    let mut values = [const { None }; TEXTS];
    let mut parts = 0;
    let refused = |error| refusal(&error, max_body_bytes);
    while let Some(part) = form.next_field().await.map_err(refused)? {
        parts += 1;
        check_part(&part, parts)?;
        let Some(name) = part.name() else {
            return Err(Problem::new(
                ProblemKind::MalformedMultipart,
                "A part has no name.",
            ));
        };
        if name == "file" {
            if file.is_some() {
                return Err(wrong_file_count());
            }
            let name = part
                .file_name()
                .map_or_else(|| Ok(FileName::default()), file_name)?;
            let content_type = part.content_type().map(ToString::to_string);
            let content = read(part, size_hint).await.map_err(refused)?;
            file = Some(FormFile {
                name,
                content_type,
                content,
            });
        } else if let Some(index) = texts.iter().position(|text| *text == name) {
            let value = read(part, 0).await.map_err(refused)?;
            if value.len() > MAX_TEXT {
                return Err(Problem::new(
                    ProblemKind::TooLarge,
                    "A text field exceeds 8 KiB.",
                ));
            }
            let value = String::from_utf8(value).map_err(|_| {
                Problem::new(ProblemKind::InvalidRequest, "A text field is not UTF-8.")
            })?;
            if values[index].replace(value).is_some() {
                return Err(Problem::new(
                    ProblemKind::InvalidRequest,
                    "A field comes twice.",
                ));
            }
        } else if part.file_name().is_some() {
            return Err(wrong_file_count());
        }
    }
    let file = file.ok_or_else(wrong_file_count)?;
    Ok(FileForm {
        file,
        texts: values,
    })
}

fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    refuse_encoding(headers)?;
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    multer::parse_boundary(content_type.unwrap_or_default()).map_err(|error| match error {
        multer::Error::NoBoundary => Problem::new(
            ProblemKind::MalformedMultipart,
            "The content type has no boundary. Let your HTTP library set it.",
        ),
        _ => Problem::new(
            ProblemKind::UnsupportedMediaType,
            "Send the file as multipart/form-data, in a part named 'file'.",
        ),
    })
}

/// Bodies come as they are.
pub(crate) fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "Send the body without a content encoding.",
        )),
        _ => Ok(()),
    }
}

fn check_part(part: &Field<'_>, count: usize) -> Result<(), Problem> {
    if count > MAX_PARTS {
        return Err(Problem::new(
            ProblemKind::TooLarge,
            "The form has more than 16 parts.",
        ));
    }
    let headers = part.headers().iter();
    if headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum::<usize>()
        > MAX_PART_HEADERS
    {
        return Err(Problem::new(
            ProblemKind::TooLarge,
            "The headers of one part exceed 8 KiB; file names are at most 255 bytes.",
        ));
    }
    Ok(())
}

/// Reads a part, with room for `size_hint` bytes from the start, so that a large one does not move.
async fn read(mut part: Field<'_>, size_hint: usize) -> Result<Vec<u8>, multer::Error> {
    let mut content = Vec::with_capacity(size_hint);
    while let Some(chunk) = part.chunk().await? {
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}

/// Undoes the three escapes that browsers apply to file names (WHATWG HTML, multipart/form-data
/// encoding algorithm).
fn file_name(sent: &str) -> Result<FileName, Problem> {
    let mut name = Cow::Borrowed(sent);
    for (escape, character) in [("%22", "\""), ("%0D", "\r"), ("%0A", "\n")] {
        if name.contains(escape) {
            name = Cow::Owned(name.replace(escape, character));
        }
    }
    name.parse().map_err(|_: InvalidFileName| {
        Problem::new(
            ProblemKind::InvalidFilename,
            "A file name cannot hold NUL, CR or LF.",
        )
    })
}

fn wrong_file_count() -> Problem {
    Problem::new(
        ProblemKind::FileCount,
        "Send exactly one file, in a part named 'file'.",
    )
}

fn refusal(error: &multer::Error, max_body_bytes: u64) -> Problem {
    if exceeds_limit(error) {
        Problem::body_too_large(max_body_bytes)
    } else {
        Problem::new(
            ProblemKind::MalformedMultipart,
            "The form is broken or ends before its last boundary.",
        )
    }
}

/// Whether the body's limit is among the causes of `error`.
fn exceeds_limit(error: &multer::Error) -> bool {
    let mut cause = match error {
        multer::Error::StreamReadFailed(cause) => Some(cause.as_ref() as &dyn std::error::Error),
        _ => None,
    };
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
