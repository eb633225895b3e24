"""`jaxrnn predict` and `jaxrnn export`: a trained model at work on a person's rows, and as a file for others."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxrnn.base.errors import Said, fail
from jaxrnn.cli.models import load, load_run


def predict(arguments: argparse.Namespace) -> int:
    """`jaxrnn predict`."""
    for name in ("state", "every", "strict"):
        if getattr(arguments, name) and not arguments.stream:
            fail(f"--{name}", "beside --stream", Said("it alone"))
    if arguments.stream:
        return _stream(arguments)
    from jaxrnn.train import Predictor
    from jaxrnn.train.answers import answered, format_of, rows_of, tabled, told, write_answers, writer

    kind = format_of(arguments.out, arguments.format)
    task, params = load(arguments.run, Predictor, "predicts nothing for rows of a file")
    with _file(arguments) as path:
        rows = rows_of(task, path, "FILE")
    answers = told(answered(task, params, rows), len(rows), sys.stderr.write)
    with writer(arguments.out) as write:
        write_answers(write, tabled(task, answers) if kind == "csv" else answers, kind)
    if arguments.out:
        print(f"{len(rows)} answers in {arguments.out}")
    return 0


@contextmanager
def _file(arguments: argparse.Namespace) -> Iterator[Path]:
    """The file of a person; the standard input is kept in one as long as it is read."""
    if str(arguments.file) != "-":
        yield arguments.file
        return
    if sys.stdin is None:
        fail("FILE", "a file, or - for the standard input", Said("-, and the standard input is closed"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"stdin{arguments.suffix}"
        path.write_bytes(sys.stdin.buffer.read())
        try:
            yield path
        except ValueError as error:  # nobody knows that file
            raise ValueError(str(error).replace(repr(str(path)), "the standard input")) from error


def _stream(arguments: argparse.Namespace) -> int:
    from jaxrnn.train import Streamer
    from jaxrnn.train.line_stream import LineStream, StoppableLines, answer_lines

    if str(arguments.file) != "-" or arguments.out or arguments.format == "csv":
        fail("--stream", "beside -, the standard input; answers are JSON lines on the standard output", Said("others"))
    if sys.stdin is None:
        fail("--stream", "for an open standard input", Said("one that is closed"))
    task, params = load(arguments.run, Streamer, "answers no streams")
    stream = LineStream(task, params, arguments.state)
    if stream.lines:
        print(f"{arguments.state} goes on after line {stream.lines}", file=sys.stderr)
    lines = StoppableLines(sys.stdin.buffer)
    every = 100 if arguments.every is None else arguments.every
    broken = answer_lines(stream, lines, _say, sys.stderr.write, every=every, strict=arguments.strict)
    if lines.signal is not None:
        where = f", saved in {arguments.state}" if arguments.state else ""
        print(f"stopped after line {stream.lines}{where}", file=sys.stderr)
        return lines.exit_code
    return 1 if broken else 0


def _say(text: str) -> None:
    """At once, for who reads at the other end of a pipe."""
    sys.stdout.write(text)
    sys.stdout.flush()


def export(arguments: argparse.Namespace) -> int:
    """`jaxrnn export`."""
    from jaxrnn.train import Exported
    from jaxrnn.train.exporting import export_model, format_of

    format_of(arguments.out, arguments.format)
    experiment, params = load_run(arguments.run, Exported, "has no program to export")
    files = export_model(experiment, params, arguments.out, arguments.format)
    print(f"wrote {' and '.join(map(str, files))}")
    return 0
