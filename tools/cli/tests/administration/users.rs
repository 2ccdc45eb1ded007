//! `caas user`.

use crate::service::Service;

const USER: &str = "123e4567-e89b-12d3-a456-426614174000";

#[tokio::test]
async fn a_users_key_is_shown_rotated_and_shredded() {
    let service = Service::start().await;
    let show = ["user", "show", USER];
    let absent = service.caas(&show, "").await.failed(1);
    assert_eq!(absent, "error: Not found: This user has no keys.\n");
    let encrypt = ["value", "encrypt", "--user", USER];
    let value = service.caas(&encrypt, "a\n").await.succeeded();
    let rotated = service
        .caas(&["user", "rotate", USER], "")
        .await
        .succeeded();
    assert_eq!(rotated, "New values use version 2 of the key.\n");
    let shown = service.caas(&show, "").await.succeeded();
    let numbers: Vec<_> = shown
        .lines()
        .map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(numbers, [Some("1"), Some("2")]);
    let json = service
        .caas(&["--json", "user", "show", USER], "")
        .await
        .succeeded();
    let versions = json.lines().map(|line| {
        let version: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            version["created_at"].as_str().unwrap().ends_with('Z'),
            "{version}"
        );
        version["version"].as_u64()
    });
    assert_eq!(versions.collect::<Vec<_>>(), [Some(1), Some(2)]);

    let shred = ["user", "shred", USER];
    let asked = service.caas(&shred, "yes\n").await.failed(2);
    assert!(
        asked.contains("permanently unreadable") && asked.contains("--confirm"),
        "{asked}"
    );
    let other = "223e4567-e89b-12d3-a456-426614174000";
    let mistaken = service
        .caas(&["user", "shred", USER, "--confirm", other], "")
        .await;
    assert!(mistaken.failed(2).contains("differ"));
    let decrypt = ["value", "decrypt", "--user", USER];
    assert_eq!(service.caas(&decrypt, &value).await.succeeded(), "a\n");

    let confirmed = ["user", "shred", USER, "--confirm", &USER.to_uppercase()];
    let receipt = service.caas(&confirmed, "").await.succeeded();
    assert!(receipt.contains("2 versions"), "{receipt}");
    let again = service.caas(&confirmed, "").await.succeeded();
    assert!(again.contains("there was nothing left"), "{again}");
    assert_eq!(service.caas(&decrypt, &value).await.code, Some(3));
    assert_eq!(service.caas(&show, "").await.code, Some(1));
}
