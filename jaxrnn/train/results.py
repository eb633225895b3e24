"""Runs side by side: what each reached, beside what others report; unfinished ones as such."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.train.config import read_yaml
from jaxrnn.train.metrics import METRICS, read_metrics
from jaxrnn.train.run_files import CONFIG, RESULT, checksum

NEEDED = ("command", "headline", "figures", "seconds", "cpu_seconds", "seed", "device")


def read_results(paths: Sequence[Path | str]) -> list[dict[str, Any]]:
    """The records of runs: files, or folders of runs with a result.json; of an unfinished run what it has so far.

    Args:
        paths: Of them, in the order of the answer.

    Returns:
        A dict a run: command, task, seed, figures, headline (which of them counts), seconds, cpu_seconds and more.
        Where it is unfinished, `unfinished` says how far it is.

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
        file = path / RESULT if path.is_dir() else path
        if path.is_dir() and not file.exists() and (path / CONFIG).is_file():
            records.append(_unfinished(path))
            continue
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            missing = [key for key in NEEDED if key not in record]
            changed = "checksum" in record and record.pop("checksum") != checksum(record)  # those of 0.1.0 have none
        except (OSError, ValueError, TypeError) as error:
            fail("RUN", "a run's folder, or a result.json", Said(f"{str(path)!r} ({error})"))
        if missing:
            fail("RUN", "a finished run's result.json", Said(f"{str(path)!r}, which lacks {', '.join(missing)}"))
        if changed:
            remedy = "Put it back from a copy; or delete it, and `--resume` makes it again from the checkpoints."
            fail("RUN", "a finished run's result.json", Said(f"{str(path)!r}, changed since it was written"), remedy)
        records.append(record | {"run": str(path)})
    return records


def _unfinished(folder: Path) -> dict[str, Any]:
    """What a run without a result.json has reached: it goes on, or was stopped or killed."""
    config, lines = read_yaml(folder / CONFIG), read_metrics(folder / METRICS)
    losses = [line["validation_loss"] for line in lines if line.get("validation_loss") is not None]
    step, steps = lines[-1]["step"] if lines else 0, (config.get("loop") or {}).get("steps", "?")
    return {
        "command": f"jaxrnn train {folder} --resume",
        "run": str(folder),
        "unfinished": f"step {step} of {steps}",
        "headline": "validation loss",
        "figures": {"validation loss": min(losses, default=None)},
        "curve": [line for line in lines if "validation_loss" in line],
        "seconds": None,
        "cpu_seconds": None,
        "seed": config.get("seed"),
        "device": "",
    }


def to_csv(records: Sequence[dict[str, Any]]) -> str:
    """Comma-separated values, a line for each figure of a run.

    Args:
        records: As `read_results` gives them.

    Returns:
        The text: run, figure, value (empty: not finite), headline (whether it is that), unfinished, published, seconds,
        cpu_seconds, seed, command.

    Raises:
        TypeError, ValueError: `records` are no list of such dicts, or one lacks its headline's figure.

    >>> from jaxrnn.train import to_csv
    >>> record = dict(command="jaxrnn train reber", headline="accuracy", figures={"accuracy": 0.5}, seed=1)
    >>> print(to_csv([record | dict(run="runs/reber", seconds=60.0, cpu_seconds=90.0, device="CPU")]))
    run,figure,value,headline,unfinished,published,seconds,cpu_seconds,seed,command
    runs/reber,accuracy,0.5,True,,,60.0,90.0,1,jaxrnn train reber
    """
    _check(records)
    text = io.StringIO()
    columns = ("unfinished", "published", "seconds", "cpu_seconds", "seed", "command")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "figure", "value", "headline", *columns))
    for record in records:
        for name, value in record["figures"].items():
            first = (record.get("run", ""), name, value, name == record["headline"])
            writer.writerow((*first, *(record.get(column, "") for column in columns)))
    return text.getvalue()


def _check(records: Any) -> None:
    if not isinstance(records, (list, tuple)):
        fail("records", "a list of records, as `read_results` gives them", records, kind=TypeError)
    for record in records:
        if not isinstance(record, dict) or not {*NEEDED} <= {*record}:
            fail("records", f"records with {', '.join(NEEDED)}", record, kind=TypeError)
        if record["headline"] not in record["figures"]:
            fail("records", f"records with the figure {record['headline']!r}", record["figures"])


def to_table(records: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, one run a row.

    Args:
        records: As `read_results` gives them.

    Returns:
        The table.

    Raises:
        TypeError, ValueError: `records` are no list of such dicts, or one lacks its headline's figure.

    >>> from jaxrnn.train import to_table
    >>> record = dict(command="jaxrnn train reber", headline="accuracy", figures={"accuracy": 0.5}, seed=1)
    >>> print(to_table([record | dict(seconds=60.0, cpu_seconds=90.0, device="CPU")]))
    | command | figure |  | published | seconds (of CPU) | seed |
    | --- | --- | --- | --- | --- | --- |
    | `jaxrnn train reber` | accuracy | 0.5000 |  | 60 (90) | 1 |
    """
    rows = [("command", "figure", "", "published", "seconds (of CPU)", "seed"), ("---",) * 6]
    _check(records)
    for record in records:
        figure = record["figures"][record["headline"]]
        timed = record["seconds"] is not None
        seconds = f"{record['seconds']:.0f} ({record['cpu_seconds']:.0f})" if timed else ""
        nothing = "none yet" if "unfinished" in record else "not finite"
        shown = nothing if figure is None else f"{figure:.4g}" if abs(figure) >= 10 else f"{figure:.4f}"
        published = record.get("published", "")
        headline = record["headline"] + (f", unfinished: {how}" if (how := record.get("unfinished")) else "")
        rows.append((f"`{record['command']}`", headline, shown, published, seconds, str(record["seed"])))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
