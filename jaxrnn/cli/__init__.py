"""The command line: arguments are read here, and nothing is computed."""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from jaxrnn.base.memory import keep_memory
from jaxrnn.cli.commands import bench, cells, plan, results, train
from jaxrnn.cli.conversion import convert, inspect
from jaxrnn.cli.models import ask, caption, draw, evaluate, sample, translate, write
from jaxrnn.cli.parser import make_parser
from jaxrnn.cli.serving import export, predict
from jaxrnn.cli.streams import mute, of_the_machine, open_streams


def main(argv: Sequence[str] | None = None, noted: Sequence[int] = ()) -> int:
    """Run one command and return its exit code: 1 for an error, which is one line on stderr.

    `noted` are the signals that come before a training listens.
    """
    try:
        code = _main(argv, noted)
    except BaseException:
        if (joined := _joined()) is not None:
            traceback.print_exc()
            joined.leave(1)
        raise
    if (joined := _joined()) is not None:
        joined.leave(code)
    return code


def _joined() -> Any:
    """How to leave the other processes of a training; None where there are none."""
    joining = sys.modules.get("jaxrnn.train.joining")
    return joining if joining is not None and joining.begun.is_set() else None


def _main(argv: Sequence[str] | None, noted: Sequence[int]) -> int:
    arguments, rest = make_parser().parse_known_args(argv)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "sample": sample,
        "translate": translate,
        "ask": ask,
        "caption": caption,
        "write": write,
        "draw": draw,
        "evaluate": evaluate,
        "predict": predict,
        "export": export,
        "results": results,
        "bench": bench,
        "convert": convert,
        "inspect": inspect,
        "cells": cells,
    }
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    keep_memory()
    try:
        open_streams(arguments.command)
        if arguments.command == "train":
            again = sys.orig_argv[1:] if argv is None else ["-m", __name__, *argv]
            code = train(arguments, rest, noted, [sys.executable, *again])
        elif arguments.command == "plan":
            code = plan(arguments, rest)
        elif rest:
            raise ValueError(f"unknown arguments: {' '.join(rest)}; see `jaxrnn {arguments.command} --help`")
        else:
            code = commands[arguments.command](arguments)
        sys.stdout.flush()  # what cannot be written is an error of ours, not one after the end
        return code
    except BrokenPipeError:
        mute()
        return 128 + signal.SIGPIPE  # as the shell counts: who reads has seen enough
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "jaxrnn":
            raise
        extra = (
            "log"
            if error.name == "tensorboardX"
            else "interop"
            if arguments.command in ("convert", "inspect") or error.name == "onnx"
            else "train"
        )
        text = f'`jaxrnn {arguments.command}` needs {error.name}; install it with: pip install "jaxrnn[{extra}]"'
    except (ValueError, OSError, FloatingPointError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename is None:
            mute()  # it may be the standard output that is full
    except (RuntimeError, MemoryError) as error:
        text = of_the_machine(error)
    except KeyboardInterrupt:
        return 130
    print(f"jaxrnn: error: {text}", file=sys.stderr)
    return 1
