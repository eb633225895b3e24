"""Hatchling's hook: compiles the native library for the wheel, which goes without it where there is no compiler.

`JAXRNN_TARGET=manylinux_2_27_aarch64 pip wheel .` makes the wheel of another platform, one of `TARGETS` in
jaxrnn/kernels/native/build.py; there, what does not compile is an error. `.ci/release` makes them all.
"""

import importlib.util
import os
import platform
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags


class NativeLibrary(BuildHookInterface):
    """Adds the library, or the note that says why it is missing, to the wheel."""

    def dependencies(self) -> list[str]:
        return [self._build.ZIG] if self._target else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self._target:
            self._for_target(build_data)
        else:
            self._for_this_machine(build_data)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._target:
            self._made.cleanup()

    def _for_this_machine(self, build_data: dict[str, Any]) -> None:
        reason = self._build.build()
        if reason is not None:
            self.app.display_warning(f"jaxrnn goes without its native CPU backend: it {reason}")
        else:
            here = f"linux_{platform.machine()}" if sys.platform == "linux" else next(iter(sys_tags())).platform
            self._tag(build_data, here)
        made = self._build.NOTE if reason is not None else self._build.LIBRARY
        build_data["artifacts"].append(str(made.relative_to(self.root)))

    def _for_target(self, build_data: dict[str, Any]) -> None:
        self._made = tempfile.TemporaryDirectory()  # not in the tree, where this machine's own library lies
        library = Path(self._made.name) / self._build.LIBRARY.name
        reason = self._build.build_for(self._target, library)
        if reason is not None:
            raise RuntimeError(f"the library for {self._target} {reason}")
        self._tag(build_data, self._target)
        build_data["force_include"][str(library)] = str(self._build.LIBRARY.relative_to(self.root))

    @staticmethod
    def _tag(build_data: dict[str, Any], name: str) -> None:
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{name}"

    @property
    def _target(self) -> str:
        name = os.environ.get("JAXRNN_TARGET", "")
        if name and name not in self._build.TARGETS:
            raise ValueError(f"JAXRNN_TARGET is one of {', '.join(self._build.TARGETS)}, not {name!r}")
        return name

    @property
    def _build(self) -> ModuleType:
        folder = Path(self.root) / "jaxrnn" / "kernels" / "native"
        spec = importlib.util.spec_from_file_location("jaxrnn_build", folder / "build.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)  # by its path: the package itself needs JAX
        spec.loader.exec_module(module)
        return module
