//! Benchmarks of CaaS against its peers, each pair measured in one run: `cargo bench -p caas-bench`.
