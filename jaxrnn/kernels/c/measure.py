"""How large machine code is, by the compiler that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

COMPILERS = ("cc", "gcc", "clang")
SECTION = re.compile(r"^\.text\S*\s+(\d+)", re.MULTILINE)


def code_size(path: Path) -> tuple[int | None, str]:
    """Bytes of instructions with -Os, and what compiled them; None and why where that cannot be told."""
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None or not shutil.which("size"):
        return None, "no C compiler here to tell the size of code"
    with TemporaryDirectory() as folder:
        made = Path(folder) / "model.o"
        command = [compiler, "-std=c99", "-Os", "-c", str(path.resolve()), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            return None, f"{Path(compiler).name} does not compile it: {done.stderr.strip()[:200]}"
        listed = subprocess.run(["size", "-A", str(made)], capture_output=True, text=True, errors="replace").stdout
        machine = subprocess.run([compiler, "-dumpmachine"], capture_output=True, text=True, errors="replace").stdout
    sizes = [int(count) for count in SECTION.findall(listed)]
    return (sum(sizes), f"{Path(compiler).name} -Os, {machine.strip()}") if sizes else (None, "no sections of code")
