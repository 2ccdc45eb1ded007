//! Finding the buckets of a deployment.

use crate::KeysError;

/// The name of a bucket: an output of the stack, such as `ClientsBucket`, read with the credentials
/// and the region of the environment.
///
/// # Errors
/// CloudFormation is not available, or there is no such stack or output.
pub async fn bucket_of_stack(
    aws: &aws_config::SdkConfig,
    stack: &str,
    output: &'static str,
) -> Result<String, KeysError> {
    let client = aws_sdk_cloudformation::Client::new(aws);
    let described = client.describe_stacks().stack_name(stack).send().await;
    let described = described.map_err(|error| KeysError::Aws {
        operation: "DescribeStacks",
        source: Box::new(error.into_service_error()),
    })?;
    let outputs = described.stacks().iter().flat_map(|stack| stack.outputs());
    let mut buckets = outputs.filter(|found| found.output_key() == Some(output));
    let bucket = buckets.next().and_then(|output| output.output_value());
    let bucket = bucket.ok_or_else(|| KeysError::NoBucket {
        stack: stack.to_owned(),
        output,
    })?;
    Ok(bucket.to_owned())
}
