//! The welcome text: the link to the page, and commands to paste.

use std::path::Path;

pub(crate) fn text(url: &str, page: &str, env: &Path) -> String {
    format!(
        r#"CaaS is running at {url} - Ctrl-C stops it.

Open the page in a browser (the link works once):
  {page}

In another terminal, first:
  source '{env}'

Protect a user's data (the default is a one-way digest):
  curl -sS "$CAAS_URL/encrypt" -H 'content-type: application/json' -d '{{"apiKey": "'"$CAAS_API_KEY"'", "userUUID": "123e4567-e89b-12d3-a456-426614174000", "sensitiveData": "this is some sensitive data"}}'

Store a file encrypted, list the files, get one back:
  curl -sS "$CAAS_URL/api/upload/" -H "x-api-key: $CAAS_API_KEY" -F file=@README.md
  curl -sS "$CAAS_URL/api/files" -H "x-api-key: $CAAS_API_KEY"
  curl -sS "$CAAS_URL/api/files/ID" -H "x-api-key: $CAAS_API_KEY" -o README.copy.md

Drop a file in the inbox bucket, and find it sealed among the files (curl 7.75 or newer):
  curl -sS --aws-sigv4 "aws:amz:$AWS_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -T README.md "$AWS_ENDPOINT_URL_S3/$INBOX_BUCKET/local/README.md"

Encrypt a file for yourself, and keep the one key that opens it:
  curl -sS -F file=@README.md -o README.md.enc -D README.head "$CAAS_URL/encrypt_file"
  KEY=$(sed -n 's/^encryption-key: \([A-Za-z0-9_-]*\).*/\1/p' README.head)

And decrypt it:
  curl -sS -F file=@README.md.enc -F key="${{KEY:?$(cat README.md.enc)}}" -o README.copy.md "$CAAS_URL/decrypt_file"

The whole API: {url}/openapi.json

"#,
        env = env.display().to_string().replace('\'', r"'\''"),
    )
}
