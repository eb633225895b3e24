"""What a person may type, and its help."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxrnn.base.package import VERSION
from jaxrnn.bench.cases import CELLS
from jaxrnn.bench.contestants import MEMORY, OURS, PEERS
from jaxrnn.bench.suites import SUITES, VARIANTS
from jaxrnn.cli.serving_parser import add_serving

EXAMPLES = """examples:
  jaxrnn train char_lm                      train the small Shakespeare model (about two minutes)
  jaxrnn train char_lm --resume             go on after an interruption
  jaxrnn train char_lm --run runs/wide --model.hidden 512
  jaxrnn train char_lm --processes 2        by two processes, as on a cluster
  jaxrnn train char_lm --help               every option of that configuration
  jaxrnn train char_lm --data.path my.txt   the same model of your own text
  jaxrnn train char_lm --from char_lm --data.path my.txt --optimizer.learning_rate 2e-3 --run runs/mine
                                            fine-tune the model that ships
  jaxrnn evaluate runs/char_lm              its validation loss
  jaxrnn evaluate runs/char_lm --data.path other.txt
  jaxrnn sample runs/char_lm                write with the model you trained
  jaxrnn sample char_lm --prompt "ROMEO:"   write with the model that ships with the package
  jaxrnn translate runs/translation "Open the settings to change your password."
  jaxrnn ask babi "mary went to the garden ." "where is mary ?"
  jaxrnn caption runs/captioning picture.png
  jaxrnn caption runs/lip_reading clip.gif
  jaxrnn write runs/handwriting "recurrent" --out recurrent.svg
  jaxrnn draw runs/draw --out digits.gif
  jaxrnn predict char_lm lines.txt --out bits.csv    an answer for each row of a file
  tail -f log | jaxrnn predict runs/char_lm - --stream --state log.safetensors
                                            line by line; what it remembers outlives the process
  jaxrnn export char_lm model.onnx          the model for programs without jaxrnn; or model.stablehlo
  jaxrnn plan char_lm --topology v5e:4x4 --mesh data=8,model=2
  jaxrnn results runs/* --picture curves.png
                                            runs side by side
  jaxrnn inspect checkpoint.pt              the recurrent layers of a file, and the prefix of each
  jaxrnn convert torch.safetensors lstm.onnx --prefix encoder.rnn
  jaxrnn convert runs/char_lm model.onnx --carry   the whole model, for onnxruntime and others
  jaxrnn convert model.npz model.c          a C99 file for a microcontroller; prints its sizes
  jaxrnn convert trained.pt mgu.safetensors --from torchrecurrent --cell "mgu(64)"
  jaxrnn bench --quick --peers              try the benchmark: tiny shapes, every library that is installed
"""
BENCH_EXAMPLES = """examples:
  jaxrnn bench --quick --peers                              a minute: does everything run?
  jaxrnn bench train forward --peers --json bench.json      the tables of the README
  jaxrnn bench train --cells gru --shapes 32,128,256,256 --peers flax.linen torch
  jaxrnn bench train --shapes 32,128,256,256:bidirectional ragged --backends scheduled reference
  jaxrnn bench shapes --cells lstm --peers torch            fourteen shapes, beside the machine's own rates
  jaxrnn bench applications --peers torch                   updates of char_lm and ptb_small
  jaxrnn bench cells forms --memory kept                    the collection, and forms of kernels
  jaxrnn bench long --cells lstm                            up to 65,536 steps
  jaxrnn bench --device --seconds 450 --json h200.jsonl     laws and times in minutes; again goes on where it was cut
  jaxrnn bench --report bench.json more.json                records as Markdown
"""
OF_OTHERS = "torch, keras, flax.linen, flax.nnx, haiku, equinox, tf1, onnx, torchrecurrent, ncps, unirep, xlstm"
LIBRARIES = f"{OF_OTHERS}; jaxrnn, whose parameters are ours"  # without cudnn, whose vectors no option here describes
MODEL = "a run's folder, or the name of a model that ships with the package"
PICTURE = "a picture, .svg or .png, or a film of the pen, .gif (default: writing.svg)"
FILM = "a film, .gif, or every glimpse in one picture, .png (default: drawing.gif)"


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; the options of a configuration are left over for `jaxrnn.train.config`."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "jaxrnn", description="Recurrent networks for JAX.", epilog=EXAMPLES, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"jaxrnn {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    help = "train a model as a configuration says"
    usage = (
        "jaxrnn train CONFIG [--run FOLDER] [--resume] [--from RUN] [--log] [--watch] [--processes N] "
        "[--section.key VALUE ...]"
    )
    train = commands.add_parser("train", help=help, usage=usage, add_help=False, allow_abbrev=False)
    help = "a YAML file, the name of one that ships with the package, or a run's folder to go on in"
    train.add_argument("config", nargs="?", metavar="CONFIG", help=help)
    train.add_argument(
        "--run", type=Path, metavar="FOLDER", help="where the run is kept (default: runs/NAME of CONFIG)"
    )
    help = "begin with the weights of a trained model: a run's folder, or the name of one that ships with the package"
    train.add_argument("--from", dest="start", metavar="RUN", help=help)
    help = "write TensorBoard's event files too, into the run's folder (tensorboard --logdir runs)"
    train.add_argument("--log", action="store_true", help=help)
    help = "look inside at each validation: how far gradients reach, saturated gates; metrics.jsonl and watch.png"
    train.add_argument("--watch", action="store_true", help=help)
    train.add_argument("--resume", action="store_true", help="go on from the last good checkpoint, if there is one")
    help = "train by so many processes on this machine's CPUs, as on a cluster; 1: by this one, whatever started it"
    train.add_argument("--processes", type=int, metavar="N", help=help)
    help = (
        "where process 0 of a cluster listens; needs --process and --processes (default: as SLURM, Kubernetes or TPU "
    )
    train.add_argument("--coordinator", metavar="HOST:PORT", help=help + "pods say)")
    train.add_argument("--process", type=int, metavar="I", help="which of them this is, from 0")
    train.add_argument("-h", "--help", action="store_true", help="show this text and, after CONFIG, every option of it")

    _add_models(commands)
    add_serving(commands, MODEL)

    evaluate = commands.add_parser("evaluate", help="figures of a trained model on held-out data", allow_abbrev=False)
    evaluate.add_argument("run", metavar="RUN", help=MODEL)
    evaluate.add_argument("--split", metavar="SPLIT", help="such as validation or test (default: all there are)")
    help = "a file or folder to score in place of the data that the run held out"
    evaluate.add_argument("--data.path", dest="data_path", metavar="FILE", help=help)
    evaluate.add_argument("--quantize", action="store_true", help="with int8 kernels too, beside the figures without")

    help = "what a training step needs on chips that are not here: memory, products, what is sent"
    usage = "jaxrnn plan CONFIG --topology KIND:SIZES [--mesh data=N,model=N,fsdp=true] [--section.key VALUE ...]"
    plan = commands.add_parser("plan", help=help, usage=usage, allow_abbrev=False)
    plan.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of one that ships with the package")
    help = "such as v5e:4x4, v6e:8x8 or v5p:2x2x2, for which libtpu compiles without a TPU; cpu:8 simulates eight"
    plan.add_argument("--topology", required=True, metavar="KIND:SIZES", help=help)
    help = "devices that share rows (data) and units (model); fsdp=true: parameters stored in parts (default: all data)"
    plan.add_argument("--mesh", metavar="data=N,model=N", help=help)

    results = commands.add_parser("results", help="runs side by side, as Markdown", allow_abbrev=False)
    results.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, or a result.json")
    results.add_argument("--csv", action="store_true", help="as comma-separated values")
    help = "draw the curves of all into one picture, a PNG"
    results.add_argument("--picture", type=Path, metavar="FILE", help=help)

    _add_bench(commands)
    _add_convert(commands)
    help = "what recurrent layers a file of weights has, and which prefix leads to each"
    inspect = commands.add_parser("inspect", help=help, allow_abbrev=False)
    inspect.add_argument("file", type=Path, metavar="FILE", help="a file of weights, as convert reads it")
    _add_reading(inspect)
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
    suites = "\n".join(f"  {s.name:12} {s.summary}" for s in SUITES.values())
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
    cells = f"of {', '.join(CELLS)}, or of the suite's own (default: all)"
    add("--cells", nargs="+", default=[], metavar="CELL", help=cells)
    shapes = f"B,T,D,H, or B,T,D,H:VARIANT, or VARIANT: {', '.join(VARIANTS)} (default: the suite's own)"
    add("--shapes", nargs="+", default=[], metavar="SHAPE", help=shapes)
    backends = f"of jaxrnn: {', '.join(OURS)}; ratios are to the first (default: auto, and for cells reference)"
    add("--backends", nargs="+", default=[], metavar="NAME", help=backends)
    peers = f"other libraries: {', '.join(PEERS)} (no name: all that are installed)"
    add("--peers", nargs="*", metavar="NAME", help=peers)
    memory = "who keeps the memory that it frees (jaxrnn.keep_memory): kept: everyone, plain: nobody; both: ours, and"
    add("--memory", choices=MEMORY, default="both", help=f"{memory} peers are timed both ways (default: both)")
    add("--rounds", type=int, metavar="N", help="how often everyone is timed (default: 7)")
    add("--quick", action="store_true", help="one tiny shape and three short rounds")
    add("--json", type=Path, metavar="FILE", help="write the record")
    add("--picture", type=Path, metavar="FILE", help="draw the ratios, a PNG")
    help = (
        "laws and times on a device that is lent for minutes, row by row; again goes on (gpu, tpu or cpu; default: any)"
    )
    add("--device", nargs="?", const="", metavar="NAME", help=help)
    help = "with --device: how long this call may take (default: 450); --json is the record (default: device.jsonl)"
    add("--seconds", type=float, metavar="N", help=help)
    add("--report", type=Path, nargs="+", metavar="FILE", help="measure nothing: print records as Markdown")


def _add_convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    convert = commands.add_parser("convert", help="weights of another library into ours, or on", allow_abbrev=False)
    convert.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a file of weights (safetensors, torch, TorchScript, HDF5, Keras, ONNX, TensorFlow, .npz, an Orbax folder)"
        ", a run's folder, or the name of a model that ships with the package",
    )
    convert.add_argument(
        "target", type=Path, metavar="TARGET", help=".safetensors, .npz, .pt, .weights.h5, .onnx or .c"
    )
    convert.add_argument(
        "--from", dest="of", metavar="LIBRARY", help=f"whose weights (default: as names and shapes say): {LIBRARIES}"
    )
    convert.add_argument(
        "--to", metavar="LIBRARY", help="for whom (default: as the suffix of TARGET says, else jaxrnn)"
    )
    cell = "what the weights are for, such as 'mgu(64)', where they leave it open: those of torchrecurrent and ncps do"
    convert.add_argument("--cell", action="append", help=f"{cell}; given several times, the cells make a stack")
    prefix = "where the layer is in a larger model, such as encoder.rnn; given several times, the layers make a stack"
    convert.add_argument("--prefix", action="append", help=prefix)
    _add_reading(convert)
    graph = convert.add_argument_group("a graph of ONNX")
    graph.add_argument("--lengths", action="store_true", help="an input for the length of each row")
    graph.add_argument("--carry", action="store_true", help="inputs for initial states")
    graph.add_argument("--steps", type=int, metavar="T", help="the number of steps, if it is fixed")
    graph.add_argument("--batch", type=int, metavar="B", help="the number of rows, if it is fixed")
    help = "where it is to run, onnxruntime, openvino or tract: what that would compute otherwise is written as a loop"
    graph.add_argument("--runtime", metavar="NAME", help=help)


def _add_reading(command: argparse.ArgumentParser) -> None:
    help = "of safetensors, npz, hdf5, keras, torch, torchscript, onnx, orbax, tensorflow (default: as the file begins)"
    command.add_argument("--format", metavar="NAME", help=help)
    help = "names that are spelled otherwise, such as enc_w_ih=weight_ih; all others are left out"
    command.add_argument("--names", nargs="+", action="extend", metavar="THEIRS=OURS", help=help)
