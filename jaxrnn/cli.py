"""The command line: arguments are read here, and nothing is computed."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

import jaxrnn
from jaxrnn.cells import COLLECTION

EXAMPLES = """examples:
  jaxrnn train char_lm                      train the small Shakespeare model (about three minutes)
  jaxrnn train char_lm --resume             go on after an interruption
  jaxrnn train char_lm --run runs/wide --model.hidden 512
  jaxrnn train char_lm --help               every option of that configuration
  jaxrnn evaluate runs/char_lm              its validation loss
  jaxrnn sample runs/char_lm                write with the model you trained
  jaxrnn sample char_lm --prompt "ROMEO:"   write with the model that ships with the package
  jaxrnn translate runs/translation "this is a book ."
  jaxrnn ask babi "mary went to the garden ." "where is mary ?"
  jaxrnn caption runs/captioning picture.png
  jaxrnn caption runs/lip_reading clip.gif
  jaxrnn write runs/handwriting_synthesis "any sentence" --out sentence.svg
  jaxrnn draw runs/draw --out digits.gif
  jaxrnn results runs/*                     finished runs side by side
  jaxrnn convert torch.safetensors lstm.onnx --prefix encoder.rnn
  jaxrnn bench --quick --peers              try the benchmark: tiny shapes, every library that is installed
"""
BENCH_EXAMPLES = """examples:
  jaxrnn bench --quick --peers                              a minute: does everything run?
  jaxrnn bench train forward --peers --json bench.json      the tables of the README
  jaxrnn bench train --cells gru --shapes 32,128,256,256 --peers flax.linen torch
  jaxrnn bench train --shapes 32,128,256,256:bidirectional ragged --backends scheduled reference
  jaxrnn bench long --cells lstm                            up to 65,536 steps
  jaxrnn bench --report bench.json more.json                records as Markdown
"""
CONFIG = "config.yaml"  # of a run
MODEL = "a run's folder, or the name of a model that ships with the package"
PICTURE = "a picture, .svg or .png, or a film of the pen, .gif (default: writing.svg)"
FILM = "a film, .gif, or every glimpse in one picture, .png (default: drawing.gif)"


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; the options of a configuration are left over for `jaxrnn.train.config`."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "jaxrnn", description="Recurrent networks for JAX.", epilog=EXAMPLES, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"jaxrnn {jaxrnn.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    help = "train a model as a configuration says"
    usage = "jaxrnn train CONFIG [--run FOLDER] [--resume] [--section.key VALUE ...]"
    train = commands.add_parser("train", help=help, usage=usage, add_help=False, allow_abbrev=False)
    help = "a YAML file, the name of one that ships with the package, or a run's folder to go on in"
    train.add_argument("config", nargs="?", metavar="CONFIG", help=help)
    train.add_argument(
        "--run", type=Path, metavar="FOLDER", help="where the run is kept (default: runs/NAME of CONFIG)"
    )
    train.add_argument("--resume", action="store_true", help="go on from the last good checkpoint, if there is one")
    train.add_argument("-h", "--help", action="store_true", help="show this text and, after CONFIG, every option of it")

    _add_models(commands)

    evaluate = commands.add_parser("evaluate", help="figures of a trained model on held-out data", allow_abbrev=False)
    evaluate.add_argument("run", metavar="RUN", help=MODEL)
    evaluate.add_argument("--split", metavar="SPLIT", help="such as validation or test (default: all there are)")

    results = commands.add_parser("results", help="finished runs side by side, as Markdown", allow_abbrev=False)
    results.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, or a result.json")

    _add_bench(commands)
    _add_convert(commands)
    commands.add_parser("cells", help="list the collection of cells", allow_abbrev=False)
    parser.set_defaults(help=False, train_help=train.format_help)
    return parser


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """What a trained model does for a person."""
    sample = commands.add_parser("sample", help="write text with a trained model", allow_abbrev=False)
    sample.add_argument("run", metavar="RUN", help=MODEL)
    sample.add_argument("--prompt", default="", help="what the text goes on from (default: the start of a line)")
    sample.add_argument("--temperature", type=float, default=0.8, help="0 always takes the likeliest (default: 0.8)")
    sample.add_argument("--length", type=int, default=500, help="characters (or words) to write (default: 500)")
    sample.add_argument("--seed", type=int, default=0, help="equal seeds write equal texts (default: 0)")

    translate = commands.add_parser("translate", help="translate with a trained model", allow_abbrev=False)
    translate.add_argument("run", metavar="RUN", help=MODEL)
    translate.add_argument("text", nargs="*", metavar="SENTENCE", help="(default: lines of the standard input)")
    translate.add_argument("--beam", type=int, default=5, metavar="WIDTH", help="of the search; 1: greedy (default: 5)")

    ask = commands.add_parser("ask", help="ask a trained model about a story", allow_abbrev=False)
    ask.add_argument("run", metavar="RUN", help=MODEL)
    ask.add_argument(
        "sentences",
        nargs="*",
        metavar="SENTENCE",
        help="the story; what ends in a question mark is answered (default: lines of the standard input)",
    )

    help = "say what pictures or clips show with a trained model"
    caption = commands.add_parser("caption", help=help, allow_abbrev=False)
    caption.add_argument("run", metavar="RUN", help=MODEL)
    help = "a file: a PNG, JPEG or WebP; for lips, a GIF"
    caption.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE", help=help)
    caption.add_argument("--beam", type=int, default=1, metavar="WIDTH", help="of the search (default: 1, greedy)")

    write = commands.add_parser("write", help="write by hand with a trained model", allow_abbrev=False)
    write.add_argument("run", metavar="RUN", help=MODEL)
    write.add_argument("text", metavar="TEXT", nargs="?", default="", help="(none: a model without texts draws freely)")
    write.add_argument("--out", type=Path, default=Path("writing.svg"), metavar="FILE", help=PICTURE)
    write.add_argument("--bias", type=float, default=1.0, help="the larger, the neater; 0 as in life (default: 1)")
    write.add_argument("--seed", type=int, default=0, help="another seed, another hand (default: 0)")

    draw = commands.add_parser("draw", help="paint pictures with a trained model", allow_abbrev=False)
    draw.add_argument("run", metavar="RUN", help=MODEL)
    draw.add_argument("--out", type=Path, default=Path("drawing.gif"), metavar="FILE", help=FILM)
    draw.add_argument("--count", type=int, default=25, help="how many (default: 25)")
    draw.add_argument("--seed", type=int, default=0, help="another seed, other pictures (default: 0)")


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from jaxrnn.bench.cases import CELLS, SUITES, VARIANTS
    from jaxrnn.bench.contestants import OURS, PEERS

    suites = "\n".join(f"  {s.name:9} {s.summary}" for s in SUITES.values())
    bench = commands.add_parser(
        "bench",
        help="measure against other backends and other libraries",
        description=f"Measure jaxrnn beside other libraries, each in a process of its own, in interleaved rounds. A\n"
        f"library's numbers count after its outputs and gradients agreed with ours.\n\nsuites:\n{suites}",
        epilog=BENCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = bench.add_argument
    add("suites", nargs="*", metavar="SUITE", help="what to measure (default: train forward)")
    add("--cells", nargs="+", default=list(CELLS), metavar="CELL", help=f"of {', '.join(CELLS)} (default: all)")
    shapes = f"B,T,D,H, or B,T,D,H:VARIANT, or VARIANT: {', '.join(VARIANTS)} (default: the suite's own)"
    add("--shapes", nargs="+", default=[], metavar="SHAPE", help=shapes)
    backends = f"of jaxrnn: {', '.join(OURS)}; ratios are to the first (default: auto)"
    add("--backends", nargs="+", default=["auto"], metavar="NAME", help=backends)
    peers = f"other libraries: {', '.join(PEERS)} (no name: all that are installed)"
    add("--peers", nargs="*", metavar="NAME", help=peers)
    add("--rounds", type=int, metavar="N", help="how often everyone is timed (default: 7)")
    add("--quick", action="store_true", help="one tiny shape and three short rounds")
    add("--json", type=Path, metavar="FILE", help="write the record")
    add("--picture", type=Path, metavar="FILE", help="draw the ratios, a PNG")
    add("--report", type=Path, nargs="+", metavar="FILE", help="measure nothing: print records as Markdown")


def _add_convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    convert = commands.add_parser("convert", help="weights of another library into ours, or on", allow_abbrev=False)
    convert.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a file of weights: .safetensors, .npz, .pt, .h5, .keras, .onnx, or an Orbax folder",
    )
    convert.add_argument("target", type=Path, metavar="TARGET", help=".safetensors, .npz, .pt, .weights.h5 or .onnx")
    convert.add_argument(
        "--from", dest="of", metavar="LIBRARY", help="whose weights (default: as names and shapes say)"
    )
    convert.add_argument(
        "--to", metavar="LIBRARY", help="for whom (default: as the suffix of TARGET says, else jaxrnn)"
    )
    prefix = "where the layer is in a larger model, such as encoder.rnn; given several times, the layers make a stack"
    convert.add_argument("--prefix", action="append", help=prefix)


def train(arguments: argparse.Namespace, overrides: list[str], noted: Sequence[int]) -> int:
    """`jaxrnn train`."""
    from jaxrnn.tasks import TASKS
    from jaxrnn.train import StopRequest, find_config, option_help, read_experiment, run

    stop = StopRequest(noted)
    if arguments.help:
        print(arguments.train_help())
        if arguments.config is not None:
            print(option_help(find_config(arguments.config), TASKS))
        return 0
    kept = _run_of(arguments.config)
    path = find_config(arguments.config if kept is None else str(kept / CONFIG))
    experiment = read_experiment(path, overrides, TASKS)
    return run(experiment, arguments.run or kept or Path("runs") / path.stem, arguments.resume, stop)


def _run_of(config: str | None) -> Path | None:
    """The run that a user means by its folder, or by the configuration that lies in it."""
    path = Path(config or "")
    folder = path if config and path.is_dir() else path.parent if path.name == CONFIG else None
    begun = folder is not None and (folder / CONFIG).is_file() and (folder / "checkpoints").is_dir()
    return folder if begun else None


def _load(run: str, kind: type, otherwise: str) -> tuple[Any, Any]:
    """The task, which must be of a kind, and the parameters of a trained model."""
    from jaxrnn.tasks.models import load_model

    experiment, params, _ = load_model(run)
    if not isinstance(experiment.task, kind):
        raise ValueError(f"{run}: a model of the task {experiment.name} {otherwise}")
    return experiment.task, params


def sample(arguments: argparse.Namespace) -> int:
    """`jaxrnn sample`: characters appear as they are drawn."""
    from jaxrnn.train import TextTask

    task, params = _load(arguments.run, TextTask, "writes no text")
    characters = task.sample(params, arguments.prompt, arguments.length, arguments.temperature, arguments.seed)
    print(arguments.prompt, end="", flush=True)
    for character in characters:
        print(character, end="", flush=True)
    print()
    return 0


def _lines(given: Sequence[str], what: str) -> Iterator[str]:
    """Lines from the command line, or from the standard input as they are typed."""
    if given:
        yield from (line.strip() for line in given if line.strip())
        return
    if sys.stdin is None:
        raise ValueError(f"{what}: none given, and the standard input is closed")
    if sys.stdin.isatty():
        print(f"{what}, a line each; Ctrl-D ends", file=sys.stderr)
    try:
        yield from (line.strip() for line in sys.stdin if line.strip())
    except UnicodeDecodeError as error:
        raise ValueError(f"{what}: the standard input is no {error.encoding} ({error.reason})") from error


def translate(arguments: argparse.Namespace) -> int:
    """`jaxrnn translate`."""
    from jaxrnn.train import Translator

    task, params = _load(arguments.run, Translator, "does not translate")
    for line in _lines(arguments.text, "sentences to translate"):
        print(task.translate(params, line, arguments.beam), flush=True)
    return 0


def ask(arguments: argparse.Namespace) -> int:
    """`jaxrnn ask`: a line with a question mark is a question about the lines before it."""
    from jaxrnn.train import Answerer

    task, params = _load(arguments.run, Answerer, "answers no questions")
    story: list[str] = []
    for line in _lines(arguments.sentences, "a story and questions about it"):
        if line.endswith("?"):
            answers = task.answer(params, story, line)
            print("  ".join(f"{answer} ({p:.0%})" for answer, p in answers.items()), flush=True)
        else:
            story.append(line)
    return 0


def caption(arguments: argparse.Namespace) -> int:
    """`jaxrnn caption`."""
    from jaxrnn.train import Captioner

    task, params = _load(arguments.run, Captioner, "captions no pictures")
    for picture in arguments.pictures:
        print(task.caption(params, picture, arguments.beam), flush=True)
    return 0


def write(arguments: argparse.Namespace) -> int:
    """`jaxrnn write`."""
    from jaxrnn.train import Writer

    task, params = _load(arguments.run, Writer, "does not write by hand")
    print(task.write(params, arguments.text, arguments.out, arguments.bias, arguments.seed))
    return 0


def draw(arguments: argparse.Namespace) -> int:
    """`jaxrnn draw`."""
    from jaxrnn.train import Painter

    task, params = _load(arguments.run, Painter, "paints no pictures")
    task.draw(params, arguments.out, arguments.count, arguments.seed)
    print(f"{arguments.count} pictures in {arguments.out}")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """`jaxrnn evaluate`."""
    from jaxrnn.tasks.models import load_model
    from jaxrnn.train.run_files import other_data

    experiment, params, record = load_model(arguments.run)
    splits = experiment.task.splits
    if arguments.split not in (None, *splits):
        raise ValueError(f"--split: expected one of {', '.join(splits)}, got {arguments.split!r}")
    for split in [arguments.split] if arguments.split else splits:
        if other_data(experiment.task, record, (split,)):
            warnings.warn(f"the {split} data are not those that {arguments.run} was trained beside", stacklevel=1)
        for name, value in experiment.task.evaluate(params, jax.device_put, split).items():
            print(f"{split} {name}: {value:.4f}")
    return 0


def results(arguments: argparse.Namespace) -> int:
    """`jaxrnn results`."""
    from jaxrnn.train import read_results, to_table

    print(to_table(read_results(arguments.runs)))
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """`jaxrnn bench`."""
    from jaxrnn.bench.command import bench, report

    if arguments.report:
        report(arguments.report, arguments.picture)
        return 0
    bench(
        arguments.suites,
        cells=arguments.cells,
        shapes=arguments.shapes,
        backends=arguments.backends,
        peers=arguments.peers,
        rounds=arguments.rounds,
        quick=arguments.quick,
        json_file=arguments.json,
        picture=arguments.picture,
    )
    return 0


def convert(arguments: argparse.Namespace) -> int:
    """`jaxrnn convert`."""
    from jaxrnn.interop import convert

    try:
        prefixes = arguments.prefix or [""]
        prefix = prefixes[0] if len(prefixes) == 1 else prefixes
        library, table = convert(arguments.source, arguments.target, arguments.of, arguments.to, prefix)
    except TypeError as error:  # an array of the wrong type is the file's fault, not ours
        raise ValueError(str(error)) from error
    rows = [("array", "shape", "parameter"), *((row.theirs, str(list(row.shape)), row.ours) for row in table)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, shape, ours in rows:
        print(f"{name:{widths[0]}}  {shape:{widths[1]}}  {ours}")
    print(f"wrote {arguments.target} for {library}")
    return 0


def cells(arguments: argparse.Namespace) -> int:
    """`jaxrnn cells`."""
    rows = [("name", "parameters", "gates", "paper")]
    for name, factory in COLLECTION.items():
        cell = factory(128)
        params = jax.eval_shape(lambda key, cell=cell: cell.init(key, inputs=128), jax.random.key(0))
        size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
        rows.append((name, f"{size:,}", " ".join(cell.gates), cell.paper))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, size, gates, paper in rows:
        print(f"{name:{widths[0]}}  {size:>{widths[1]}}  {gates:{widths[2]}}  {paper}")
    print("parameters: at 128 inputs and 128 units")
    return 0


def main(argv: Sequence[str] | None = None, noted: Sequence[int] = ()) -> int:
    """Run one command and return its exit code: 1 for an error, which is one line on stderr.

    `noted` are the signals that come before a training listens.
    """
    arguments, rest = make_parser().parse_known_args(argv)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "sample": sample,
        "translate": translate,
        "ask": ask,
        "caption": caption,
        "write": write,
        "draw": draw,
        "evaluate": evaluate,
        "results": results,
        "bench": bench,
        "convert": convert,
        "cells": cells,
    }
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    try:
        _streams(arguments.command)
        if arguments.command == "train":
            code = train(arguments, rest, noted)
        elif rest:
            raise ValueError(f"unknown arguments: {' '.join(rest)}; see `jaxrnn {arguments.command} --help`")
        else:
            code = commands[arguments.command](arguments)
        sys.stdout.flush()  # what cannot be written is an error of ours, not one after the end
        return code
    except BrokenPipeError:
        _mute()
        return 128 + signal.SIGPIPE  # as the shell counts: who reads has seen enough
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "jaxrnn":
            raise
        extra = "interop" if arguments.command == "convert" else "train"
        text = f'`jaxrnn {arguments.command}` needs {error.name}; install it with: pip install "jaxrnn[{extra}]"'
    except (ValueError, OSError, FloatingPointError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename is None:
            _mute()  # it may be the standard output that is full
    except (RuntimeError, MemoryError) as error:
        text = _of_the_machine(error)
    except KeyboardInterrupt:
        return 130
    print(f"jaxrnn: error: {text}", file=sys.stderr)
    return 1


def _streams(command: str) -> None:
    """Streams that can be written to, whatever a terminal can show; without one nothing is computed for nobody."""
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        if command not in ("train", "write", "draw", "convert", "bench"):  # these leave files
            raise ValueError(f"`jaxrnn {command}` has nowhere to write: the standard output is closed")
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _mute() -> None:
    """Nothing more reaches the standard output, so that Python does not fail to flush it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_the_machine(error: RuntimeError | MemoryError) -> str:
    """What to say of a device that is not there, and of memory that does not suffice; other errors go on."""
    first = str(error).partition("\n")[0]
    if "Unable to initialize backend" in first:
        known = os.environ.get("JAX_PLATFORMS", "")
        return f"{first.partition(' (set ')[0]}; JAX_PLATFORMS is {known!r}: unset it, or name a device that is here"
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in first:
        return f"this needs more memory than there is ({first or 'MemoryError'})"
    raise error


if __name__ == "__main__":
    sys.exit(main())
