"""The command line: `jaxrnn train | sample | evaluate | cells`. Arguments are read here; all else is elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import jaxrnn

EXAMPLES = """examples:
  jaxrnn train char_lm                      train the small Shakespeare model (about three minutes)
  jaxrnn train char_lm --resume             go on after an interruption
  jaxrnn train char_lm --run runs/wide --model.hidden 512 --optimizer.learning_rate 1e-3
  jaxrnn sample char_lm --prompt "ROMEO:"   write with the model that ships with the package
  jaxrnn sample runs/char_lm                write with the one you trained
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    plain = {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="jaxrnn", description="Recurrent networks for JAX.", epilog=EXAMPLES, **plain)
    parser.add_argument("--version", action="version", version=f"jaxrnn {version('jaxrnn')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a model as a configuration file says", add_help=False, **plain)
    train.add_argument("config", nargs="?", help="a YAML file, or the name of one that ships with the package")
    train.add_argument("--run", type=Path, help="the run's folder (default: runs/NAME)")
    train.add_argument("--resume", action="store_true", help="go on from the run's last good checkpoint")
    train.add_argument("-h", "--help", action="store_true", help="show this text and every option of CONFIG")

    sample = commands.add_parser("sample", help="write text with a trained model", **plain)
    sample.add_argument("run", metavar="RUN", help="a run's folder, or the name of a model of the package")
    sample.add_argument("--prompt", default="\n", help="what the text goes on from (default: a new line)")
    sample.add_argument("--temperature", type=float, default=0.8, help="0 always takes the likeliest (default: 0.8)")
    sample.add_argument("--length", type=int, default=500, help="characters to write (default: 500)")
    sample.add_argument("--seed", type=int, default=0, help="equal seeds write equal texts (default: 0)")

    evaluate = commands.add_parser("evaluate", help="validation figures of a trained model", **plain)
    evaluate.add_argument("run", metavar="RUN", help="a run's folder, or the name of a model of the package")

    commands.add_parser("cells", help="list the collection of cells", **plain)
    return parser
