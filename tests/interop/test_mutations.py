"""Mutated files of every format: one clear error or the right numbers, little memory, nothing executed.

Where a format has no checksum a changed number is another number, and a changed attribute of ONNX another cell: the
parameters are then those that this cell declares. Archives with checksums give what was written, or an error.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxrnn import interop
from tests.interop import test_damage as damage

pytestmark = pytest.mark.filterwarnings("ignore")
SLACK = 24 * 2**20  # bytes: what allocators and libraries take beside a file of some kilobytes
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
EXECUTES = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "ctypes.dlopen")
seen: list[str] = []
watching = [False]


def _watch(event: str, arguments: Any) -> None:
    if watching[0] and (event in EXECUTES or event == "pickle.find_class"):
        seen.append(f"{event}{arguments!r}"[:200])


def memory(what: str) -> int:
    """VmRSS or VmHWM, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(what))
    return 1024 * int(line.split()[1])


# ---------------------------------------------------------------- mutations of bytes: (bytes, generator) -> bytes


def flipped(data: bytearray, rng: Any) -> None:
    for _ in range(rng.integers(1, 9)):
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)


def cut(data: bytearray, rng: Any) -> None:
    del data[rng.integers(len(data)) :]


def left_out(data: bytearray, rng: Any) -> None:
    at = rng.integers(len(data))
    del data[at : at + rng.integers(1, 33)]


def repeated(data: bytearray, rng: Any) -> None:
    at, to = rng.integers(len(data), size=2)
    data[to:to] = data[at : at + rng.integers(1, 65)]


def enormous(data: bytearray, rng: Any) -> None:
    """A length, a count or an offset becomes one that nobody has the memory for."""
    at, size = rng.integers(len(data)), (2, 4, 8)[rng.integers(3)]
    number = (2 ** (8 * size) - 1, 2 ** (8 * size - 1) - 1, 2 ** (4 * size))[rng.integers(3)]
    data[at : at + size] = number.to_bytes(size, ("little", "big")[rng.integers(2)])


def digits(data: bytearray, rng: Any) -> None:
    """Numbers in headers of text grow."""
    places = [i for i, b in enumerate(data) if 48 <= b <= 57]
    if places:
        at = places[rng.integers(len(places))]
        data[at:at] = b"9" * int(rng.integers(1, 19))


def zeroed(data: bytearray, rng: Any) -> None:
    at = rng.integers(len(data))
    count = min(int(rng.integers(1, 129)), len(data) - at)
    data[at : at + count] = bytes(count)


MUTATIONS: tuple[Callable[[bytearray, Any], None], ...] = (flipped, cut, left_out, repeated, enormous, digits, zeroed)


def scripted(path: Path) -> Path:
    torch = pytest.importorskip("torch")
    module = torch.nn.GRUCell(damage.D, damage.H).double()
    module.load_state_dict({n.removesuffix("_l0"): torch.tensor(a) for n, a in damage.STATE.items()})
    torch.jit.save(torch.jit.script(module), path)
    return path


FORMATS = (*damage.FORMATS, ".jit")


def outcome(path: Path, wanted: Any) -> str:
    """What comes of a file: "same", "refused", or "other" numbers in the same places."""
    try:
        got = interop.load(path)
    except Exception as error:
        damage.check_ours(error, path)
        return "refused"
    declared = got.layer.declare(got.layer.input_size(got.params))
    assert {n: a.shape for n, a in got.params.items()} == {n: p.shape for n, p in declared.items()}
    alike = got.layer == wanted.layer and all(np.array_equal(got.params[n], a) for n, a in wanted.params.items())
    return "same" if alike else "other"


def run(suffix: str, folder: Path, count: int, seed: int) -> None:
    make = scripted if suffix == ".jit" else damage.write
    whole = make(folder / f"whole{suffix}").read_bytes()
    path = folder / f"model{suffix}"
    path.write_bytes(whole)
    wanted = interop.load(path)
    jax.tree.map(np.testing.assert_array_equal, wanted.params, damage.PARAMS)
    rng, outcomes = np.random.default_rng(seed), []
    if not HOOKED:
        HOOKED.append(sys.addaudithook(_watch))
    for i in range(count):
        data = bytearray(whole)
        MUTATIONS[i % len(MUTATIONS)](data, rng)
        path.write_bytes(data)
        gc.collect() if i % 50 == 0 else None
        CLEAR.write_text("5")  # the peak of memory begins anew
        before = memory("VmRSS")
        seen.clear()
        watching[0] = True
        try:
            outcomes.append(outcome(path, wanted))
        finally:
            watching[0] = False
        taken = memory("VmHWM") - before
        assert taken <= 2 * len(data) + SLACK, (i, taken)
        assert not seen, (i, seen)
    assert "refused" in outcomes
    if suffix in damage.CHECKED:
        assert "other" not in outcomes


HOOKED: list[Any] = []
needs_proc = pytest.mark.skipif(not CLEAR.exists(), reason="needs Linux's count of memory")


@needs_proc
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_some_mutated_files(suffix: str, tmp_path: Path) -> None:
    run(suffix, tmp_path, 2 * len(MUTATIONS), 0)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_thousand_mutated_files(suffix: str, tmp_path: Path) -> None:
    run(suffix, tmp_path, 1000 // len(FORMATS) + 1, 1)
