"""`jaxrnn bench`: options to a run, a run to tables, files and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.files import replacing
from jaxrnn.bench.cases import check_names
from jaxrnn.bench.choice import make_cases
from jaxrnn.bench.contestants import OURS, PEERS, choose_contestants
from jaxrnn.bench.on_device import LONGEST, bench_device
from jaxrnn.bench.picture import draw
from jaxrnn.bench.report import print_tables, to_markdown
from jaxrnn.bench.runner import Settings, run
from jaxrnn.bench.suites import SUITES
from jaxrnn.bench.tables import read_records

PLATFORMS = ("cpu", "gpu", "cuda", "rocm", "tpu")


def bench(
    suites: list[str],
    *,
    cells: list[str],
    shapes: list[str],
    backends: list[str],
    peers: list[str] | None,
    memory: str = "both",
    rounds: int | None = None,
    quick: bool = False,
    json_file: Path | None = None,
    picture: Path | None = None,
) -> None:
    """Measure, print the tables, and write what is asked for, the record after each case; all that there is if stopped.

    Args:
        suites: of `SUITES`; empty for train and forward.
        cells, shapes, quick: as for `make_cases`.
        backends, peers, memory: as for `choose_contestants`; no backends for the suites' own.
        rounds: how often everyone is timed; None for the default.
        json_file, picture: files to write the record and its picture to.

    Raises:
        ValueError: an argument is wrong; nothing has been started or written then.
    """
    suites = suites or ["train", "forward"]
    check_names(suites, "suites", SUITES)
    for suite in suites:
        make_cases(suite, cells, shapes)
    if rounds is not None:
        check_size(rounds, "rounds", 1000)
    if quick and shapes:
        fail("shapes", "left out with quick, which has a tiny one of its own", Said(" ".join(shapes)))
    backends = backends or [name for suite in suites for name in SUITES[suite].backends]
    entries = choose_contestants(backends, peers, memory)
    for file in filter(None, (json_file, picture)):
        if not file.parent.is_dir():
            fail("json" if file is json_file else "picture", "a file in a folder that exists", Said(str(file)))
    settings = Settings(tuple(suites), tuple(cells), tuple(shapes), quick=quick)
    if quick:
        settings = settings._replace(rounds=3, seconds=0.02)
    if rounds is not None:
        settings = settings._replace(rounds=rounds)
    found: dict[str, Any] = {}

    def keep(record: dict[str, Any]) -> None:
        found.update(record)
        if json_file is not None:
            with replacing(json_file) as file:
                file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    try:
        _run(settings, entries, keep)
    finally:
        if found:
            print_tables(found, Console())
            if picture is not None:
                draw(found, picture)


def on_device(name: str | None, seconds: float | None, json_file: Path | None, contestants: list[str] | None) -> None:
    """`--device`: measure, say each row as it comes, and how many laws held.

    Raises:
        ValueError: an argument is wrong; nothing has been started or written then.
    """
    file = json_file or Path("device.jsonl")
    if not file.parent.is_dir() or file.is_dir():
        fail("json", "a file in a folder that exists", Said(str(file)))
    plugins = [plugin.name for plugin in entry_points(group="jax_plugins")]
    if name is not None and name not in (*PLATFORMS, *plugins):
        fail("device", f"a platform of JAX's, such as {', '.join(PLATFORMS)}", name)
    seconds = LONGEST if seconds is None else seconds
    if not 0 < seconds < float("inf"):
        fail("seconds", "a positive number", seconds)
    check_names(contestants or [], "backends and peers", OURS | PEERS)
    found = bench_device(name, seconds, file, contestants, lambda text: print(text, flush=True))
    laws = [row["status"] for row in found["rows"] if row["row"] == "law"]
    if found["rows"][0]["machine"]["platform"] == "cpu":
        print("the device is this machine's CPU: there is no accelerator here, or none was asked for")
    count = ", ".join(f"{laws.count(status)} {status}" for status in dict.fromkeys(laws))
    print(f"{found['device']}: {found['done']} of {found['all']} done; laws: {count}; all rows are in {file}")


def report(files: list[Path], picture: Path | None) -> None:
    """Print records as Markdown, and draw their picture where asked."""
    record = read_records(files)
    print(to_markdown(record), end="")
    if picture is not None:
        draw(record, picture)


def _run(settings: Settings, entries: list[Any], keep: Callable[[dict[str, Any]], None]) -> None:
    console = Console(stderr=True)
    columns = (BarColumn(bar_width=16), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # No refreshing thread: it would compute while others are timed.
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("", total=None)

        def say(done: int, cases: int, text: str) -> None:
            if not console.is_terminal:
                console.print(f"[{done + 1}/{cases}] {text}", markup=False, highlight=False, soft_wrap=True)
            progress.update(task, completed=done, total=cases, description=text)
            progress.refresh()

        run(settings, entries, say, keep)
