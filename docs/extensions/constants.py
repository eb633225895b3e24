"""Public values that are no callables: what each is, which no docstring can say, and what it holds."""

from __future__ import annotations

from typing import Any

MEANING = {
    "jaxrnn.cells.COLLECTION": "Cells of the collection by name, `COLLECTION[name](size)`. `jaxrnn cells` lists them.",
    "jaxrnn.cells.FAMILIES": "The collection by kind: `FAMILIES[kind]` has the cells of one, name -> factory(size).",
    "jaxrnn.functions.activations.ACTIVATIONS": "Activations by the names that Keras's layers and command lines take.",
    "jaxrnn.functions.constraints.CONSTRAINTS": "Constraints by Keras's names, which `jaxrnn.keras` takes.",
    "jaxrnn.functions.regularizers.REGULARIZERS": "Regularisers by Keras's names, which `jaxrnn.keras` takes.",
    "jaxrnn.interop.LIBRARIES": "Libraries that `load` and `save` know, by the names that `library=` takes.",
    "jaxrnn.tasks.TASKS": "Applications by name, as a configuration's `task` names them.",
    "jaxrnn.train.EMPTY": "In place of a row's number in a batch: the row has no sequence, its length is 0.",
    "jaxrnn.train.END": "The token behind a sequence's last.",
    "jaxrnn.train.START": "The token before a sequence's first.",
    "jaxrnn.train.UNKNOWN": "The token that others, which a vocabulary lacks, are read as.",
}


def shown(dotted: str, thing: Any) -> list[str]:
    """What a value is, and its names where it is a table, or itself."""
    if dotted not in MEANING:
        return [" ".join((type(thing).__doc__ or "").split("\n\n")[0].split())]
    held = ", ".join(f"``{key}``" for key in thing) if isinstance(thing, (dict, tuple)) else f"``{thing!r}``"
    return [MEANING[dotted].replace("`", "``"), "", held]
