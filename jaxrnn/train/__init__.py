"""Training: options, data streams, the loop, checkpoints, metrics, plots. Needs `pip install "jaxrnn[train]"`."""

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
from jaxrnn.train.run import RunError as RunError
from jaxrnn.train.run import run as run
from jaxrnn.train.signals import StopRequest as StopRequest
from jaxrnn.train.streams import Streams as Streams
from jaxrnn.train.task import Task as Task
from jaxrnn.train.task import TextTask as TextTask
