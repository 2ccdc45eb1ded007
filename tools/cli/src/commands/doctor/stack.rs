//! The settings of a deployment, read with the operator's AWS credentials.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_apigateway::types::SecurityPolicy;
use aws_sdk_cloudformation::types::Stack;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use serde_json::Value;

use super::report::{Report, Trouble};
use crate::failure::{Failure, with_causes};

/// The buckets, by the names of their outputs.
const BUCKETS: [&str; 4] = [
    "InboxBucket",
    "VaultBucket",
    "UserKeysBucket",
    "ClientsBucket",
];

/// The KMS keys, by the names of their outputs, and what their policies must deny.
const KEYS: [(&str, Option<&str>); 2] = [
    (
        "FileKeyArn",
        Some("kms:EncryptionContext:aws:x-amz-cek-alg"),
    ),
    ("UserKeyArn", None),
];

const REPAIR: &str = "deploy the template again: somebody changed what it sets";

pub(super) async fn check(name: &str, url: &str, report: &mut Report<'_>) -> Result<(), Failure> {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let client = aws_sdk_cloudformation::Client::new(&aws);
    let described = client.describe_stacks().stack_name(name).send().await;
    let stack = described
        .map_err(|error| {
            Trouble::failed(
                format!("DescribeStacks: {}", said(&error)),
                "check the AWS credentials, the region and the stack's name",
            )
        })
        .and_then(|described| {
            described
                .stacks
                .unwrap_or_default()
                .pop()
                .ok_or_else(absent)
        });
    let stack = stack.and_then(|stack| status(&stack).map(|status| (stack, status)));
    let Some((stack, _)) = report.step("stack", stack, |(_, status)| status.clone())? else {
        return Ok(());
    };
    report.step("URL of the stack", same_url(&stack, url), String::clone)?;
    let api = endpoint(&aws, &client, name).await;
    report.step("API endpoint", api, String::clone)?;
    let alarms = alarms(&aws, value(&stack, "AlarmTopic")).await;
    report.step("AlarmTopic", alarms, String::clone)?;
    let s3 = aws_sdk_s3::Client::new(&aws);
    for output in BUCKETS {
        let policy = async {
            let bucket = value(&stack, output).ok_or_else(absent)?;
            let policy = s3.get_bucket_policy().bucket(bucket).send().await;
            let policy = policy.map_err(|error| refused("s3:GetBucketPolicy", error))?;
            let policy = policy.policy.unwrap_or_default();
            let conditions = ["aws:SecureTransport", "s3:TlsVersion"];
            denies(&policy, &conditions).map(|()| "TLS 1.2 is required".to_owned())
        };
        report.step(output, policy.await, String::clone)?;
    }
    let kms = aws_sdk_kms::Client::new(&aws);
    for (output, condition) in KEYS {
        let key = key(&kms, value(&stack, output), condition).await;
        report.step(output, key, String::clone)?;
    }
    Ok(())
}

/// Whether a key is enabled, rotates, and refuses what its policy must deny.
async fn key(
    kms: &aws_sdk_kms::Client,
    arn: Option<&str>,
    condition: Option<&str>,
) -> Result<String, Trouble> {
    let arn = arn.ok_or_else(absent)?;
    let described = kms.describe_key().key_id(arn).send().await;
    let described = described.map_err(|error| refused("kms:DescribeKey", error))?;
    if !described.key_metadata().is_some_and(|key| key.enabled()) {
        return Err(Trouble::failed(
            "the key is disabled or will be deleted",
            "enable it, or cancel its deletion: without it nothing can be read",
        ));
    }
    let rotation = kms.get_key_rotation_status().key_id(arn).send().await;
    let rotation = rotation.map_err(|error| refused("kms:GetKeyRotationStatus", error))?;
    if !rotation.key_rotation_enabled() {
        return Err(Trouble::failed("the key does not rotate", REPAIR));
    }
    let Some(condition) = condition else {
        return Ok("enabled, rotates".to_owned());
    };
    let policy = kms.get_key_policy().key_id(arn).policy_name("default");
    let policy = policy.send().await;
    let policy = policy.map_err(|error| refused("kms:GetKeyPolicy", error))?;
    denies(policy.policy().unwrap_or_default(), &[condition])
        .map(|()| "enabled, rotates, refuses other suites".to_owned())
}

