//! `caas encrypt` and `caas decrypt`: session files, without a service.

use std::{
    ffi::OsString,
    io::{self, Write},
    mem,
    path::{Path, PathBuf},
};

use caas_crypto::{
    ContentKey, NotAuthentic,
    session::{self, MAX_PLAINTEXT_LEN, NONCE_LEN, StreamSealer},
};
use clap::Args;
use serde_json::json;

use crate::{
    blocking::blocking,
    destination::{Destination, is_dash},
    failure::{Exit, Failure},
    file_key::{self, Delivery},
    output::Output,
    progress::Bars,
    pump::{Source, Stop, pump},
};

/// The ending of an encrypted file.
const SUFFIX: &str = ".caas";

/// What `/encrypt_file` suggests as the ending.
const SERVICE_SUFFIX: &str = ".enc";

/// Encrypted and decrypted at a time, so that it stays in the processor's cache.
const SLICE: usize = 64 << 10;

const ENCRYPT_EXAMPLES: &str = "\
Examples:
  caas encrypt report.pdf --key-file report.key
  KEY=$(caas encrypt report.pdf)
  tar c folder | caas encrypt - --key-file folder.key > folder.tar.caas";

const DECRYPT_EXAMPLES: &str = "\
Examples:
  caas decrypt report.pdf.caas --key-file report.key
  CAAS_FILE_KEY=$KEY caas decrypt report.pdf.caas
  caas decrypt folder.tar.caas -o - --key-file folder.key | tar x";

/// Encrypt a file here, under a new key, without a service
///
/// Every file gets its own key, which is stored nowhere. It goes to the file of --key-file, or to
/// standard output. Without the key nobody can decrypt the file. The encrypted file is in the format
/// of /encrypt_file (AES-256-GCM: nonce, ciphertext, tag), which every AES-GCM library opens.
#[derive(Debug, Args)]
#[command(after_help = ENCRYPT_EXAMPLES)]
pub(crate) struct Encrypt {
    /// The file; `-` reads standard input
    file: PathBuf,

    /// The encrypted file, FILE.caas if absent; `-` writes to standard output
    #[arg(long = "output", short, value_name = "OUT")]
    out: Option<PathBuf>,

    /// Write the key to this new file, which only you can read
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Replace the encrypted file if it exists
    #[arg(long, short)]
    force: bool,
}

/// Decrypt a file that `caas encrypt` or /encrypt_file has encrypted
///
/// The key comes from the file of --key-file, else from CAAS_FILE_KEY, else from the terminal, which
/// does not show it. The decrypted file appears after all of it has been verified. Before that,
/// it is in a temporary file that only you can read: in the folder of the decrypted file, or in the
/// system's folder for temporary files, without a name, if it goes to standard output.
#[derive(Debug, Args)]
#[command(after_help = DECRYPT_EXAMPLES)]
pub(crate) struct Decrypt {
    /// The encrypted file; `-` reads standard input
    file: PathBuf,

    /// The decrypted file, FILE without .caas or .enc if absent; `-` writes to standard output
    #[arg(long = "output", short, value_name = "OUT")]
    out: Option<PathBuf>,

    /// Read the key from this file
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Replace the decrypted file if it exists
    #[arg(long, short)]
    force: bool,
}

impl Encrypt {
    pub(crate) async fn run(self, output: &Output) -> Result<(), Failure> {
        let out = self.out.unwrap_or_else(|| match is_dash(&self.file) {
            true => self.file.clone(),
            false => {
                let mut name = OsString::from(&self.file);
                name.push(SUFFIX);
                name.into()
            }
        });
        let source = Source::open(&self.file)?;
        if source.len().is_some_and(|len| len > MAX_PLAINTEXT_LEN) {
            return Err(too_long(&source.name()));
        }
        let destination = Destination::new(out, self.force)?;
        let delivery = Delivery::choose(self.key_file, &destination)?;
        let name = destination.name();
        let (key, nonce, sealer) = session::begin()
            .map_err(|error| Failure::local("there is no key for the file", &error))?;
        let job = Job::new(source, output);
        if let Destination::Stdout = destination {
            // What has been written cannot be taken back: first the key.
            delivery.deliver(&key, &name, output)?;
            let sealed = blocking(move || job.seal(nonce, sealer, io::stdout())).await?;
            sealed.map_err(|stop| stop.into_failure(|error| destination.not_written(error)))?;
        } else {
            let spool = destination.spool()?;
            let file = spool.file()?;
            let sealed = blocking(move || job.seal(nonce, sealer, file)).await?;
            sealed.map_err(|stop| stop.into_failure(|error| spool.not_written(error)))?;
            spool.sync().await?;
            delivery.deliver(&key, &name, output)?;
            let published = spool.publish().await;
            published.inspect_err(|_| delivery.take_back())?;
            if let Some(path) = delivery.path() {
                let object = json!({"file": name, "key_file": path.display().to_string()});
                output.result(&name, &object)?;
            }
        }
        output.note(&match delivery.path() {
            Some(path) => format!(
                "The key is in {}. Without it nobody can decrypt the file.",
                path.display()
            ),
            None => {
                "Keep the key: it is stored nowhere, and without it nobody can decrypt the file."
                    .to_owned()
            }
        });
        Ok(())
    }
}

