//! What the program says when the service refuses.

use caas_testing::API_KEY;
use tokio::task::spawn_blocking;

use crate::service::Service;

/// For each API key, the cases of one folder, in the order of the lines of each file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_what_the_snapshots_say() {
    let service = Service::start().await;
    let registry = service.data_dir();
    let registry = registry.path().to_str().unwrap();
    let arguments = [
        "keys",
        "--data-dir",
        registry,
        "new",
        "acme",
        "--scope",
        "files:read",
    ];
    let reader = service.caas(&arguments, "").await.succeeded();
    for (folder, api_key) in [
        ("refused", API_KEY),
        ("refused-reader", reader.trim()),
        ("refused-unknown", "caas_unknown"),
    ] {
        let url = service.proxy.url();
        let api_key = api_key.to_owned();
        let run = move || {
            trycmd::TestCases::new()
                .env("CAAS_URL", url)
                .env("CAAS_API_KEY", api_key)
                .case(format!("tests/cmd/{folder}/*.trycmd"))
                .run();
        };
        spawn_blocking(run).await.unwrap();
    }
}
