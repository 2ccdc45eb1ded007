//! Compresses the files of the page, and gives them a version: the hash of all of them.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

const INDEX: &str = "index.html";

/// It stays at its own path, which decides what it controls, and lists the files to keep for when there is no
/// network.
const SERVICE_WORKER: &str = "service-worker.js";

fn main() -> io::Result<()> {
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR")).join("../../web/public");
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", root.display())?;
    let out = PathBuf::from(var("OUT_DIR"));
    let mut names = Vec::new();
    collect(&root, "", &mut names)?;
    names.sort();

    let mut files = Vec::new();
    let mut hash = Sha256::new();
    for name in names {
        let content = fs::read(root.join(&name))?;
        hash.update(Sha256::digest(&name));
        hash.update(Sha256::digest(&content));
        files.push((name, content));
    }
    let version = hex(&hash.finalize());
    let names = files.iter().map(|(name, _)| name);
    let kept = names.filter(|name| ![INDEX, SERVICE_WORKER].contains(&name.as_str()));
    let listed: Vec<_> = kept.map(|name| format!("{version}/{name}")).collect();

    let mut texts = format!("const VERSION: &str = {version:?};\n");
    let mut table = Vec::new();
    for (number, (name, content)) in files.into_iter().enumerate() {
        let text = || String::from_utf8_lossy(&content);
        match name.as_str() {
            INDEX => {
                let text = text().replace("\"./", &format!("\"./{version}/"));
                texts += &format!("const INDEX: &str = {text:?};\n");
            }
            SERVICE_WORKER => {
                let text = text().replace("'development'", &format!("'{version}'"));
                let text = text.replace("const FILES = [];", &format!("const FILES = {listed:?};"));
                texts += &format!("const SERVICE_WORKER: &str = {text:?};\n");
            }
            _ => table.push(describe(&out.join(number.to_string()), &name, &content)?),
        }
    }
    let (count, table) = (table.len(), table.join(",\n"));
    let files = format!("static FILES: [File; {count}] = [\n{table}];\n");
    fs::write(out.join("files.rs"), texts + &files)
}

fn var(name: &str) -> String {
    env::var(name).expect("cargo sets it")
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| io::Error::other("a file name in web/public is not UTF-8"))?;
        match entry.file_type()?.is_dir() {
            true => collect(&entry.path(), &format!("{prefix}{name}/"), names)?,
            false => names.push(format!("{prefix}{name}")),
        }
    }
    Ok(())
}

/// Writes the file to `path`, and compressed next to it. Returns it as an expression.
fn describe(path: &Path, name: &str, content: &[u8]) -> io::Result<String> {
    let compressed = path.with_extension("gz");
    fs::write(path, content)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    fs::write(&compressed, encoder.finish()?)?;
    let e_tag = format!("W/\"{}\"", hex(&Sha256::digest(content)));
    let path_in_url = format!("/{name}");
    let content_type = content_type(name)?;
    Ok(format!(
        "File {{ path: {path_in_url:?}, content_type: {content_type:?}, \
         e_tag: HeaderValue::from_static({e_tag:?}), \
         content: Bytes::from_static(include_bytes!({path:?})), \
         compressed: Some(Bytes::from_static(include_bytes!({compressed:?}))) }}"
    ))
}

fn content_type(name: &str) -> io::Result<&'static str> {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("js" | "mjs") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some("wasm") => Ok("application/wasm"),
        _ => Err(io::Error::other(format!(
            "web/public/{name} has no known content type"
        ))),
    }
}

/// The first eight bytes in hexadecimal digits.
fn hex(hash: &[u8]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
