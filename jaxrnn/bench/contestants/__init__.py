"""The contestants by name. Their files are imported by the worker that runs them, and by nobody else."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any, NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.bench.cases import check_names
from jaxrnn.engine.registry import BACKENDS


class Entry(NamedTuple):
    """Where a contestant is found."""

    name: str
    role: str  # "ours", "jax" (a JAX library, counted among the fastest of them) or "other"
    module: str
    options: dict[str, Any]
    needs: str | None = None  # the module to import, which may be absent
    keeps: bool = False  # the memory that it frees: `jaxrnn.keep_memory`

    @property
    def other(self) -> Entry:
        """The same with the other setting: ours keep their memory unless plain, the others where they are kept."""
        name = f"{self.name}, {'plain' if self.keeps else 'kept'}"
        return self._replace(name=name, keeps=not self.keeps)


def _peer(name: str, role: str, module: str, needs: str | None = None, **options: Any) -> Entry:
    return Entry(name, role, f"jaxrnn.bench.contestants.{module}", options, needs)


OURS = {
    name: Entry(name, "ours", "jaxrnn.bench.contestants.ours", dict(backend=name), keeps=True)
    for name in ("auto", *BACKENDS)
}
PEERS = {
    peer.name: peer
    for peer in (
        _peer("lax.scan", "other", "hoisted"),
        _peer("flax.linen", "jax", "linen", "flax"),
        _peer("flax.linen-plain", "jax", "linen", "flax", optimized=False),
        _peer("flax.nnx", "jax", "nnx", "flax"),
        _peer("copied", "jax", "copied", "flax"),
        _peer("haiku", "jax", "haiku", "haiku"),
        _peer("equinox", "jax", "equinox", "equinox"),
        _peer("keras", "jax", "keras", "keras"),
        _peer("torch", "other", "torch", "torch"),
        _peer("torchrecurrent", "other", "torch_cells", "torchrecurrent", library="torchrecurrent"),
        _peer("ncps", "other", "torch_cells", "ncps", library="ncps"),
        _peer("xlstm", "other", "xlstm", "xlstm"),
        _peer("jax.experimental.rnn", "other", "cudnn"),
    )
}
ALL = {entry.name: entry for one in (OURS | PEERS).values() for entry in (one, one.other)}
MEMORY = ("both", "kept", "plain")


def choose_contestants(backends: list[str], peers: list[str] | None, memory: str = "both") -> list[Entry]:
    """The contestants of a run, ours first: the ratios are to the first.

    Args:
        backends: of `OURS`.
        peers: of `PEERS`; an empty list takes every one that is installed, None none.
        memory: whether processes keep the memory that they free, of `MEMORY`; "both": the first as it is by default,
            the peers both ways.

    Raises:
        ValueError: an unknown name, no backend at all, or a peer asked for by name that is not installed.
    """
    check_names(backends, "backends", OURS)
    check_names(peers or [], "peers", PEERS)
    check_names([memory], "memory", MEMORY)
    if not backends:
        fail("backends", f"at least one out of {tuple(OURS)}", Said("none"))
    installed = {name: peer for name, peer in PEERS.items() if peer.needs is None or find_spec(peer.needs)}
    for name in peers or []:
        if name not in installed:
            needs = f"{name!r}, which needs {PEERS[name].needs}"
            fail("peers", "installed", Said(needs), 'Install them all with: pip install "jaxrnn[peers]"')
    chosen = [] if peers is None else peers or list(installed)
    entries = [OURS[name] for name in dict.fromkeys(backends)] + [PEERS[name] for name in dict.fromkeys(chosen)]
    if memory == "both":
        return [e for entry in entries for e in ((entry,) if entry.keeps else (entry, entry.other))]
    return [entry if entry.keeps == (memory == "kept") else entry.other for entry in entries]


def load(name: str) -> Any:
    """The library of a contestant, imported now."""
    entry = ALL[name]
    return importlib.import_module(entry.module).Library(**entry.options)
