//! The functions, configured by environment variables as on Lambda.

use std::{collections::HashMap, sync::Arc};

use axum::Router;
use caas_audit::Trail;
use caas_clients::KeyHash;
use caas_settings::Settings;

use crate::{Options, cloud::Cloud, data_dir::DataDir, trigger::Trigger};

/// The client that the local API key belongs to.
const CLIENT: &str = "local";

/// The routes of the functions behind HTTP, and the trigger of seal-object.
pub(crate) async fn start(
    options: &Options,
    url: &str,
    api_key: &str,
    cloud: &Cloud,
    data_dir: DataDir,
    trail: &Trail,
) -> anyhow::Result<(Router, Trigger)> {
    let variables = variables(options, url, api_key, cloud)?;
    let settings = &Settings::new(move |name| variables.get(name).cloned());
    let clients = encrypt_data::connections(cloud.connections())
        .connect()
        .await;
    let mut config = encrypt_data::Config::read(settings)?;
    config.http.edge.trail = trail.clone();
    let encrypt_data = encrypt_data::Service::new(config, &clients);
    let mut config = encrypt_file::Config::read(settings)?;
    config.http.edge.trail = trail.clone();
    let encrypt_file = encrypt_file::Service::connect(config, cloud.connections()).await;
    let clients = cloud.connections().connect().await;
    let mut config = upload_file::Config::read(settings)?;
    config.http.edge.trail = trail.clone();
    let upload_file = upload_file::Service::new(config, clients);
    let router = encrypt_file::router(Arc::new(encrypt_file))
        .merge(encrypt_data::router(Arc::new(encrypt_data)))
        .merge(upload_file::router(Arc::new(upload_file)));

    let mut connections = cloud.connections();
    connections.s3_timeout = caas_inbox::S3_TIMEOUT;
    let config = seal_object::Config::read(settings)?;
    let trigger = Trigger::new(config, &connections.connect().await, data_dir, trail);
    Ok((router, trigger))
}

/// The variables that `template.yaml` sets on Lambda.
fn variables(
    options: &Options,
    url: &str,
    api_key: &str,
    cloud: &Cloud,
) -> anyhow::Result<HashMap<&'static str, String>> {
    let mut variables: HashMap<_, _> = cloud.variables()?.into_iter().collect();
    let hash = KeyHash::of(api_key);
    let storage = variables.get("AWS_ENDPOINT_URL_S3").cloned();
    variables.insert("STORAGE_ORIGINS", storage.unwrap_or_default());
    variables.insert("CAAS_URL", url.to_owned());
    variables.insert("API_KEYS", format!("{CLIENT}:{hash}"));
    if !options.lambda_limits {
        variables.insert("MAX_BODY_BYTES", options.max_body_bytes.to_string());
    }
    variables.insert("PUBLIC_ENCRYPT_FILE", "true".to_owned());
    let optional = [
        ("ALLOWED_ORIGINS", &options.allowed_origins),
        ("CIPHER_POOL", &options.cipher_pool),
        ("SALT_POOL", &options.salt_pool),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            variables.insert(name, value.clone());
        }
    }
    Ok(variables)
}
