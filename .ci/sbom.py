"""Writes a bill of materials (CycloneDX) next to each built function, from what the binary itself says it contains.

    python .ci/sbom.py FOLDER    with FOLDER/<function>/bootstrap for each function, built by cargo auditable
"""

import json
import pathlib
import subprocess
import sys

# In every function.
EXPECTED = {"aes-gcm", "caas-crypto", "tokio"}


def main():
    (folder,) = sys.argv[1:]
    found = sorted(pathlib.Path(folder).glob("*/bootstrap"))
    assert found, f"no functions in {folder}"
    for path in found:
        text = subprocess.run(["auditable2cdx", path], check=True, capture_output=True, text=True).stdout
        names = {component["name"] for component in json.loads(text)["components"]}
        assert names >= EXPECTED, f"{path}: without {EXPECTED - names}"
        path.with_name("sbom.cdx.json").write_text(text)
        print(f"{path.parent.name}: {len(names)} crates")


main()
