"""Training: options, data streams, the loop, checkpoints, metrics, plots. Needs `pip install "jaxrnn[train]"`."""

from jaxrnn.train.check_task import check_task as check_task
from jaxrnn.train.checkpoint import CheckpointError as CheckpointError
from jaxrnn.train.checkpoint import Checkpoints as Checkpoints
from jaxrnn.train.config import ConfigError as ConfigError
from jaxrnn.train.config import Experiment as Experiment
from jaxrnn.train.config import find_config as find_config
from jaxrnn.train.config import option_help as option_help
from jaxrnn.train.config import read_experiment as read_experiment
from jaxrnn.train.loop import NonFiniteError as NonFiniteError
from jaxrnn.train.options import LoopOptions as LoopOptions
from jaxrnn.train.options import OptimizerOptions as OptimizerOptions
from jaxrnn.train.own_module import of_module as of_module
from jaxrnn.train.own_run import Trained as Trained
from jaxrnn.train.own_run import train_task as train_task
from jaxrnn.train.own_task import OwnTask as OwnTask
from jaxrnn.train.own_task import of_functions as of_functions
from jaxrnn.train.program import Program as Program
from jaxrnn.train.protocols import Answerer as Answerer
from jaxrnn.train.protocols import Captioner as Captioner
from jaxrnn.train.protocols import Chooser as Chooser
from jaxrnn.train.protocols import Exported as Exported
from jaxrnn.train.protocols import Painter as Painter
from jaxrnn.train.protocols import Predictor as Predictor
from jaxrnn.train.protocols import QuantizedTask as QuantizedTask
from jaxrnn.train.protocols import Streamer as Streamer
from jaxrnn.train.protocols import TextTask as TextTask
from jaxrnn.train.protocols import Translator as Translator
from jaxrnn.train.protocols import Writer as Writer
from jaxrnn.train.ragged import EMPTY as EMPTY
from jaxrnn.train.ragged import ByLength as ByLength
from jaxrnn.train.ragged import Padded as Padded
from jaxrnn.train.ragged import in_order as in_order
from jaxrnn.train.ragged import pad as pad
from jaxrnn.train.results import read_results as read_results
from jaxrnn.train.results import to_csv as to_csv
from jaxrnn.train.results import to_table as to_table
from jaxrnn.train.run import run as run
from jaxrnn.train.run_files import RunError as RunError
from jaxrnn.train.sources import read_arrays as read_arrays
from jaxrnn.train.sources import read_source as read_source
from jaxrnn.train.sources import read_sources as read_sources
from jaxrnn.train.sources import read_text as read_text
from jaxrnn.train.start import Start as Start
from jaxrnn.train.start import carried_over as carried_over
from jaxrnn.train.stop import StopRequest as StopRequest
from jaxrnn.train.streams import Streams as Streams
from jaxrnn.train.task import Batches as Batches
from jaxrnn.train.task import DataTask as DataTask
from jaxrnn.train.task import Task as Task
from jaxrnn.train.tensorboard import TensorBoard as TensorBoard
from jaxrnn.train.vocabulary import END as END
from jaxrnn.train.vocabulary import START as START
from jaxrnn.train.vocabulary import UNKNOWN as UNKNOWN
from jaxrnn.train.vocabulary import Vocabulary as Vocabulary

__all__ = [
    "EMPTY",
    "END",
    "START",
    "UNKNOWN",
    "Answerer",
    "Batches",
    "ByLength",
    "Captioner",
    "CheckpointError",
    "Checkpoints",
    "Chooser",
    "ConfigError",
    "DataTask",
    "Experiment",
    "Exported",
    "LoopOptions",
    "NonFiniteError",
    "OptimizerOptions",
    "OwnTask",
    "Padded",
    "Painter",
    "Predictor",
    "Program",
    "QuantizedTask",
    "RunError",
    "Start",
    "StopRequest",
    "Streamer",
    "Streams",
    "Task",
    "TensorBoard",
    "TextTask",
    "Trained",
    "Translator",
    "Vocabulary",
    "Writer",
    "carried_over",
    "check_task",
    "find_config",
    "in_order",
    "of_functions",
    "of_module",
    "option_help",
    "pad",
    "read_arrays",
    "read_experiment",
    "read_results",
    "read_source",
    "read_sources",
    "read_text",
    "run",
    "to_csv",
    "to_table",
    "train_task",
]


def __dir__() -> list[str]:
    return __all__
