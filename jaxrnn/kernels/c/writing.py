"""The whole text of a file: what it is and how it is used, declarations, constants, functions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from jaxrnn.kernels.c.node import Node
from jaxrnn.kernels.c.text import File, wrapped

INCLUDES = ("float.h", "math.h", "string.h")


def written(file: File, made: Node, layer: str, target: str) -> str:
    """The text of a file."""
    upper, calls = file.prefix.upper(), _functions(file, made)
    helpers = file.needed_helpers()
    body = "\n\n".join([*file.constants, *helpers, *file.functions, *(text for _, text in calls)])
    used = [f"#include <{name}>" for name in INCLUDES if any(word in body for word in _WORDS[name])]
    parts = [
        _comment(file, made, layer, target),
        f"#ifndef {upper}_DECLARED\n#define {upper}_DECLARED",
        "#include <stddef.h>\n#include <stdint.h>",
        _sizes(file, made),
        _struct(file),
        "\n".join(f"{head};" for head, _ in calls),
        f"#endif /* {upper}_DECLARED */",
        f"#ifndef {upper}_DECLARATIONS",
        *(["\n".join(used)] if used else []),
        body,
        f"#endif /* {upper}_DECLARATIONS */",
    ]
    return "\n\n".join(parts) + "\n"


# What each header is needed for.
_WORDS = {
    "float.h": ("FLT_MIN",),
    "math.h": ("expf(", "f(", "NAN", "INFINITY", "isfinite(", "isnan("),
    "string.h": ("memcpy(", "memset("),
}


def _release() -> str:
    try:
        return version("jaxrnn")
    except PackageNotFoundError:
        return "from source"


def _comment(file: File, made: Node, layer: str, target: str) -> str:
    name, upper = file.prefix, file.prefix.upper()
    about = wrapped(layer.replace("*/", "* /").split(), " * ")
    lines = [
        f"/* {target}, made by jaxrnn {_release()} of",
        " *",
        about,
        " *",
        f" * {made.inputs} {'symbols' if made.symbols else 'inputs'}, {made.outputs} outputs a step; "
        f"{file.constant_bytes} bytes of constants, {file.ram} of RAM (struct {name}).",
        " * C99, libm alone; nothing is allocated, and all that changes is in the struct.",
        " *",
        f" *   static {name} m;",
        f" *   {name}_init(&m);",
    ]
    given = "".join(f", {n}" for n in made.given)
    x = "symbol" if made.symbols else "x"
    if made.stepwise:
        lines += [f" *   {name}_step(&m, {x}{given}, y);  once a step; what is past is in m"]
    else:
        work = f", work) with {upper}_WORK(T) floats of work" if made.sequence else ")"
        lines += [f" *   {name}_run(&m, T, {x}s{given}, ys{work}"]
    lines += [
        f" *   {name}_reset(&m);  before another sequence",
        " *",
        f' * Elsewhere: #define {upper}_DECLARATIONS, then #include "{target}".',
        " */",
    ]
    return "\n".join(lines)


def _sizes(file: File, made: Node) -> str:
    upper = file.prefix.upper()
    lines = [f"#define {upper}_INPUTS {made.inputs}", f"#define {upper}_OUTPUTS {made.outputs}"]
    if made.sequence:
        lines.append(f"#define {upper}_WORK(T) ((T) * {made.sequence}u)")
    return "\n".join(lines)


def _struct(file: File) -> str:
    members = [f"float {name}[{count}]; /* {comment} */" for name, count, comment in (*file.states, *file.members)]
    if file.work:
        members.append(f"float work[{file.work}]; /* of one step */")
    if file.codes:
        members.append(f"int8_t codes[{file.codes}]; /* of what is multiplied by int8 numbers */")
    return "\n".join([f"typedef struct {file.prefix} {{", *(f"  {m}" for m in members), f"}} {file.prefix};"])


def _functions(file: File, made: Node) -> list[tuple[str, str]]:
    """The head of each public function, and the whole of it."""
    name = file.prefix
    given = "".join(f", const float *{n}" for n in made.given)
    x = "int32_t symbol" if made.symbols else "const float *x"
    inputs = "const int32_t *symbols" if made.symbols else "const float *xs"
    work = ", float *work" if made.sequence else ""
    heads = {
        "init": f"void {name}_init({name} *m)",
        "reset": f"void {name}_reset({name} *m)",
        "step": f"void {name}_step({name} *m, {x}{given}, float *y)",
        "run": f"void {name}_run({name} *m, size_t T, {inputs}{given}, float *ys{work})",
    }
    bodies = {"init": ["memset(m, 0, sizeof *m);", f"{name}_reset(m);"], "reset": file.resets}
    if made.stepwise:
        bodies["step"] = [made.step("symbol" if made.symbols else "x", "y")]
        x = "symbols[t]" if made.symbols else f"xs + t * {made.inputs}"
        more = "".join(f", {n} + t * {size}" for n, size in made.given.items())
        loop = f"for (size_t t = 0; t < T; ++t) {name}_step(m, {x}{more}, ys + t * {made.outputs});"
        bodies["run"] = [loop]
    else:
        bodies["run"] = [made.run("symbols" if made.symbols else "xs", "ys", str(made.outputs), "0", "work")]
    return [
        (heads[what], "\n".join([f"{heads[what]} {{", *(f"  {line}" for line in body), "}"]))
        for what, body in bodies.items()
    ]
