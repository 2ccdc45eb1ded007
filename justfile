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
