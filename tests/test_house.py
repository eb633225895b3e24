"""The house rules that a machine can check: imports point downwards, and the core needs jax, flax and optax alone."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

from tests.test_public import ROOMS
from tests.waiting import ran

PACKAGE = Path(__file__).parent.parent / "jaxrnn"

LEVELS = {
    "base": 0,
    "programs functions forms": 1,
    "core": 2,
    "cells engine": 3,
    "kernels compose": 4,
    "nnx linen flax_common interop decode testing dynamics": 5,
    "train keras": 6,
    "tasks bench plan": 7,
    "cli": 8,
}
LEVEL = {name: level for names, level in LEVELS.items() for name in names.split()}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def room(dotted: str) -> str:
    return dotted.split(".")[1]


def modules(path: Path) -> set[str]:
    """The files of the package that one names, as types and inside functions too, or as a string to be imported."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= within & NAMES.keys() if within <= NAMES.keys() else {node.module, *(within & NAMES.keys())}
        if isinstance(node, ast.Constant) and node.value in NAMES and node.value != "jaxrnn":
            found.add(node.value)
    return found & NAMES.keys()


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {dotted(path): path for path in [PACKAGE / "__init__.py", PACKAGE.parent / "jaxrnn_command.py", *FILES]}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    here = LEVEL[room(dotted(path))]
    for name in modules(path):
        assert name != "jaxrnn", f"{path} uses the façade, which stands above all rooms"
        assert LEVEL[room(name)] <= here, f"{path} imports {name}, which is upstairs"


def test_no_file_imports_itself_by_others() -> None:
    """No circle, of imports inside functions and for types neither."""
    imported = {name: modules(path) for name, path in NAMES.items()}
    left = dict(imported)
    while free := [name for name, others in left.items() if not others & left.keys() - {name}]:
        for name in free:
            del left[name]
    assert {name: sorted(others & left.keys()) for name, others in left.items()} == {}


def ast_names(path: Path) -> set[str]:
    """What a file takes from others, for types too, and may show as its own."""
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in found for alias in node.names if alias.asname not in INNER}


INNER = ("_Any", "_TYPE_CHECKING", "_import_module")


def test_the_facade_only_re_exports() -> None:
    """At once, or when it is first used."""
    body = ast.parse((PACKAGE / "__init__.py").read_text()).body
    rest = [n for n in body if not isinstance(n, ast.ImportFrom | ast.Expr | ast.If)]
    names = ["__all__", "__dir__", "__getattr__"]
    assert [getattr(n, "name", None) or n.targets[0].id for n in rest] == names


def test_the_core_is_imported_without_what_stands_on_flax() -> None:
    code = "import sys, jaxrnn; print([m for m in ('flax', 'jaxrnn.interop', 'jaxrnn.decode') if m in sys.modules])"
    done = ran([sys.executable, "-c", code], cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", ["jaxrnn", *(f"jaxrnn.{room}" for room in ROOMS)])
def test_all_is_what_is_exported(name: str) -> None:
    """So `help(jaxrnn)` shows the factories, and a star takes what is public."""
    module = importlib.import_module(name)
    tree = ast.parse(Path(module.__file__).read_text())
    made = {t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)}
    made |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
    assert len(set(module.__all__)) == len(module.__all__)
    assert set(module.__all__) == (ast_names(Path(module.__file__)) | made) - {
        "__all__",
        "annotations",
        *PRIVATE.get(name, ()),
    }
    assert all(hasattr(module, exported) for exported in module.__all__)


TABLES = ("DYNAMICS", "FIRST", "FIXED", "GATED", "LINEAR", "MEMORY", "SIMPLE", "TIMED")
PRIVATE = {"jaxrnn.cells": ("Callable", "Cell", "partial", *TABLES)}  # for its own table


def test_every_module_of_the_package_can_be_imported() -> None:
    """As documentation tools do; but for libraries that are not installed, which a module may be about."""
    code = """
import importlib, pkgutil, sys
import jaxrnn
def refuse(name): raise
for module in pkgutil.walk_packages(jaxrnn.__path__, "jaxrnn.", onerror=refuse):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(error.name)
"""
    done = ran([sys.executable, "-c", code], cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    optional = (PACKAGE.parent / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    assert all(missing.partition(".")[0] in optional for missing in done.stdout.split())


UNBOUND = ("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output")


def test_no_test_waits_for_a_process_without_an_end() -> None:
    """By `tests.waiting`, or with a time limit; and none is begun by Python in a copy of a process with threads."""
    tests = Path(__file__).parent
    for file in sorted({*tests.rglob("*.py")} - {tests / "waiting.py", tests / "catalogue" / "run.py"}):
        if "subprocess" not in (text := file.read_text()):
            continue
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            name, where = ast.unparse(call.func), f"{file}:{call.lineno}"
            options = {option.arg for option in call.keywords}
            assert "preexec_fn" not in options, where
            assert "timeout" in options or name not in UNBOUND, where
            assert "timeout" in options or not name.endswith(".communicate"), where
            assert call.args or options or not name.endswith(".wait"), where


BLOCKED = [
    "orbax.checkpoint",
    "jsonargparse",
    "yaml",
    "rich",
    "matplotlib",
    "sacrebleu",
    "jaxtyping",
    "beartype",
    "torch",
    "keras",
    "haiku",
    "equinox",
    "onnx",
    "onnxruntime",
    "h5py",
    "safetensors",
    "tensorflow",
    "chex",
]


def test_the_core_imports_with_jax_flax_and_optax_alone() -> None:
    """In a process where nothing else can be imported by the package itself."""
    code = f"""
import flax.nnx, flax.linen, optax, jax, sys
blocked = {BLOCKED!r}
loaded = set(sys.modules)
class Block:
    def find_spec(self, name, path=None, target=None):
        if any(name == b or name.startswith(b + ".") for b in blocked):
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Block())
import jaxrnn, jaxrnn.nnx, jaxrnn.linen
print(jaxrnn.lstm(4).init(jax.random.key(0), inputs=3)["kernel"].shape)
"""
    done = ran([sys.executable, "-c", code], cwd=PACKAGE.parent)
    assert done.stdout.strip() == "(3, 4, 4)", done.stderr
