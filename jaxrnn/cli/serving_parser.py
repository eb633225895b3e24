"""What a person may type after `jaxrnn predict` and `jaxrnn export`, and its help."""

from __future__ import annotations

import argparse
from pathlib import Path

STREAMING = """a stream:
  Each line is answered by one of JSON, as soon as it is there. A line that cannot be read is answered by
  {"error": ...}; what the model remembers stays as it was before that line, and the stream goes on; at its end the
  exit code is 1. With --strict it stops before that line. With --state FILE the state is saved every --every lines, at
  the end, and on SIGTERM or Ctrl-C; the next stream with that file goes on after the last line that was saved, whose
  number it says.
"""
LOADING = """to run what was written:
  import jax
  model = jax.export.deserialize(open("model.stablehlo", "rb").read())
  probabilities, = model.call(ids, lengths)     # model.stablehlo.json says what the arguments are

  import onnxruntime
  session = onnxruntime.InferenceSession("model.onnx")
  probabilities, = session.run(None, {"ids": ids, "lengths": lengths})
  session.get_modelmeta().custom_metadata_map["jaxrnn"]     # the same as JSON
"""


def add_serving(commands: argparse._SubParsersAction[argparse.ArgumentParser], model: str) -> None:
    """The two commands; `model` says what a run is."""
    raw = argparse.RawDescriptionHelpFormatter
    help = "answer the rows of a file, or the lines of a stream, with a trained model"
    predict = commands.add_parser("predict", help=help, epilog=STREAMING, formatter_class=raw, allow_abbrev=False)
    predict.add_argument("run", metavar="RUN", help=model)
    help = "rows as the task's own data have them, labels not needed (a file or folder); -: the standard input"
    predict.add_argument("file", type=Path, metavar="FILE", help=help)
    help = "where answers go, .csv or .jsonl, whole or not at all (default: the standard output)"
    predict.add_argument("--out", type=Path, metavar="FILE", help=help)
    help = "csv, or jsonl: JSON lines (default: as the suffix of --out says, else jsonl)"
    predict.add_argument("--format", choices=("csv", "jsonl"), help=help)
    help = "what the standard input would be called as a file, such as .csv (default: .txt)"
    predict.add_argument("--suffix", default=".txt", metavar="SUFFIX", help=help)
    stream = predict.add_argument_group("a stream")
    stream.add_argument("--stream", action="store_true", help="answer - line by line, and remember the lines before")
    help = "keep what is remembered in a file, .safetensors, and go on from it"
    stream.add_argument("--state", type=Path, metavar="FILE", help=help)
    stream.add_argument("--every", type=int, metavar="N", help="lines between two savings of the state (default: 100)")
    stream.add_argument("--strict", action="store_true", help="stop at the first line that cannot be read")

    help = "write a trained model as a file that runs without jaxrnn"
    export = commands.add_parser("export", help=help, epilog=LOADING, formatter_class=raw, allow_abbrev=False)
    export.add_argument("run", metavar="RUN", help=model)
    export.add_argument("out", type=Path, metavar="OUT", help="a file, .stablehlo or .onnx")
    help = "stablehlo, which JAX reads, or onnx (default: as the suffix of OUT says)"
    export.add_argument("--format", choices=("stablehlo", "onnx"), help=help)
