//! KMS: keys, their states, data keys and the encryption context.

use std::collections::HashMap;

use aws_sdk_kms::{
    operation::{
        decrypt::builders::DecryptFluentBuilder,
        generate_data_key::builders::GenerateDataKeyFluentBuilder,
    },
    primitives::Blob,
    types::{DataKeySpec, KeyState},
};

use crate::{Aws, requests::assert_refused};

crate::behaviours! {
    a_data_key_opens_with_its_context,
    another_context_does_not_open,
    no_changed_ciphertext_opens,
    what_is_not_a_ciphertext_does_not_open,
    data_keys_have_the_length_asked_for,
    a_data_key_needs_one_length,
    encrypt_takes_up_to_4096_bytes,
    an_unknown_key,
    another_key_does_not_open,
    a_disabled_key_does_nothing,
    a_key_pending_deletion_does_nothing,
    a_deletion_can_be_cancelled,
    an_alias_is_as_good_as_its_key,
    an_alias_exists_once,
    describe_tells_the_state,
    re_encrypt_changes_key_and_context,
    a_data_key_without_plaintext_opens,
}

const INVALID_CIPHERTEXT: &str = "InvalidCiphertextException";

impl Aws {
    async fn key(&self) -> String {
        let created = self.kms.create_key().send().await.unwrap();
        created.key_metadata().unwrap().key_id().to_owned()
    }

    /// Encrypts `secret` under a key, bound to a context.
    async fn encrypt(&self, key: &str, pairs: &[(&str, &str)]) -> Blob {
        let request = self
            .kms
            .encrypt()
            .key_id(key)
            .plaintext(Blob::new("secret"));
        let request = request.set_encryption_context(context(pairs));
        request.send().await.unwrap().ciphertext_blob.unwrap()
    }

    fn decrypt(&self, blob: Blob, pairs: &[(&str, &str)]) -> DecryptFluentBuilder {
        let request = self.kms.decrypt().ciphertext_blob(blob);
        request.set_encryption_context(context(pairs))
    }

    fn data_key(&self, key: &str) -> GenerateDataKeyFluentBuilder {
        let request = self.kms.generate_data_key().key_id(key);
        request.key_spec(DataKeySpec::Aes256)
    }

    async fn key_state(&self, key: &str) -> KeyState {
        let described = self.kms.describe_key().key_id(key).send().await.unwrap();
        described.key_metadata.unwrap().key_state.unwrap()
    }

    /// Decrypts and returns the plaintext.
    async fn open(&self, blob: Blob, pairs: &[(&str, &str)]) -> Vec<u8> {
        let opened = self.decrypt(blob, pairs).send().await.unwrap();
        opened.plaintext.unwrap().into_inner()
    }
}

fn context(pairs: &[(&str, &str)]) -> Option<HashMap<String, String>> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Some(pairs.iter().map(owned).collect())
}

async fn a_data_key_opens_with_its_context(aws: Aws) {
    let key = aws.key().await;
    let pairs = [("purpose", "test"), ("ü", "✓")];
    let request = aws.data_key(&key).set_encryption_context(context(&pairs));
    let made = request.send().await.unwrap();
    assert!(made.key_id().unwrap().ends_with(&format!(":key/{key}")));
    assert_eq!(made.plaintext().unwrap().as_ref().len(), 32);
    let blob = made.ciphertext_blob().unwrap().clone();
    let opened = aws.decrypt(blob, &pairs).send().await.unwrap();
    assert_eq!(opened.plaintext(), made.plaintext());
    assert_eq!(opened.key_id(), made.key_id());
}

async fn another_context_does_not_open(aws: Aws) {
    let key = aws.key().await;
    let sealed = aws.encrypt(&key, &[("a", "1"), ("b", "2")]).await;
    let others: [&[(&str, &str)]; 5] = [
        &[],
        &[("a", "1")],
        &[("a", "1"), ("b", "3")],
        &[("a", "1"), ("B", "2")],
        &[("a", "1"), ("b", "2"), ("c", "")],
    ];
    for other in others {
        let opened = aws.decrypt(sealed.clone(), other).send().await;
        assert_refused(opened, 400, INVALID_CIPHERTEXT);
    }
}

