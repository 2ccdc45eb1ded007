//! KMS: keys, their states, data keys and the encryption context.

use std::collections::HashMap;

use aws_sdk_kms::{
    primitives::Blob,
    types::{DataKeySpec, KeyState},
};

use crate::{Aws, clients::refused};

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

impl Aws {
    async fn key(&self) -> String {
        let created = self.kms.create_key().send().await.unwrap();
        created.key_metadata().unwrap().key_id().to_owned()
    }
}

fn context(pairs: &[(&str, &str)]) -> Option<HashMap<String, String>> {
    Some(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

fn invalid_ciphertext() -> (u16, String) {
    (400, "InvalidCiphertextException".to_owned())
}

async fn a_data_key_opens_with_its_context(aws: Aws) {
    let key = aws.key().await;
    let pairs = context(&[("purpose", "test"), ("ü", "✓")]);
    let request = aws
        .kms
        .generate_data_key()
        .key_id(&key)
        .key_spec(DataKeySpec::Aes256);
    let request = request.set_encryption_context(pairs.clone());
    let made = request.send().await.unwrap();
    assert!(made.key_id().unwrap().ends_with(&format!(":key/{key}")));
    assert_eq!(made.plaintext().unwrap().as_ref().len(), 32);
    let decrypt = aws
        .kms
        .decrypt()
        .ciphertext_blob(made.ciphertext_blob().unwrap().clone());
    let opened = decrypt.set_encryption_context(pairs).send().await.unwrap();
    assert_eq!(opened.plaintext(), made.plaintext());
    assert_eq!(opened.key_id(), made.key_id());
}

async fn another_context_does_not_open(aws: Aws) {
    let key = aws.key().await;
    let encrypt = aws
        .kms
        .encrypt()
        .key_id(&key)
        .plaintext(Blob::new("secret"));
    let pairs = context(&[("a", "1"), ("b", "2")]);
    let sealed = encrypt.set_encryption_context(pairs).send().await.unwrap();
    let others: [&[(&str, &str)]; 5] = [
        &[],
        &[("a", "1")],
        &[("a", "1"), ("b", "3")],
        &[("a", "1"), ("B", "2")],
        &[("a", "1"), ("b", "2"), ("c", "")],
    ];
    for other in others {
        let decrypt = aws
            .kms
            .decrypt()
            .ciphertext_blob(sealed.ciphertext_blob().unwrap().clone());
        let opened = decrypt.set_encryption_context(context(other)).send().await;
        assert_eq!(refused(opened), invalid_ciphertext(), "{other:?}");
    }
}

async fn no_changed_ciphertext_opens(aws: Aws) {
    let key = aws.key().await;
    let sealed = aws
        .kms
        .encrypt()
        .key_id(&key)
        .plaintext(Blob::new("secret"))
        .send()
        .await;
    let blob = sealed.unwrap().ciphertext_blob.unwrap().into_inner();
    let mut changed = blob.clone();
    *changed.last_mut().unwrap() ^= 1;
    let truncated = blob[..blob.len() - 1].to_vec();
    let extended = [blob.as_slice(), b"x"].concat();
    for wrong in [changed, truncated, extended] {
        let opened = aws
            .kms
            .decrypt()
            .ciphertext_blob(Blob::new(wrong))
            .send()
            .await;
        assert_eq!(refused(opened), invalid_ciphertext());
    }
}

async fn what_is_not_a_ciphertext_does_not_open(aws: Aws) {
    aws.key().await;
    let opened = aws
        .kms
        .decrypt()
        .ciphertext_blob(Blob::new(b"not a ciphertext"))
        .send()
        .await;
    assert_eq!(refused(opened), invalid_ciphertext());
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
    let both = request().key_spec(DataKeySpec::Aes256).number_of_bytes(32);
    for wrong in [request(), both, request().number_of_bytes(1025)] {
        assert_eq!(
            refused(wrong.send().await),
            (400, "ValidationException".to_owned())
        );
    }
}

async fn encrypt_takes_up_to_4096_bytes(aws: Aws) {
    let key = aws.key().await;
    let encrypt = |length: usize| {
        aws.kms
            .encrypt()
            .key_id(&key)
            .plaintext(Blob::new(vec![7; length]))
            .send()
    };
    let sealed = encrypt(4096).await.unwrap();
    let opened = aws
        .kms
        .decrypt()
        .ciphertext_blob(sealed.ciphertext_blob.unwrap())
        .send()
        .await;
    assert_eq!(opened.unwrap().plaintext().unwrap().as_ref(), vec![7; 4096]);
    for length in [0, 4097] {
        assert_eq!(
            refused(encrypt(length).await),
            (400, "ValidationException".to_owned())
        );
    }
}

async fn an_unknown_key(aws: Aws) {
    let absent = ["0d990263-018e-4e65-a703-eff731de951e", "alias/absent"];
    for key in absent {
        let request = aws
            .kms
            .generate_data_key()
            .key_id(key)
            .key_spec(DataKeySpec::Aes256);
        assert_eq!(
            refused(request.send().await),
            (400, "NotFoundException".to_owned()),
            "{key}"
        );
        let request = aws.kms.describe_key().key_id(key);
        assert_eq!(
            refused(request.send().await),
            (400, "NotFoundException".to_owned()),
            "{key}"
        );
    }
}

async fn another_key_does_not_open(aws: Aws) {
    let (key, other) = (aws.key().await, aws.key().await);
    let sealed = aws
        .kms
        .encrypt()
        .key_id(&key)
        .plaintext(Blob::new("secret"))
        .send()
        .await;
    let blob = sealed.unwrap().ciphertext_blob.unwrap();
    let decrypt = |key: &str| {
        aws.kms
            .decrypt()
            .ciphertext_blob(blob.clone())
            .key_id(key)
            .send()
    };
    assert_eq!(
        refused(decrypt(&other).await),
        (400, "IncorrectKeyException".to_owned())
    );
    decrypt(&key).await.unwrap();
}

async fn a_disabled_key_does_nothing(aws: Aws) {
    let key = aws.key().await;
    let generate = || {
        aws.kms
            .generate_data_key()
            .key_id(&key)
            .key_spec(DataKeySpec::Aes256)
            .send()
    };
    let blob = generate().await.unwrap().ciphertext_blob.unwrap();
    aws.kms.disable_key().key_id(&key).send().await.unwrap();
    assert_eq!(
        refused(generate().await),
        (400, "DisabledException".to_owned())
    );
    let decrypt = || aws.kms.decrypt().ciphertext_blob(blob.clone()).send();
    assert_eq!(
        refused(decrypt().await),
        (400, "DisabledException".to_owned())
    );
    aws.kms.enable_key().key_id(&key).send().await.unwrap();
    decrypt().await.unwrap();
}

async fn a_key_pending_deletion_does_nothing(aws: Aws) {
    let key = aws.key().await;
    let generate = || {
        aws.kms
            .generate_data_key()
            .key_id(&key)
            .key_spec(DataKeySpec::Aes256)
            .send()
    };
    let blob = generate().await.unwrap().ciphertext_blob.unwrap();
    let request = aws.kms.schedule_key_deletion().key_id(&key);
    request.send().await.unwrap();
    let expected = (400, "KMSInvalidStateException".to_owned());
    assert_eq!(refused(generate().await), expected);
    assert_eq!(
        refused(aws.kms.decrypt().ciphertext_blob(blob).send().await),
        expected
    );
}

async fn a_deletion_can_be_cancelled(aws: Aws) {
    let key = aws.key().await;
    let state = async || {
        let described = aws.kms.describe_key().key_id(&key).send().await.unwrap();
        described.key_metadata.unwrap().key_state.unwrap()
    };
    let request = aws
        .kms
        .schedule_key_deletion()
        .key_id(&key)
        .pending_window_in_days(7);
    request.send().await.unwrap();
    assert_eq!(state().await, KeyState::PendingDeletion);
    let request = aws.kms.cancel_key_deletion().key_id(&key);
    request.send().await.unwrap();
    assert_eq!(state().await, KeyState::Disabled);
}

async fn an_alias_is_as_good_as_its_key(aws: Aws) {
    let key = aws.key().await;
    let alias = format!("alias/{}", uuid::Uuid::new_v4());
    let request = aws.kms.create_alias().alias_name(&alias);
    request.target_key_id(&key).send().await.unwrap();
    let described = aws.kms.describe_key().key_id(&alias).send().await.unwrap();
    let metadata = described.key_metadata().unwrap();
    assert_eq!(metadata.key_id(), key);
    let sealed = aws
        .kms
        .encrypt()
        .key_id(&alias)
        .plaintext(Blob::new("x"))
        .send()
        .await
        .unwrap();
    assert_eq!(sealed.key_id(), metadata.arn());
    for name in [&alias, &key, metadata.arn().unwrap()] {
        let blob = sealed.ciphertext_blob().unwrap().clone();
        let request = aws.kms.decrypt().ciphertext_blob(blob).key_id(name);
        request.send().await.unwrap();
    }
    let listed = aws.kms.list_aliases().send().await.unwrap();
    let listed = listed
        .aliases()
        .iter()
        .find(|a| a.alias_name() == Some(&alias))
        .unwrap();
    assert_eq!(listed.target_key_id(), Some(key.as_str()));
}

async fn an_alias_exists_once(aws: Aws) {
    let key = aws.key().await;
    let alias = format!("alias/{}", uuid::Uuid::new_v4());
    let create = || {
        aws.kms
            .create_alias()
            .alias_name(&alias)
            .target_key_id(&key)
            .send()
    };
    create().await.unwrap();
    assert_eq!(
        refused(create().await),
        (400, "AlreadyExistsException".to_owned())
    );
}

async fn describe_tells_the_state(aws: Aws) {
    let created = aws
        .kms
        .create_key()
        .description("a key")
        .send()
        .await
        .unwrap();
    let key = created.key_metadata.unwrap();
    assert_eq!((key.description(), key.enabled()), (Some("a key"), true));
    let request = aws.kms.disable_key().key_id(key.key_id());
    request.send().await.unwrap();
    let described = aws
        .kms
        .describe_key()
        .key_id(key.key_id())
        .send()
        .await
        .unwrap();
    assert_eq!(
        described.key_metadata().unwrap().key_state(),
        Some(&KeyState::Disabled)
    );
}

async fn re_encrypt_changes_key_and_context(aws: Aws) {
    let (old, new) = (aws.key().await, aws.key().await);
    let sealed = aws
        .kms
        .encrypt()
        .key_id(&old)
        .plaintext(Blob::new("secret"));
    let request = sealed.set_encryption_context(context(&[("v", "1")]));
    let sealed = request.send().await.unwrap();
    let request = aws
        .kms
        .re_encrypt()
        .ciphertext_blob(sealed.ciphertext_blob.unwrap());
    let moved = request
        .set_source_encryption_context(context(&[("v", "1")]))
        .destination_key_id(&new)
        .set_destination_encryption_context(context(&[("v", "2")]))
        .send()
        .await
        .unwrap();
    let decrypt = aws
        .kms
        .decrypt()
        .ciphertext_blob(moved.ciphertext_blob.unwrap())
        .key_id(&new);
    let request = decrypt.set_encryption_context(context(&[("v", "2")]));
    let opened = request.send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap().as_ref(), b"secret");
}

async fn a_data_key_without_plaintext_opens(aws: Aws) {
    let key = aws.key().await;
    let request = aws.kms.generate_data_key_without_plaintext().key_id(&key);
    let made = request.key_spec(DataKeySpec::Aes256).send().await.unwrap();
    let opened = aws
        .kms
        .decrypt()
        .ciphertext_blob(made.ciphertext_blob.unwrap())
        .send()
        .await;
    assert_eq!(opened.unwrap().plaintext().unwrap().as_ref().len(), 32);
}
