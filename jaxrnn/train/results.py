"""Finished runs side by side: what each reached, beside what others report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.train.run_files import checksum

NEEDED = ("command", "headline", "figures", "seconds", "cpu_seconds", "seed", "device")


def read_results(paths: Sequence[Path | str]) -> list[dict[str, Any]]:
    """The records of finished runs: files, or folders of runs with a result.json.

    Args:
        paths: Of them, in the order of the answer.

    Returns:
        A dict a run: command, task, seed, figures, headline (which of them counts), seconds, cpu_seconds and more.

    Raises:
        ValueError: If there is none, or it isn't one.

    >>> import json, pathlib, tempfile
    >>> from jaxrnn.train import read_results
    >>> record = dict(command="jaxrnn train reber", headline="accuracy", figures={"accuracy": 0.5}, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record |= dict(seconds=60.0, cpu_seconds=90.0, device="CPU", task="reber")
    ...     _ = pathlib.Path(folder, "result.json").write_text(json.dumps(record))
    ...     read_results([folder])[0]["figures"]
    {'accuracy': 0.5}
    """
    records = []
    if not isinstance(paths, (list, tuple)) or not all(isinstance(path, (str, Path)) for path in paths):
        fail("paths", "a list of paths", paths, kind=TypeError)
    for path in map(Path, paths):
        file = path / "result.json" if path.is_dir() else path
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            missing = [key for key in NEEDED if key not in record]
            changed = "checksum" in record and record.pop("checksum") != checksum(record)  # those of 0.1.0 have none
        except (OSError, ValueError, TypeError) as error:
            fail("RUN", "a finished run's folder, or its result.json", Said(f"{str(path)!r} ({error})"))
        if missing:
            fail("RUN", "a finished run's result.json", Said(f"{str(path)!r}, which lacks {', '.join(missing)}"))
        if changed:
            remedy = "Put it back from a copy; or delete it, and `--resume` makes it again from the checkpoints."
            fail("RUN", "a finished run's result.json", Said(f"{str(path)!r}, changed since it was written"), remedy)
        records.append(record)
    return records


def to_table(records: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, one run a row.

    Args:
        records: As `read_results` gives them.

    Returns:
        The table.

    >>> from jaxrnn.train import to_table
    >>> record = dict(command="jaxrnn train reber", headline="accuracy", figures={"accuracy": 0.5}, seed=1)
    >>> print(to_table([record | dict(seconds=60.0, cpu_seconds=90.0, device="CPU")]))
    | command | figure |  | published | seconds (of CPU) | seed |
    | --- | --- | --- | --- | --- | --- |
    | `jaxrnn train reber` | accuracy | 0.5000 |  | 60 (90) | 1 |
    """
    rows = [("command", "figure", "", "published", "seconds (of CPU)", "seed"), ("---",) * 6]
    if not isinstance(records, (list, tuple)):
        fail("records", "a list of records, as `read_results` gives them", records, kind=TypeError)
    for record in records:
        if not isinstance(record, dict) or not {*NEEDED} <= {*record}:
            fail("records", f"records with {', '.join(NEEDED)}", record, kind=TypeError)
        if record["headline"] not in record["figures"]:
            fail("records", f"records with the figure {record['headline']!r}", record["figures"])
        figure = record["figures"][record["headline"]]
        seconds = f"{record['seconds']:.0f} ({record['cpu_seconds']:.0f})"
        shown = "not finite" if figure is None else f"{figure:.4g}" if abs(figure) >= 10 else f"{figure:.4f}"
        published = record.get("published", "")
        rows.append((f"`{record['command']}`", record["headline"], shown, published, seconds, str(record["seed"])))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
