//! The floor of a new user: the same requests to S3 and KMS, by the same clients, and nothing else.

use std::{
    env,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_s3::primitives::ByteStream;
use axum::{Router, extract::State, http::StatusCode, routing::post};
use caas_aws::{Clients, ClientsConfig, KmsKey};
use caas_bench::Error;
use caas_settings::Settings;
use serde_json::json;
use tokio::net::TcpListener;

const BUCKET: &str = "user-keys";

/// About as long as a record.
const RECORD: &[u8] = &[b'x'; 700];

struct Floor {
    clients: Clients,
    key: KmsKey,
    users: AtomicU64,
}

/// Prints the port; then sends three requests for each that comes: a record that does not exist is read, a data key is
/// made, and the record is written if there is still none.
pub(crate) async fn serve() -> Result<(), Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    let clients = ClientsConfig::read(&settings)?.connect().await;
    let key_id = settings.get("USER_KEY_ID").ok_or("USER_KEY_ID: not set")?;
    let key = KmsKey::new(clients.kms.clone(), key_id);
    let router = Router::new().route("/new-user", post(new_user));
    let router = router.with_state(Arc::new(Floor {
        clients,
        key,
        users: AtomicU64::new(0),
    }));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", json!({"port": listener.local_addr()?.port()}));
    Ok(axum::serve(listener, router).await?)
}

async fn new_user(State(floor): State<Arc<Floor>>) -> Result<StatusCode, StatusCode> {
    let s3 = &floor.clients.s3;
    let name = format!("floor/{}.json", floor.users.fetch_add(1, Ordering::Relaxed));
    let get = s3.get_object().bucket(BUCKET).key(&name).send().await;
    let error = get.err().ok_or(StatusCode::CONFLICT)?;
    if !error
        .as_service_error()
        .is_some_and(|error| error.is_no_such_key())
    {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let context = [
        ("caas:purpose", "floor"),
        ("caas:client", "floor"),
        ("caas:subject", &name),
    ];
    let made = floor.key.generate(context).await;
    made.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let put = s3.put_object().bucket(BUCKET).key(&name).if_none_match("*");
    put.body(ByteStream::from_static(RECORD))
        .send()
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(StatusCode::OK)
}
