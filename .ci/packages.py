"""Checks built functions: their architecture, that Lambda's provided.al2023 has the libraries they load, and
that each package is small.

    python .ci/packages.py (arm64|x86_64) FOLDER    with FOLDER/<function>/bootstrap for each function
"""

import io
import pathlib
import sys
import zipfile

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

MACHINES = {"arm64": "EM_AARCH64", "x86_64": "EM_X86_64"}
# glibc only; Amazon Linux 2023 has version 2.34.
LIBRARIES = {
    "ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libm.so.6",
    "libpthread.so.0",
}
GLIBC = (2, 34)
PACKAGE_BYTES = 5_000_000
FUNCTIONS = 4


def check(path, architecture):
    with path.open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == MACHINES[architecture], f"{path}: for {elf['e_machine']}"
        needed, versions = set(), set()
        for section in elf.iter_sections():
            if isinstance(section, DynamicSection):
                needed |= {tag.needed for tag in section.iter_tags("DT_NEEDED")}
            if isinstance(section, GNUVerNeedSection):
                versions |= {v.name for _, names in section.iter_versions() for v in names}
        assert needed and needed <= LIBRARIES, f"{path}: needs {needed - LIBRARIES}"
        foreign = {v for v in versions if not v.startswith("GLIBC_")}
        assert not foreign, f"{path}: needs {foreign}"
        glibc = max(tuple(map(int, v.removeprefix("GLIBC_").split("."))) for v in versions)
        assert glibc <= GLIBC, f"{path}: needs glibc {glibc}"
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "bootstrap")
    size = len(package.getvalue())
    assert size <= PACKAGE_BYTES, f"{path}: {size} bytes zipped"
    name = path.parent.name
    print(f"{name}: {architecture}, glibc {'.'.join(map(str, glibc))}, {size:,} bytes zipped")


def main():
    architecture, folder = sys.argv[1:]
    found = sorted(pathlib.Path(folder).glob("*/bootstrap"))
    assert len(found) == FUNCTIONS, f"{len(found)} functions in {folder}"
    for path in found:
        check(path, architecture)


main()
