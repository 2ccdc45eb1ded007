//! What the audit trail says about users' values and keys.

use caas_audit::Trail;
use caas_crypto::UserId;
use caas_testing::Log;
use http::Method;
use serde_json::{Value, json};

use crate::support::{OTHER_USER, Options, Stack, USER};

fn subject(client: &str, user: &str) -> String {
    let user = UserId {
        client: client.parse().unwrap(),
        user: user.parse().unwrap(),
    };
    user.subject()
}

#[tokio::test]
async fn a_user_is_named_by_the_hash_in_kms_and_an_effect_is_announced() {
    let stack = Stack::start().await;
    let trail = Log::default();
    let options = Options {
        trail: Trail::new(trail.clone(), None),
        ..Options::default()
    };
    let process = options.process(&stack);
    process.seal(USER, "datum").await;
    let fields = json!({"sensitiveData": ["a", "b", "c"]});
    process.post("/encrypt", USER, fields).await.ok();
    process.rotate(USER).await;
    assert_eq!(process.shred(USER).await, 2);
    assert_eq!(process.shred(USER).await, 0);
    let absent = format!("/users/{OTHER_USER}");
    let absent = process.send(Method::DELETE, &absent).await;
    absent.is_problem("absent", 404, "not-found");
    process.send(Method::GET, "/users/nobody").await;

    let lines = trail.audit();
    let told = |line: &Value| {
        let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {}",
            text("audit"),
            text("operation"),
            text("outcome")
        )
    };
    let said: Vec<_> = lines.iter().map(told).collect();
    let shred = "DELETE /users/{uuid}";
    assert_eq!(
        said,
        [
            "outcome POST /encrypt ok",
            "outcome POST /encrypt ok",
            "intent POST /users/{uuid}/rotate -",
            "outcome POST /users/{uuid}/rotate ok",
            &format!("intent {shred} -"),
            &format!("outcome {shred} ok"),
            &format!("intent {shred} -"),
            &format!("outcome {shred} ok"),
            &format!("intent {shred} -"),
            &format!("outcome {shred} not-found"),
            "outcome GET /users/{uuid} invalid-uuid",
        ]
    );
    assert_eq!(
        (&lines[0]["items"], &lines[1]["items"]),
        (&1.into(), &3.into())
    );
    let removed = [5, 7, 9].map(|line| lines[line]["removed"].as_u64());
    assert_eq!(removed, [Some(2), Some(0), None]);
    for line in &lines[..8] {
        assert_eq!(line["client"], "acme");
        assert_eq!(line["subject"], subject("acme", USER), "{line}");
    }
    assert_eq!(lines[9]["subject"], subject("acme", OTHER_USER));
    assert_eq!(lines[10]["subject"], Value::Null);
    let in_kms = stack.emulator.kms_requests();
    let subjects = in_kms
        .iter()
        .map(|request| &request.context["caas:subject"]);
    let of_user = subjects
        .filter(|kms| **kms == subject("acme", USER))
        .count();
    assert!(of_user >= 3 && of_user == in_kms.len(), "{in_kms:?}");
}