async fn no_changed_ciphertext_opens(aws: Aws) {
    let key = aws.key().await;
    let blob = aws.encrypt(&key, &[]).await.into_inner();
    let mut changed = blob.clone();
    *changed.last_mut().unwrap() ^= 1;
    let truncated = blob[..blob.len() - 1].to_vec();
    let extended = [blob.as_slice(), b"x"].concat();
    for wrong in [changed, truncated, extended] {
        let opened = aws.decrypt(Blob::new(wrong), &[]).send().await;
        assert_refused(opened, 400, INVALID_CIPHERTEXT);
    }
}

async fn what_is_not_a_ciphertext_does_not_open(aws: Aws) {
    aws.key().await;
    let opened = aws.decrypt(Blob::new(b"not a ciphertext"), &[]);
    assert_refused(opened.send().await, 400, INVALID_CIPHERTEXT);
}

async fn data_keys_have_the_length_asked_for(aws: Aws) {
    let key = aws.key().await;
    let request = || aws.kms.generate_data_key().key_id(&key);
    let aes_128 = request().key_spec(DataKeySpec::Aes128);
    let made = aes_128.send().await.unwrap();
    assert_eq!(made.plaintext().unwrap().as_ref().len(), 16);
    for length in [1, 64, 1024] {
        let made = request().number_of_bytes(length).send().await.unwrap();
        assert_eq!(made.plaintext().unwrap().as_ref().len(), length as usize);
    }
}

async fn a_data_key_needs_one_length(aws: Aws) {
    let key = aws.key().await;
    let request = || aws.kms.generate_data_key().key_id(&key);
    let both = aws.data_key(&key).number_of_bytes(32);
    for wrong in [request(), both, request().number_of_bytes(1025)] {
        assert_refused(wrong.send().await, 400, "ValidationException");
    }
}

async fn encrypt_takes_up_to_4096_bytes(aws: Aws) {
    let key = aws.key().await;
    let encrypt = |length: usize| {
        let request = aws.kms.encrypt().key_id(&key);
        request.plaintext(Blob::new(vec![7; length])).send()
    };
    let sealed = encrypt(4096).await.unwrap().ciphertext_blob.unwrap();
    assert_eq!(aws.open(sealed, &[]).await, vec![7; 4096]);
    for length in [0, 4097] {
        assert_refused(encrypt(length).await, 400, "ValidationException");
    }
}

async fn an_unknown_key(aws: Aws) {
    for key in ["0d990263-018e-4e65-a703-eff731de951e", "alias/absent"] {
        let generated = aws.data_key(key).send().await;
        assert_refused(generated, 400, "NotFoundException");
        let described = aws.kms.describe_key().key_id(key).send().await;
        assert_refused(described, 400, "NotFoundException");
    }
}

async fn another_key_does_not_open(aws: Aws) {
    let (key, other) = (aws.key().await, aws.key().await);
    let blob = aws.encrypt(&key, &[]).await;
    let decrypt = |key: &str| aws.decrypt(blob.clone(), &[]).key_id(key).send();
    assert_refused(decrypt(&other).await, 400, "IncorrectKeyException");
    decrypt(&key).await.unwrap();
}

async fn a_disabled_key_does_nothing(aws: Aws) {
    let key = aws.key().await;
    let blob = aws.encrypt(&key, &[]).await;
    let decrypt = || aws.decrypt(blob.clone(), &[]).send();
    aws.kms.disable_key().key_id(&key).send().await.unwrap();
    assert_refused(aws.data_key(&key).send().await, 400, "DisabledException");
    assert_refused(decrypt().await, 400, "DisabledException");
    aws.kms.enable_key().key_id(&key).send().await.unwrap();
    decrypt().await.unwrap();
}

