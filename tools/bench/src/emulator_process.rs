use std::{
    env,
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use caas_aws::ClientsConfig;
use caas_emulator::{BucketConfig, Config, Emulator};

use crate::Error;

const ARGUMENT: &str = "emulator";

/// S3 and KMS in their own process, so that the measured memory is the program's alone.
#[derive(Debug)]
pub struct EmulatorProcess {
    process: Child,
    /// The endpoint of S3.
    pub s3: String,
    /// The endpoint of KMS.
    pub kms: String,
    /// An access key and its secret.
    pub credentials: (String, String),
}

impl EmulatorProcess {
    /// If this process was started as the emulator, serves until standard input closes and returns
    /// true. Call it first.
    ///
    /// # Errors
    /// The emulator cannot start.
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    pub async fn serve_if_asked(buckets: Vec<BucketConfig>, key: &str) -> Result<bool, Error> {
        if env::args().nth(1).as_deref() != Some(ARGUMENT) {
            return Ok(false);
        }
        let folder = tempfile::tempdir()?;
        let mut config = Config::new(folder.path());
        config.buckets = buckets;
        config.key_aliases.push(key.to_owned());
        let emulator = Emulator::start(config).await?;
        println!("{}", emulator.s3_url());
        println!("{}", emulator.kms_url());
        println!("{}", emulator.access_key_id());
        println!("{}", emulator.secret_access_key());
        tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;
        emulator.shutdown().await;
        Ok(true)
    }

    /// Starts this program again as the emulator.
    ///
    /// # Errors
    /// It does not start.
    pub fn start() -> Result<Self, Error> {
        let mut process = Command::new(env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut line = || -> Result<String, Error> { Ok(lines.next().ok_or("no line")??) };
        Ok(Self {
            s3: line()?,
            kms: line()?,
            credentials: (line()?, line()?),
            process,
        })
    }

    /// The connection settings.
    pub fn connections(&self) -> ClientsConfig {
        ClientsConfig {
            s3_endpoint: Some(self.s3.clone()),
            kms_endpoint: Some(self.kms.clone()),
            region: Some("us-east-1".to_owned()),
            credentials: Some(self.credentials.clone()),
            s3_timeout: Duration::from_secs(120),
            ..ClientsConfig::default()
        }
    }

    /// Stops it and removes its data.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn stop(mut self) -> io::Result<()> {
        drop(self.process.stdin.take());
        self.process.wait().map(drop)
    }
}
