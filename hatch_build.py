"""Hatchling's hook: compiles the native library for the wheel, which goes without it where there is no compiler."""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags


class NativeLibrary(BuildHookInterface):
    """Adds the library, or the note that says why it is missing, to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = Path(self.root) / "jaxrnn" / "kernels" / "native"
        spec = importlib.util.spec_from_file_location("jaxrnn_build", folder / "build.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)  # by its path: the package itself needs JAX
        spec.loader.exec_module(module)
        reason = module.build()
        if reason is not None:
            self.app.display_warning(f"jaxrnn goes without its native CPU backend: it {reason}")
        else:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{next(iter(sys_tags())).platform}"
        made = module.NOTE if reason is not None else module.LIBRARY
        build_data["artifacts"].append(str(made.relative_to(self.root)))
