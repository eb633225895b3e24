"""What a wheel must hold: `python .ci/wheel.py check WHEEL`; `python .ci/wheel.py platforms` lists the platforms."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from macholib.MachO import MachO
from pefile import PE

MOST = 12e6  # bytes
ROOT = Path(__file__).parent.parent
SHOWN = {"jaxrnn_run", "jaxrnn_interface", "jaxrnn_operations"}
SYSTEM = re.compile(
    r"/usr/lib/libSystem\.B\.dylib|KERNEL32\.dll|api-ms-win-crt-[-a-z]+\d-\d-\d\.dll"
)  # on every machine

spec = importlib.util.spec_from_file_location("jaxrnn_build", ROOT / "jaxrnn" / "kernels" / "native" / "build.py")
build = importlib.util.module_from_spec(spec)  # by its path: the package itself needs JAX
spec.loader.exec_module(build)


def check(wheel: Path) -> None:
    """Size, content, and a library that needs nothing but the system of its platform."""
    size = wheel.stat().st_size
    platform = wheel.stem.split("-")[-1]
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = archive.namelist()
        [name] = [n for n in names if n.endswith(build.LIBRARY.name)]
        library = Path(archive.extract(name, folder))
        needs = (
            mac(library) if "macosx" in platform else windows(library) if "win" in platform else linux(wheel, platform)
        )
        print(f"{wheel.name}: {size / 1e6:.2f} MB, its library {library.stat().st_size / 1e6:.2f}; it needs {needs}")
    assert size < MOST, f"{wheel.name} is larger than {MOST / 1e6:.0f} MB"
    strange = [n for n in names if re.search(r"(^|/)(tests?|__pycache__|runs)/|\.(pyc|o|a)$|not_built", n)]
    assert not strange, strange
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    tree = subprocess.run(["git", "ls-files", "jaxrnn"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    missing = set(tree.split()) - set(names)
    assert not missing, f"not in the wheel: {missing}"


def linux(wheel: Path, platform: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True, check=True
    ).stdout
    text = " ".join(shown.split())
    assert f'consistent with the following platform tag: "{platform}"' in text, shown
    return re.search(r"libraries: (.*?\}) This|$", text)[1] or "nothing"


def mac(wheel: Path, library: Path) -> str:
    [header] = MachO(str(library)).headers
    commands = [(load.get_cmd_name(), data) for load, _, data in header.commands]
    assert "LC_CODE_SIGNATURE" in dict(commands), "such a machine loads nothing that is unsigned"
    return others({data.rstrip(b"\0").decode() for name, data in commands if name == "LC_LOAD_DYLIB"})


def windows(wheel: Path, library: Path) -> str:
    found = PE(str(library))
    assert {s.name.decode() for s in found.DIRECTORY_ENTRY_EXPORT.symbols} == SHOWN
    return others({e.dll.decode() for e in found.DIRECTORY_ENTRY_IMPORT})


def others(libraries: set[str]) -> str:
    assert all(map(SYSTEM.fullmatch, libraries)), libraries
    return ", ".join(sorted(libraries))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["platforms"]:
            print(*build.TARGETS, sep="\n")
        case ["check", *wheels]:
            for wheel in wheels:
                check(Path(wheel))
