//! Multipart forms (RFC 7578) that carry one file.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use axum::{
    BoxError,
    body::{Body, Bytes},
};
use futures::{Stream, StreamExt, ready, stream};
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use multer::{Field, Multipart};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};
use zeroize::Zeroizing;

use crate::{FileName, Problem, ProblemKind, announced::announced_len, disposition::Disposition};

/// Parts of one form at most.
const MAX_PARTS: usize = 16;

/// Names and values of one part's headers in bytes at most.
const MAX_PART_HEADERS: usize = 8 * 1024;

/// A value in a text field in bytes at most.
const MAX_TEXT: usize = 8 * 1024;

/// A form with one file.
#[derive(ToSchema)]
pub struct FileForm<const TEXTS: usize> {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    pub file: FormFile,
    /// The text fields in the order asked for.
    #[schema(ignore)]
    pub texts: [Option<Zeroizing<String>>; TEXTS],
}

/// Without the fields, which can be keys.
impl<const TEXTS: usize> fmt::Debug for FileForm<TEXTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileForm").finish_non_exhaustive()
    }
}

/// A file from a form.
pub struct FormFile {
    /// Its name, reduced to the last component.
    pub name: FileName,
    /// Its content type, as the client claims.
    pub content_type: Option<String>,
    /// Its content.
    pub content: Vec<u8>,
}

impl PartialSchema for FormFile {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let file = ObjectBuilder::new().schema_type(Type::String);
        file.format(Some(binary)).into()
    }
}

impl ToSchema for FormFile {}

/// Name and content stay out of logs.
impl fmt::Debug for FormFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormFile").finish_non_exhaustive()
    }
}

/// Reads a form of one part `file` and at most one part for each name in `texts`. Other text fields,
/// such as a web framework adds, are skipped.
///
/// # Errors
/// * `unsupported-media-type`: not `multipart/form-data`, or with a content encoding;
/// * `malformed-multipart`: no boundary, broken, unterminated, a part without a name or with an
///   ambiguous one;
/// * `file-count`: no file, several, or one under another name;
/// * `invalid-filename`: a control character in the name;
/// * `invalid-request`: one of `texts` repeated or not in UTF-8;
/// * `too-large`: a body over `max_body_bytes`, over 16 parts, over 8 KiB of headers in one part or
///   of text in one field.
pub async fn read_file_form<const TEXTS: usize>(
    request: Request<Body>,
    max_body_bytes: u64,
    texts: [&str; TEXTS],
) -> Result<FileForm<TEXTS>, Problem> {
    let boundary = boundary(request.headers())?;
    if announced_len(request.headers()) > Some(max_body_bytes) {
        return Err(Problem::body_too_large(max_body_bytes));
    }
    let body = request.into_body();
    let limit = usize::try_from(max_body_bytes).unwrap_or(usize::MAX);
    let budget = HeaderBudget::default();
    let body = Limited::new(body, limit).into_data_stream();
    let mut form = Multipart::new(budget.guard(body), boundary);

    let mut file = None;
    let mut values = [const { None }; TEXTS];
    let mut parts = 0;
    let refused = |error| refusal(&error, max_body_bytes);
    while let Some(part) = form.next_field().await.map_err(refused)? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(Problem::new(
                ProblemKind::TooLarge,
                "The form has more than 16 parts.",
            ));
        }
        let Disposition { name, file_name } = disposition(&part)?;
        let Some(name) = name else {
            return Err(malformed("A part has no name."));
        };
        budget.suspend();
        if name == "file" {
            if file.is_some() {
                return Err(ProblemKind::FileCount.into());
            }
            let name = match file_name {
                Some(name) => name.parse().map_err(|_| ProblemKind::InvalidFilename)?,
                None => FileName::default(),
            };
            let content_type = part.content_type().map(ToString::to_string);
            let mut content = Vec::new();
            if !read(part, limit, &mut content).await.map_err(refused)? {
                return Err(ProblemKind::FileCount.into());
            }
            file = Some(FormFile {
                name,
                content_type,
                content,
            });
        } else if file_name.is_some() {
            return Err(ProblemKind::FileCount.into());
        } else {
            // It can be a key, and growing would leave parts of it behind.
            let mut text = Zeroizing::new(Vec::with_capacity(MAX_TEXT));
            if !read(part, MAX_TEXT, &mut text).await.map_err(refused)? {
                return Err(Problem::new(
                    ProblemKind::TooLarge,
                    "A text field exceeds 8 KiB.",
                ));
            }
            if let Some(index) = texts.iter().position(|asked| *asked == name) {
                let text = std::str::from_utf8(&text)
                    .map_err(|_| Problem::invalid(format!("The field '{name}' is not UTF-8.")))?;
                if values[index]
                    .replace(Zeroizing::new(text.to_owned()))
                    .is_some()
                {
                    return Err(Problem::invalid(format!(
                        "The field '{name}' is repeated: send it once."
                    )));
                }
            }
        }
        budget.renew();
    }
    let file = file.ok_or(ProblemKind::FileCount)?;
    Ok(FileForm {
        file,
        texts: values,
    })
}

fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    refuse_encoding(headers)?;
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (types.next(), types.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    };
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

/// Refuses a body with a content encoding.
pub(crate) fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "Send the body without a content encoding.",
        )),
        _ => Ok(()),
    }
}

fn disposition(part: &Field<'_>) -> Result<Disposition, Problem> {
    let headers = part.headers().iter();
    if headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum::<usize>()
        > MAX_PART_HEADERS
    {
        return Err(headers_too_large());
    }
    let Some(header) = part.headers().get(header::CONTENT_DISPOSITION) else {
        return Ok(Disposition::default());
    };
    std::str::from_utf8(header.as_bytes())
        .ok()
        .and_then(Disposition::parse)
        .ok_or_else(|| malformed("The Content-Disposition of a part must be form-data in UTF-8."))
}

/// Appends a part of at most `limit` bytes to `content`; false if it is longer.
async fn read(
    mut part: Field<'_>,
    limit: usize,
    content: &mut Vec<u8>,
) -> Result<bool, multer::Error> {
    while let Some(chunk) = part.chunk().await? {
        if chunk.len() > limit - content.len() {
            return Ok(false);
        }
        content.extend_from_slice(&chunk);
    }
    Ok(true)
}

/// How many bytes may still arrive before the next part's content begins. The parser searches its
/// whole buffer whenever more arrives, so the buffer must not grow with the body.
#[derive(Clone)]
struct HeaderBudget(Arc<AtomicUsize>);

impl HeaderBudget {
    /// Twice the headers of one part.
    const BYTES: usize = 2 * MAX_PART_HEADERS;
    /// Used up: the parser may search its buffer once more.
    const USED_UP: usize = 0;
    /// The parser has searched, and found no end.
    const EXCEEDED: usize = usize::MAX - 1;
    /// While content is read, which has its own limits.
    const SUSPENDED: usize = usize::MAX;

    /// Fails the stream when the budget is exceeded.
    fn guard(
        &self,
        mut stream: impl Stream<Item = Result<Bytes, BoxError>> + Unpin,
    ) -> impl Stream<Item = Result<Bytes, BoxError>> {
        let Self(budget) = self.clone();
        stream::poll_fn(move |cx| {
            let left = budget.load(Ordering::Relaxed);
            match left {
                Self::EXCEEDED => return Poll::Ready(Some(Err(HeadersTooLarge.into()))),
                Self::USED_UP => {
                    budget.store(Self::EXCEEDED, Ordering::Relaxed);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                _ => {}
            }
            let chunk = ready!(stream.poll_next_unpin(cx));
            if let Some(Ok(chunk)) = &chunk
                && left != Self::SUSPENDED
            {
                budget.store(left.saturating_sub(chunk.len()), Ordering::Relaxed);
            }
            Poll::Ready(chunk)
        })
    }

    fn suspend(&self) {
        self.0.store(Self::SUSPENDED, Ordering::Relaxed);
    }

    fn renew(&self) {
        self.0.store(Self::BYTES, Ordering::Relaxed);
    }
}

impl Default for HeaderBudget {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(Self::BYTES)))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the headers of one part are too large")]
struct HeadersTooLarge;

fn headers_too_large() -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        "The headers of one part exceed 8 KiB; file names are at most 255 bytes.",
    )
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::MalformedMultipart, detail)
}

fn refusal(error: &multer::Error, max_body_bytes: u64) -> Problem {
    if is_caused_by::<LengthLimitError>(error) {
        Problem::body_too_large(max_body_bytes)
    } else if is_caused_by::<HeadersTooLarge>(error) {
        headers_too_large()
    } else {
        malformed("The form is broken or ends before its last boundary.")
    }
}

/// Whether a `Cause` in the body's stream led to `error`.
fn is_caused_by<Cause: std::error::Error + 'static>(error: &multer::Error) -> bool {
    let mut cause = match error {
        multer::Error::StreamReadFailed(cause) => Some(cause.as_ref() as &dyn std::error::Error),
        _ => None,
    };
    while let Some(error) = cause {
        if error.is::<Cause>() {
            return true;
        }
        cause = error.source();
    }
    false
}