fn status(stack: &Stack) -> Result<String, Trouble> {
    let status = stack.stack_status().map_or("", |status| status.as_str());
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Ok(status.to_owned()),
        _ => Err(Trouble::failed(
            status,
            "look at the stack's events: the last change did not succeed, or goes on",
        )),
    }
}

/// Whether the stack is the service that is checked.
fn same_url(stack: &Stack, url: &str) -> Result<String, Trouble> {
    let own = value(stack, "Url").ok_or_else(absent)?;
    match own == url.trim_end_matches('/') {
        true => Ok(own.to_owned()),
        false => Err(Trouble::failed(
            format!("the stack is at {own}"),
            "check that URL, or name the stack of this one",
        )),
    }
}

/// Which versions of TLS the API accepts.
async fn endpoint(
    aws: &SdkConfig,
    cloudformation: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<String, Trouble> {
    let resource = cloudformation.describe_stack_resource().stack_name(stack);
    let resource = resource.logical_resource_id("Api").send().await;
    let resource =
        resource.map_err(|error| refused("cloudformation:DescribeStackResource", error))?;
    let detail = resource.stack_resource_detail();
    let id = detail.and_then(|resource| resource.physical_resource_id());
    let api = aws_sdk_apigateway::Client::new(aws)
        .get_rest_api()
        .rest_api_id(id.ok_or_else(absent)?)
        .send()
        .await;
    let api = api.map_err(|error| refused("apigateway:GET", error))?;
    accepts_tls_1_2_at_least(api.security_policy())
}

fn accepts_tls_1_2_at_least(policy: Option<&SecurityPolicy>) -> Result<String, Trouble> {
    match policy {
        None | Some(SecurityPolicy::Tls10) => {
            Err(Trouble::failed("TLS 1.0 and 1.1 are accepted", REPAIR))
        }
        Some(policy) => Ok(format!("its security policy is {policy}")),
    }
}

/// Whether somebody has confirmed a subscription to the alarms.
async fn alarms(aws: &SdkConfig, topic: Option<&str>) -> Result<String, Trouble> {
    let topic = topic.ok_or_else(absent)?;
    let listed = aws_sdk_sns::Client::new(aws)
        .list_subscriptions_by_topic()
        .topic_arn(topic)
        .send()
        .await;
    let listed = listed.map_err(|error| refused("sns:ListSubscriptionsByTopic", error))?;
    let arns = listed.subscriptions().iter();
    notifies(arns.map(|subscription| subscription.subscription_arn().unwrap_or_default()))
}

/// An unconfirmed subscription has a word in place of its ARN.
fn notifies<'a>(subscriptions: impl Iterator<Item = &'a str>) -> Result<String, Trouble> {
    let (confirmed, pending): (Vec<_>, Vec<_>) =
        subscriptions.partition(|arn| arn.starts_with("arn:"));
    match (confirmed.len(), pending.len()) {
        (0, 0) => Err(Trouble::failed(
            "nobody is notified of an alarm",
            "deploy with AlarmEmail, or subscribe somebody to the topic",
        )),
        (0, _) => Err(Trouble::failed(
            "nobody is notified of an alarm: no subscription is confirmed",
            "follow the link in the e-mail that AWS sent to AlarmEmail",
        )),
        (confirmed, 0) => Ok(format!("{confirmed} confirmed")),
        (confirmed, pending) => Ok(format!("{confirmed} confirmed, {pending} not")),
    }
}

/// An output of the stack.
fn value<'a>(stack: &'a Stack, key: &str) -> Option<&'a str> {
    let mut outputs = stack.outputs().iter();
    let output = outputs.find(|output| output.output_key() == Some(key));
    output.and_then(|output| output.output_value())
}

