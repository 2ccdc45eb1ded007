//! What is printed at the start: commands to paste.

use std::path::Path;

pub(crate) fn text(url: &str, env: &Path) -> String {
    format!(
        r#"CaaS is running at {url} - Ctrl-C stops it.

In another terminal, first:
  source '{env}'

Encrypt a file, and keep the one key that opens it:
  KEY=$(curl -fsS -F file=@README.md -o README.md.enc -w '%header{{encryption-key}}' "$CAAS_URL/encrypt_file")

Decrypt it:
  curl -fsS -F file=@README.md.enc -F key="$KEY" -o README.copy.md "$CAAS_URL/decrypt_file"

The whole API: {url}/openapi.json

"#,
        env = env.display(),
    )
}