async fn a_key_pending_deletion_does_nothing(aws: Aws) {
    let key = aws.key().await;
    let blob = aws.encrypt(&key, &[]).await;
    let request = aws.kms.schedule_key_deletion().key_id(&key);
    request.send().await.unwrap();
    let expected = "KMSInvalidStateException";
    assert_refused(aws.data_key(&key).send().await, 400, expected);
    assert_refused(aws.decrypt(blob, &[]).send().await, 400, expected);
}

async fn a_deletion_can_be_cancelled(aws: Aws) {
    let key = aws.key().await;
    let request = aws.kms.schedule_key_deletion().key_id(&key);
    request.pending_window_in_days(7).send().await.unwrap();
    assert_eq!(aws.key_state(&key).await, KeyState::PendingDeletion);
    let request = aws.kms.cancel_key_deletion().key_id(&key);
    request.send().await.unwrap();
    assert_eq!(aws.key_state(&key).await, KeyState::Disabled);
}

async fn an_alias_is_as_good_as_its_key(aws: Aws) {
    let key = aws.key().await;
    let alias = format!("alias/{}", uuid::Uuid::new_v4());
    let request = aws.kms.create_alias().alias_name(&alias);
    request.target_key_id(&key).send().await.unwrap();
    let described = aws.kms.describe_key().key_id(&alias).send().await.unwrap();
    let metadata = described.key_metadata().unwrap();
    assert_eq!(metadata.key_id(), key);
    let made = aws.data_key(&alias).send().await.unwrap();
    assert_eq!(made.key_id(), metadata.arn());
    for name in [&alias, &key, metadata.arn().unwrap()] {
        let blob = made.ciphertext_blob().unwrap().clone();
        aws.decrypt(blob, &[]).key_id(name).send().await.unwrap();
    }
    let listed = aws.kms.list_aliases().send().await.unwrap();
    let mut listed = listed.aliases().iter();
    let listed = listed.find(|a| a.alias_name() == Some(&alias)).unwrap();
    assert_eq!(listed.target_key_id(), Some(key.as_str()));
}

async fn an_alias_exists_once(aws: Aws) {
    let key = aws.key().await;
    let alias = format!("alias/{}", uuid::Uuid::new_v4());
    let create = || {
        let request = aws.kms.create_alias().alias_name(&alias);
        request.target_key_id(&key).send()
    };
    create().await.unwrap();
    assert_refused(create().await, 400, "AlreadyExistsException");
}

async fn describe_tells_the_state(aws: Aws) {
    let created = aws.kms.create_key().description("a key").send().await;
    let key = created.unwrap().key_metadata.unwrap();
    assert_eq!((key.description(), key.enabled()), (Some("a key"), true));
    let request = aws.kms.disable_key().key_id(key.key_id());
    request.send().await.unwrap();
    assert_eq!(aws.key_state(key.key_id()).await, KeyState::Disabled);
}

async fn re_encrypt_changes_key_and_context(aws: Aws) {
    let (old, new) = (aws.key().await, aws.key().await);
    let sealed = aws.encrypt(&old, &[("v", "1")]).await;
    let request = aws.kms.re_encrypt().ciphertext_blob(sealed);
    let moved = request
        .set_source_encryption_context(context(&[("v", "1")]))
        .destination_key_id(&new)
        .set_destination_encryption_context(context(&[("v", "2")]))
        .send()
        .await
        .unwrap();
    let blob = moved.ciphertext_blob.unwrap();
    let request = aws.decrypt(blob, &[("v", "2")]).key_id(&new);
    let opened = request.send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap().as_ref(), b"secret");
}

async fn a_data_key_without_plaintext_opens(aws: Aws) {
    let key = aws.key().await;
    let request = aws.kms.generate_data_key_without_plaintext().key_id(&key);
    let made = request.key_spec(DataKeySpec::Aes256).send().await.unwrap();
    let opened = aws.open(made.ciphertext_blob.unwrap(), &[]).await;
    assert_eq!(opened.len(), 32);
}