impl Decrypt {
    pub(crate) async fn run(self, output: &Output) -> Result<(), Failure> {
        let out = match self.out {
            Some(out) => out,
            None if is_dash(&self.file) => self.file.clone(),
            None => without_suffix(&self.file).ok_or_else(|| {
                Failure::usage("the name does not end in .caas or .enc")
                    .about(self.file.display())
                    .next("name the decrypted file with -o")
            })?,
        };
        let source = Source::open(&self.file)?;
        let destination = Destination::new(out, self.force)?;
        let key = file_key::read(self.key_file).await?;
        let spool = destination.spool()?;
        let (job, file) = (Job::new(source, output), spool.file()?);
        let opened = blocking(move || job.open(key, file)).await?;
        opened.map_err(|stop| stop.into_failure(|error| spool.not_written(error)))?;
        match destination {
            Destination::Stdout => spool.publish().await,
            Destination::File { .. } => {
                spool.sync().await?;
                spool.publish().await?;
                let name = destination.name();
                output.result(&name, &json!({"file": name}))
            }
        }
    }
}

/// What is encrypted or decrypted, and who watches.
struct Job {
    source: Source,
    bars: Bars,
}

impl Job {
    fn new(source: Source, output: &Output) -> Self {
        let bars = Bars::one(output);
        Self { source, bars }
    }

    fn seal(
        self,
        nonce: [u8; NONCE_LEN],
        mut sealer: StreamSealer,
        mut out: impl Write + Send + 'static,
    ) -> Result<(), Stop> {
        let (source, name, mut watch) = self.split();
        out.write_all(&nonce).map_err(Stop::NotWritten)?;
        let mut out = pump(source, out, |buffer| {
            for slice in buffer.chunks_mut(SLICE) {
                sealer.update(slice).map_err(|_| too_long(&name))?;
            }
            watch(buffer.len());
            Ok(())
        })?;
        let written = out.write_all(&sealer.finish()).and_then(|()| out.flush());
        written.map_err(Stop::NotWritten)
    }

    /// Writes what is unverified: only after success, it is the file.
    fn open(self, key: ContentKey, out: impl Write + Send + 'static) -> Result<(), Stop> {
        let (mut source, name, mut watch) = self.split();
        let not_authentic = |_| not_authentic(&name);
        let mut nonce = Vec::new();
        source.read(&mut nonce, NONCE_LEN)?;
        let nonce = nonce.try_into().map_err(|_| not_authentic(NotAuthentic))?;
        let mut opener = session::opener(&key, &nonce);
        drop(key);
        let mut plaintext = Vec::new();
        pump(source, out, |buffer| {
            watch(buffer.len());
            plaintext.clear();
            for slice in buffer.chunks(SLICE) {
                opener
                    .update(slice, &mut plaintext)
                    .map_err(not_authentic)?;
            }
            mem::swap(buffer, &mut plaintext);
            Ok(())
        })?;
        Ok(opener.finish().map_err(not_authentic)?)
    }

    /// The source, its name, and what shows that so many bytes more are done.
    fn split(self) -> (Source, String, impl FnMut(usize)) {
        let Self { source, bars } = self;
        let (name, total) = (source.name(), source.len());
        let (mut bar, mut done) = (bars.bar(&name), 0);
        let watch = move |len: usize| {
            done += len as u64;
            if let Some(total) = total {
                bars.show(&mut bar, done, total);
            }
        };
        (source, name, watch)
    }
}

fn without_suffix(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let mut suffixes = [SUFFIX, SERVICE_SUFFIX].into_iter();
    let name = suffixes.find_map(|suffix| name.strip_suffix(suffix))?;
    (!name.is_empty()).then(|| path.with_file_name(name))
}

fn too_long(name: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        "the file is longer than 64 GiB, the limit of AES-GCM",
    )
    .about(name)
}

fn not_authentic(name: &str) -> Failure {
    Failure::new(Exit::NotAuthentic, "the file does not open with this key")
        .about(name)
        .next("it was changed or cut short, or the key is another file's; nothing was written")
}
