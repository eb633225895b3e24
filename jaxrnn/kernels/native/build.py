"""Compiles the library beside this file, whenever the package is installed: `python -m jaxrnn.kernels.native.build`.

The elementwise loops and products are compiled once for each instruction set of x86; the library picks at run time. A
release compiles it for each of `TARGETS`, by one compiler that knows them all.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = HERE / "libjaxrnn.native.so"  # two dots: no module of Python's, for what imports all there are
NOTE = HERE / "not_built.txt"  # why there is no library, for `jaxrnn.explain`

# Without errno and traps the compiler may vectorise square roots and selections; results stay IEEE's. To multiply and
# add at once is every compiler's default but Clang's.
SHOWN = ("-fvisibility=hidden", "-w")
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", *SHOWN)
AVX512 = ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma", "-mprefer-vector-width=512")


def instruction_sets(machine: str) -> dict[str, tuple[str, ...]]:
    """Those that the loops are compiled for, with their flags."""
    if machine not in ("x86_64", "AMD64"):
        return {"baseline": ()}
    half = (*AVX512, "-mavx512bf16")
    return {"baseline": (), "avx2": ("-mavx2", "-mfma"), "avx512": AVX512, "avx512_bf16": half}


SETS = instruction_sets(platform.machine())

# A wheel's tag and what zig calls that platform: as old as those that jaxlib's own wheels are for.
TARGETS = {
    "manylinux_2_27_x86_64": "x86_64-linux-gnu.2.27",
    "manylinux_2_27_aarch64": "aarch64-linux-gnu.2.27",
    "macosx_11_0_arm64": "aarch64-macos.11.0",
    "win_amd64": "x86_64-windows-gnu",
}
ZIG = "ziglang==0.17.1"  # Clang with the headers and libraries of all platforms, as a package of Python's


def build() -> str | None:
    """Compile the library for this machine, or leave a note why not.

    Returns:
        None, or the reason why there is no library.
    """
    reason = _build()
    if reason is None:
        NOTE.unlink(missing_ok=True)
    else:
        LIBRARY.unlink(missing_ok=True)
        NOTE.write_text(reason + "\n")
    return reason


def build_for(tag: str, library: Path) -> str | None:
    """Compile the library for one of `TARGETS`; the reason where it does not compile."""
    zig = [sys.executable, "-m", "ziglang", "c++", "-target", TARGETS[tag]]
    name = (f"-Wl,-install_name,@rpath/{library.name}",) if "macosx" in tag else ()  # not the path where it is made
    reason = _compile(zig, instruction_sets(TARGETS[tag].partition("-")[0]), library, "-s", *name)
    if reason is None and tag.startswith("win"):
        _take_the_date_out(library)
    return reason


def _take_the_date_out(library: Path) -> None:
    """Windows's libraries say when they were linked: without, the same sources give the same bytes."""
    content = bytearray(library.read_bytes())
    header = int.from_bytes(content[0x3C:0x40], "little")
    content[header + 8 : header + 12] = bytes(4)
    library.write_bytes(content)


def _build() -> str | None:
    if sys.platform == "win32":
        return "is not compiled on Windows"
    asked = os.environ.get("CXX", "")
    found = [c for c in (asked, "g++", "clang++", "c++") if shutil.which(c)]
    try:
        compiler = shlex.split(asked) if asked and asked not in found else found[:1]  # $CXX may hold options
    except ValueError as error:
        return f"$CXX is no command, {error}: {asked}"
    if not compiler:
        return (
            "no C++ compiler was found when jaxrnn was installed (g++, clang++ or $CXX); install one, then jaxrnn again"
        )
    return _compile(compiler, SETS, LIBRARY)


def _compile(compiler: Sequence[str], sets: dict[str, tuple[str, ...]], library: Path, *options: str) -> str | None:
    try:
        import jaxlib
    except ImportError:
        return "jaxlib, whose headers it needs, was not there when jaxrnn was installed"
    headers = Path(jaxlib.__file__).parent / "include"
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        out = Path(folder)
        jobs: list[list[str | Path]] = [
            [*compiler, *FLAGS, *flags, f"-DJAXRNN_LOOPS=loops_{name}", "-c", "src/loops.cc", "-o", out / f"{name}.o"]
            for name, flags in sets.items()
        ]
        jobs.append([*compiler, *FLAGS, "-isystem", headers, "-c", "src/handler.cc", "-o", out / "handler.o"])
        objects = [job[-1] for job in jobs]
        with ThreadPoolExecutor() as pool:
            reasons = [r for r in pool.map(_run, jobs) if r]
        link = [*compiler, "-shared", *options, *objects, "-pthread", "-o", out / library.name]
        reasons = reasons or [r for r in [_run(link)] if r]
        if not reasons:
            os.replace(out / library.name, library)  # at once: another process may have the old one open
    return reasons[0] if reasons else None


def _run(command: Sequence[str | Path]) -> str | None:
    """Why a command failed, in one line; None where it did not."""
    try:
        done = subprocess.run(list(map(str, command)), cwd=HERE, capture_output=True, text=True)
    except OSError as error:
        return f"the C++ compiler does not run: {error}"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no message"]
    return f"did not compile: {lines[0].strip()}"


if __name__ == "__main__":
    print(build() or f"compiled {LIBRARY}")
