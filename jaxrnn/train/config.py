"""Reading an experiment: a YAML file, command-line overrides, and errors that name the nearest valid key.

The file names the task and the seed, and may say what others have published, and for which data. It has the sections of
the task's own options, such as `model` and `data`, and three of every run: `optimizer` holds OptimizerOptions, `loop`
LoopOptions, `mesh` MeshOptions.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonargparse
import yaml

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.package import FOLDER
from jaxrnn.train.check_task import check_members
from jaxrnn.train.config_numbers import NUMBER, in_our_words, whole_overrides, with_whole_numbers
from jaxrnn.train.meshes import MeshOptions
from jaxrnn.train.options import LoopOptions, OptimizerOptions, check, check_seed
from jaxrnn.train.task import Task


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says which key, what was expected and what came."""


@dataclass(frozen=True)
class Experiment:
    """Everything that decides the numbers of a run."""

    name: str  # the task's
    seed: int  # of parameters, noise and the order of data
    task: Task  # a dataclass of its options
    optimizer: OptimizerOptions  # see `OptimizerOptions`
    loop: LoopOptions  # see `LoopOptions`
    published: str = ""  # what others report for the same, as text; decides nothing
    published_for: str = ""  # for these data, by `data_digest`; none where the data are drawn, not read
    mesh: MeshOptions = MeshOptions()  # decides last bits alone: by which devices sums are grouped

    def __post_init__(self) -> None:
        check_members(self.task)
        for name, kind in (("optimizer", OptimizerOptions), ("loop", LoopOptions), ("mesh", MeshOptions)):
            if not isinstance(getattr(self, name), kind):
                fail(name, f"a {kind.__name__}", getattr(self, name), kind=TypeError)
        check_seed(self.seed, "seed")

    def as_dict(self) -> dict[str, Any]:
        """Every option by section and key, as a configuration file holds them."""
        return {"task": self.name, "seed": self.seed} | {k: dataclasses.asdict(v) for k, v in self.sections().items()}

    def sections(self) -> dict[str, Any]:
        """The dataclasses of options: the task's own, where it is a dataclass of them, and those of every run."""
        task: Any = self.task
        names = [field.name for field in dataclasses.fields(task)] if dataclasses.is_dataclass(task) else []
        own = {name: getattr(task, name) for name in names}
        found = {k: v for k, v in own.items() if dataclasses.is_dataclass(v) and not isinstance(v, type)}
        return found | {"optimizer": self.optimizer, "loop": self.loop, "mesh": self.mesh}


def find_config(name: str | None) -> Path:
    """A configuration file by its path, or by the name of one that ships with the package.

    Args:
        name: A path, or a name such as "char_lm".

    Returns:
        Its path.

    Raises:
        ConfigError: If there is none, naming those that ship.

    >>> from jaxrnn.train import find_config
    >>> find_config("char_lm").name
    'char_lm.yaml'
    """
    folder = FOLDER / "configs" if (FOLDER / "configs").exists() else FOLDER.parent / "configs"  # wheel, or checkout
    shipped = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if name is not None and not isinstance(name, str):
        fail("name", "a path or a name", name, kind=TypeError)
    if name is None or name.startswith("-"):
        raise ConfigError(f"CONFIG comes first: a YAML file, or one of {', '.join(shipped)}")
    if Path(name).is_file():
        return Path(name)
    if name in shipped:
        return shipped[name]
    suggestion = _suggest(Path(name).stem, shipped)
    raise ConfigError(f"no configuration {name!r} (CONFIG comes before all options). {suggestion}")


def option_help(path: Path, tasks: Mapping[str, type]) -> str:
    """Every option of a configuration file's task, with the values in the file as defaults.

    Args:
        path: Of the file.
        tasks: The classes of tasks, by the name that a file has for each.

    Returns:
        The text that `jaxrnn train CONFIG --help` prints.

    Raises:
        ConfigError, OSError: the file cannot be read, or not be used; as `read_experiment` has it.

    >>> from jaxrnn.tasks import TASKS
    >>> from jaxrnn.train import find_config, option_help
    >>> "--model.hidden" in option_help(find_config("char_lm"), TASKS)
    True
    """
    experiment = read_experiment(path, [], tasks)
    parser = _parser(type(experiment.task), experiment.name)
    parser.set_defaults(experiment.as_dict())
    return re.sub(r"^  --\w+ CONFIG .*\n", "", parser.format_help(), flags=re.MULTILINE)  # a file for one section: no


