//! Multipart forms (RFC 7578) that carry one file.

use std::fmt;

use axum::body::Body;
use http::{HeaderMap, Request, header};
use http_body::Body as _;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};
use zeroize::Zeroizing;

use crate::{
    FileName, Problem, ProblemKind,
    disposition::{Disposition, parameters},
    multipart::{Multipart, MultipartError},
};

/// Parts of one form at most.
const MAX_PARTS: usize = 16;

/// A value in a text field in bytes at most.
const MAX_TEXT: usize = 8 * 1024;

/// The longest boundary (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

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
    let body = request.into_body();
    let announced = body.size_hint().lower();
    if announced > max_body_bytes {
        return Err(Problem::body_too_large(max_body_bytes));
    }
    let limit = usize::try_from(max_body_bytes).unwrap_or(usize::MAX);
    let capacity = usize::try_from(announced).unwrap_or_default();
    let mut form = Multipart::new(body, &boundary, max_body_bytes);

    let mut file = None;
    let mut values = [const { None }; TEXTS];
    let mut parts = 0;
    let refused = |error| refusal(error, max_body_bytes);
    while let Some(part) = form.next_part().await.map_err(refused)? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(Problem::new(
                ProblemKind::TooLarge,
                "The form has more than 16 parts.",
            ));
        }
        let disposition = part.disposition.as_deref().map(Disposition::parse);
        let Disposition { name, file_name } = disposition
            .unwrap_or_else(|| Some(Disposition::default()))
            .ok_or_else(|| {
                malformed("The Content-Disposition of a part must be form-data in UTF-8.")
            })?;
        let Some(name) = name else {
            return Err(malformed("A part has no name."));
        };
        if name == "file" {
            if file.is_some() {
                return Err(ProblemKind::FileCount.into());
            }
            let name = match file_name {
                Some(name) => name.parse().map_err(|_| ProblemKind::InvalidFilename)?,
                None => FileName::default(),
            };
            let content = form.content(limit, capacity).await.map_err(refused)?;
            file = Some(FormFile {
                name,
                content_type: part.content_type.filter(|text| text.contains('/')),
                content: content.ok_or(ProblemKind::FileCount)?,
            });
        } else if file_name.is_some() {
            return Err(ProblemKind::FileCount.into());
        } else {
            let text = form.content(MAX_TEXT, MAX_TEXT).await.map_err(refused)?;
            let text = text.map(Zeroizing::new).ok_or_else(|| {
                Problem::new(ProblemKind::TooLarge, "A text field exceeds 8 KiB.")
            })?;
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
    let content_type = content_type.unwrap_or_default();
    let (kind, rest) = content_type.split_at(content_type.find(';').unwrap_or(content_type.len()));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "Send the file as multipart/form-data, in a part named 'file'.",
        ));
    }
    let mut boundaries = parameters(rest).unwrap_or_default();
    boundaries.retain(|(name, _)| name == "boundary");
    let is_valid = |boundary: &String| {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
        (1..=MAX_BOUNDARY).contains(&boundary.len())
            && boundary.chars().all(is_legal)
            && !boundary.ends_with(' ')
    };
    match (boundaries.pop(), boundaries.is_empty()) {
        (Some((_, boundary)), true) if is_valid(&boundary) => Ok(boundary),
        _ => Err(malformed(
            "The content type has no valid boundary. Let your HTTP library set it.",
        )),
    }
}

/// Refuses a body with a content encoding.
pub(crate) fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::new(
                ProblemKind::UnsupportedMediaType,
                "Send the body without a content encoding.",
            ))
        }
        _ => Ok(()),
    }
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::MalformedMultipart, detail)
}

fn refusal(error: MultipartError, max_body_bytes: u64) -> Problem {
    match error {
        MultipartError::Malformed => {
            malformed("The form is broken or ends before its last boundary.")
        }
        MultipartError::HeadersTooLarge => Problem::new(
            ProblemKind::TooLarge,
            "The headers of one part exceed 8 KiB; file names are at most 255 bytes.",
        ),
        MultipartError::BodyTooLarge => Problem::body_too_large(max_body_bytes),
    }
}
