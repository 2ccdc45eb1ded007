//! A vault on S3 and KMS in this process.

use std::{collections::HashMap, ops::Deref, time::Duration};

use aws_sdk_s3::primitives::ByteStream;
use caas_aws::{Clients, KmsKey, ObjectKey, PutOptions};
use caas_testing::{FILE_KEY, Proxies, VAULT};
use caas_vault::{Stored, Vault};

pub(crate) struct Stack {
    stack: caas_testing::Stack,
    pub(crate) proxies: Proxies,
    pub(crate) vault: Vault,
}

impl Deref for Stack {
    type Target = caas_testing::Stack;

    fn deref(&self) -> &Self::Target {
        &self.stack
    }
}

impl Stack {
    /// A vault without proxies.
    pub(crate) async fn start() -> Self {
        let mut stack = Self::with_proxies().await;
        stack.vault = vault(&stack.clients);
        stack
    }

    /// A vault behind the proxies, which gives up soon.
    pub(crate) async fn with_proxies() -> Self {
        let stack = caas_testing::Stack::start().await;
        let proxies = stack.proxies(Duration::from_secs(4)).await;
        Self {
            vault: vault(&proxies.clients),
            stack,
            proxies,
        }
    }

    /// Puts a file, which must succeed.
    pub(crate) async fn put(&self, key: &ObjectKey, content: Vec<u8>) -> Stored {
        let options = PutOptions::default();
        self.vault.put(key, content, &options).await.unwrap()
    }

    /// The content of a file, which must open.
    pub(crate) async fn get(&self, key: &ObjectKey) -> Vec<u8> {
        self.vault.get(key, u64::MAX).await.unwrap().content
    }

    /// An object as it is stored: its metadata and its body.
    pub(crate) async fn raw(&self, key: &ObjectKey) -> (HashMap<String, String>, Vec<u8>) {
        self.get_raw(VAULT, key.as_str()).await
    }

    /// Stores an object as it is.
    pub(crate) async fn put_object(
        &self,
        key: &ObjectKey,
        metadata: HashMap<String, String>,
        body: Vec<u8>,
    ) {
        let request = self.clients.s3.put_object().bucket(VAULT);
        let request = request.key(key.as_str()).set_metadata(Some(metadata));
        request.body(ByteStream::from(body)).send().await.unwrap();
    }
}

fn vault(clients: &Clients) -> Vault {
    let key = KmsKey::new(clients.kms.clone(), FILE_KEY);
    Vault::new(clients.s3.clone(), VAULT, key)
}

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}