def read_experiment(path: Path | str, overrides: Sequence[str], tasks: Mapping[str, type]) -> Experiment:
    """The experiment of a YAML file with overrides such as `--model.hidden 128` applied.

    Args:
        path: Of the file.
        overrides: Arguments as on a command line, `["--model.hidden", "128"]` or `["--model.hidden=128"]`.
        tasks: The classes of tasks, by the name that a file has for each.

    Returns:
        The experiment, for `run`.

    Raises:
        ConfigError: For an unknown task, an unknown or mistyped key, a value of the wrong type or out of range.

    >>> from jaxrnn.tasks import TASKS
    >>> from jaxrnn.train import find_config, read_experiment
    >>> read_experiment(find_config("char_lm"), ["--model.hidden", "64"], TASKS).task.model.hidden
    64
    """
    if not isinstance(path, (str, Path)):
        fail("path", "a path", path, kind=TypeError)
    path = Path(path)
    content = read_yaml(path)
    published, published_for = (str(content.pop(key, "")) for key in ("published", "published_for"))
    name = content.get("task")
    if not isinstance(name, str) or name not in tasks:
        raise ConfigError(f"{path}: task: got {name!r}. {_suggest(str(name), tasks)}")
    parser, sections = _parser(tasks[name], name), _sections(tasks[name])
    keys = {"task", "seed"} | {f"{s}.{f.name}" for s, options in sections.items() for f in dataclasses.fields(options)}
    for key, value in content.items():
        if key in sections and not isinstance(value, dict):
            raise ConfigError(f"{path}: {key}: expected a section of keys, got {value!r}")
        for full in [f"{key}.{k}" for k in value] if isinstance(value, dict) else [str(key)]:
            if full not in keys:
                raise ConfigError(f"{path}: unknown key {full!r}. {_suggest(full, keys)}")
    for argument in overrides:
        option = argument.partition("=")[0]
        if option.startswith("--") and option.removeprefix("--") not in keys:
            options = [f"--{key}" for key in keys | {"run", "resume", "help"}]
            raise ConfigError(f"unknown option {option!r}. {_suggest(option, options)}")

    def made(given: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """Seed and sections of the file's content with overrides applied."""
        values = parser.parse_args(list(given), namespace=parser.parse_object(with_whole_numbers(content, sections)))
        for key in sorted(keys):
            check(values[key] is not None, key, "a value", Said("none"))
        check_seed(values.seed, "seed")
        return values.seed, {section: options(**vars(values[section])) for section, options in sections.items()}

    try:
        seed, parts = made(whole_overrides(overrides, sections))
    except (jsonargparse.ArgumentError, ValueError, TypeError) as error:
        where = str(path)
        with contextlib.suppress(jsonargparse.ArgumentError, ValueError, TypeError):
            made([])
            where = "command line"  # the file alone is in order
        raise ConfigError(f"{where}: {in_our_words(error)}") from error
    optimizer, loop, mesh = (parts.pop(section) for section in ("optimizer", "loop", "mesh"))
    return Experiment(name, seed, tasks[name](**parts), optimizer, loop, published, published_for, mesh)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: If there is none; the message names file and line.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping with the keys task, seed, ..., got {type(content).__name__}")
    return content


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            check(
                keys.count(key) == 1, str(key), f"given once in a section (line {node.start_mark.line + 1})", "it twice"
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+0123456789."))  # 1e3, no number in YAML 1.1


def _parser(task: type, name: str) -> jsonargparse.ArgumentParser:
    """The parser of a task's experiments: one option a field, `--section.key`."""
    parser = jsonargparse.ArgumentParser(
        usage=argparse.SUPPRESS, allow_abbrev=False, exit_on_error=False, add_help=False
    )
    parser.add_argument("--task", default=name, choices=[name], help="The application.")
    parser.add_argument("--seed", type=int, default=0, help="Of parameters, dropout and samples.")
    for section, options in _sections(task).items():
        parser.add_argument(f"--{section}", type=options, default=options())
    return parser


def _sections(task: type) -> dict[str, type]:
    """Section names and their dataclasses: those of the task, then those of every run."""
    own = typing.get_type_hints(task)
    return {f.name: own[f.name] for f in dataclasses.fields(task) if dataclasses.is_dataclass(own[f.name])} | {
        "optimizer": OptimizerOptions,
        "loop": LoopOptions,
        "mesh": MeshOptions,
    }


def _suggest(wrong: str, valid: Iterable[str]) -> str:
    """The valid key nearest to a wrong one, also where only its section is missing or another; else all of them."""
    last = {key.rpartition(".")[2]: key for key in valid}
    close = difflib.get_close_matches(wrong.rpartition(".")[2], last, n=1)
    near = nearest(wrong, [last[name] for name in close]) or nearest(wrong, valid)
    return near or f"Expected one of: {', '.join(sorted(valid))}"
