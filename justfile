# List the recipes
default:
    @just --list

# Run everything that must hold before a change lands
check:
    .ci/run

# Run every test
test:
    cargo test --workspace

# Regenerate openapi.json
openapi:
    cargo run --quiet -- openapi > openapi.json

# Regenerate docs/problems.md
problems:
    cargo run --quiet -- problems > docs/problems.md

# Regenerate web/public/wasm
web:
    .ci/web

# Compare the service with its peers and write docs/PERFORMANCE.md; `just bench --quick gcm` tries one section
bench *arguments:
    python3 -m venv "${CAAS_BENCH_VENV:=$HOME/.cache/caas-bench}" && \
        "$CAAS_BENCH_VENV/bin/pip" install --quiet --requirement tools/bench/requirements.txt && \
        "$CAAS_BENCH_VENV/bin/python" tools/bench/compare.py {{arguments}}
