"""What every test runs under: float64, strict promotion, eight devices, quick compilation; with CHECK_ANNOTATIONS=1 in
the environment, annotations of jaxrnn's functions are checked at every call; with TESTS_WITHIN=1500 what has not begun
after so many seconds is skipped. A test that does not end in ten minutes is ended with its process, and has failed.

Compiled programs are kept in the user's cache folder and shared by all processes and runs, for one version of JAX, one
native library and one kind of processor. `JAX_COMPILATION_CACHE_DIR=` (empty) keeps none.

Nothing here changes what is computed. The XLA flags skip optimisations of the compiled code, and save half of the time
of a suite that compiles much and computes little. An XLA_FLAGS that is set already is kept, and wins.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path

# Before anything imports jaxrnn. It takes a seventh of the time of a suite, so that continuous integration asks for it.
if os.environ.get("CHECK_ANNOTATIONS"):
    from jaxtyping import install_import_hook

    # The numeric tower: an int is a float, as for every static checker.
    install_import_hook("jaxrnn", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

import jax
import jaxlib
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.quick import FAMILIES, Declined, leave_to_the_slow_suite, leave_to_the_sweep, leave_to_whom_has_time

BEGUN = float(os.environ.setdefault("TESTS_BEGUN", str(time.time())))  # of all processes, those started later, too

FLAGS = "--xla_force_host_platform_device_count=8"
FLAGS += " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if jax.__version_info__ < (0, 11):  # removed since, and XLA dies of a flag that it does not know
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{FLAGS} {os.environ.get('XLA_FLAGS', '')}".strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("PYTHONFAULTHANDLER", "1")  # processes that tests start say where they are when they are ended


def kept_programs() -> Path:
    """The folder of compiled programs: what they were compiled by and for is part of its name."""
    root = Path(__file__).parents[1]
    libraries = sorted(root.glob("jaxrnn/kernels/native/*.so"))
    processor = Path("/proc/cpuinfo").read_text().partition("\n\n")[0] if Path("/proc/cpuinfo").exists() else ""
    flags = [line for line in processor.splitlines() if line.startswith(("flags", "Features", "model name"))]
    parts = [jax.__version__, jaxlib.__version__, sys.version, *flags, *(p.read_bytes() for p in libraries)]
    key = hashlib.sha256(b"\0".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "jaxrnn" / "tests" / key[:16]


# For this process alone. JAX writes in place: who reads what another process has half written says so on its standard
# error stream, and commands that the tests start are looked at for every word there.
jax.config.update(
    "jax_compilation_cache_dir", os.environ.get("JAX_COMPILATION_CACHE_DIR", str(kept_programs())) or None
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before marks are looked at
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Leave out what is not to be run now.

    A backend that declines a row is not asked to run it: `tests/kernels/test_native.py` says which, and why. Some trace
    a cell for their answer, so that the quick suite asks last, of rows that it runs.
    """
    marks = config.getoption("markexpr")
    slow = "slow" in marks and "not slow" not in marks
    if "not slow" not in marks:
        _leave_out(config, items, lambda item: _backend_of(item) != "native" and _declined(item))
    leave_to_the_slow_suite(leave_to_the_sweep(items, _is_core, _declined, slow), _declined)
    leave_to_whom_has_time(items)
    yield
    _leave_out(config, items, _declined)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """With `--dist loadscope`: see `ByRow`."""
    return ByRow(config, log) if config.getoption("dist") == "loadscope" else None


class ByRow(LoadScopeScheduling):
    """Tests of one row of the table share a process and its programs; others go by file.

    `--dist loadgroup` would do it by marks, but pytest-xdist 3.8 loses them under pytest 9.2 (its issue 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        from tests.table import ROWS  # not before the hook above is installed

        file, _, rest = nodeid.partition("::")
        parts = rest.partition("[")[2].removesuffix("]").split("-")
        return next((part for part in parts if part in ROWS), file)

    def remove_node(self, node: WorkerController) -> str | None:
        """Which test ended its process. It is not given to another; xdist would, and again to each that follows."""
        units = self.assigned_work[node].values()
        for unit in units:
            for test, done in unit.items():
                if not done:
                    unit[test] = True
                    super().remove_node(node)
                    return test
        super().remove_node(node)
        return None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Examples in docstrings are looked for in every file. What is no test has none, and some of it computes much."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith("test_") else None


def _leave_out(config: pytest.Config, items: list[pytest.Item], which: Declined) -> None:
    out = [item for item in items if which(item)]
    config.hook.pytest_deselected(items=out)
    gone = set(map(id, out))
    items[:] = [item for item in items if id(item) not in gone]


def pytest_configure(config: pytest.Config) -> None:
    if within := os.environ.get("TESTS_WITHIN"):
        config.pluginmanager.register(Within(float(within)))


class Within:
    """A plugin of its own, since the hooks of this file are not asked about examples in docstrings of the package."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if time.time() - BEGUN > self.seconds:
            pytest.skip(f"after {self.seconds:g} seconds nothing more is begun (TESTS_WITHIN)")


def _declined(item: pytest.Item) -> bool:
    from tests.laws.programs import declines  # not before the hook above is installed

    params, backend = item.callspec.params if hasattr(item, "callspec") else {}, _backend_of(item)
    row = params.get("row")
    if not isinstance(row, str) or backend is None:
        return False
    mark = item.get_closest_marker("backend")
    dtype = mark.args[1] if mark else params.get("dtype", jax.numpy.float64)
    return declines(row, backend, dtype) is not None


def _backend_of(item: pytest.Item) -> str | None:
    """That a test runs: its parameter, or as it is marked, `backend(name, dtype)`."""
    if mark := item.get_closest_marker("backend"):
        return str(mark.args[0])
    backend = item.callspec.params.get("backend") if hasattr(item, "callspec") else None
    return backend if isinstance(backend, str) else None


@cache
def _is_core(row: str) -> bool:
    from tests.table import ROWS

    return row not in ROWS or ROWS[row].cell.name in FAMILIES


MAPS = Path("/proc/self/maps")
MOST_MAPS, EVERY = 30_000, 20  # of 65,530, at which Linux lets a process die; and tests between two looks
ENDED = count(1)


def pytest_runtest_teardown() -> None:
    """Let compiled programs go before there are too many: each takes some of the maps of memory that a process has."""
    if next(ENDED) % EVERY == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switches the checks of annotations off: for tests of our own errors, which they would forestall."""
    jaxtyping = pytest.importorskip("jaxtyping")
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