/// Whether a policy denies something under each of these conditions.
fn denies(policy: &str, conditions: &[&str]) -> Result<(), Trouble> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy["Statement"].as_array();
    let denied = |condition: &str| {
        statements.into_iter().flatten().any(|statement| {
            let conditions = statement["Condition"].as_object();
            let mut operators = conditions.into_iter().flatten();
            statement["Effect"] == "Deny"
                && operators.any(|(_, tested)| tested.get(condition).is_some())
        })
    };
    match conditions.iter().find(|condition| !denied(condition)) {
        None => Ok(()),
        Some(condition) => Err(Trouble::failed(
            format!("the policy denies nothing by {condition}"),
            REPAIR,
        )),
    }
}

fn absent() -> Trouble {
    Trouble::failed(
        "the stack has no such output",
        "check the stack's name, and deploy the current template",
    )
}

/// An AWS request failed, or these credentials may not send it.
fn refused<E, R>(action: &str, error: SdkError<E, R>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error.code() {
        Some("AccessDenied" | "AccessDeniedException") => {
            Trouble::Skipped(format!("these AWS credentials lack {action}"))
        }
        Some("NoSuchBucketPolicy") => Trouble::failed("there is no policy", REPAIR),
        _ => Trouble::failed(
            format!("{action}: {}", said(&error)),
            "check the AWS credentials and the region",
        ),
    }
}

/// What AWS says, or why it says nothing.
fn said<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        // The SDK lists on further lines where it looked for credentials.
        (None, _) => with_causes(error).lines().take(1).collect(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::{Output, StackStatus};

    use super::*;

    #[test]
    fn a_stack_is_complete_and_here() {
        let url = Output::builder()
            .output_key("Url")
            .output_value("https://a/Prod");
        let stack = |status| {
            let stack = Stack::builder().stack_status(status);
            stack.outputs(url.clone().build()).build()
        };
        let good = stack(StackStatus::UpdateComplete);
        assert!(status(&good).is_ok());
        assert!(same_url(&good, "https://a/Prod/").is_ok());
        assert!(same_url(&good, "https://b/Prod").is_err());
        assert_eq!(value(&good, "VaultBucket"), None);
        assert!(status(&stack(StackStatus::UpdateRollbackComplete)).is_err());
    }

    #[test]
    fn old_versions_of_tls_are_refused() {
        for (policy, is_good) in [
            (None, false),
            (Some("TLS_1_0"), false),
            (Some("TLS_1_2"), true),
            (Some("SecurityPolicy_TLS13_1_2_2021_06"), true),
        ] {
            let policy = policy.map(SecurityPolicy::from);
            let accepted = accepts_tls_1_2_at_least(policy.as_ref());
            assert_eq!(accepted.is_ok(), is_good, "{policy:?}");
        }
    }

    #[test]
    fn somebody_has_confirmed_a_subscription() {
        for (subscriptions, is_good) in [
            (&[][..], false),
            (&["PendingConfirmation"], false),
            (&["Deleted", "PendingConfirmation"], false),
            (
                &["PendingConfirmation", "arn:aws:sns:eu-west-1:1:a:b"],
                true,
            ),
        ] {
            let notifies = notifies(subscriptions.iter().copied());
            assert_eq!(notifies.is_ok(), is_good, "{subscriptions:?}");
        }
    }

    #[test]
    fn a_policy_must_deny_under_each_condition() {
        let policy = r#"{"Statement": [
            {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Effect": "Allow", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
            {"Effect": "Deny"}
        ]}"#;
        assert!(denies(policy, &["aws:SecureTransport"]).is_ok());
        for (policy, conditions) in [
            (policy, &["aws:SecureTransport", "s3:TlsVersion"][..]),
            ("", &["aws:SecureTransport"]),
            ("{}", &["aws:SecureTransport"]),
        ] {
            assert!(denies(policy, conditions).is_err(), "{policy}");
        }
    }
}
