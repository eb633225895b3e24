"""A plan for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jaxrnn.plan.collectives import Collective
from jaxrnn.plan.plan import Plan


def report(plan: Plan) -> str:
    """The plan as text: memory a chip, products, and what is sent, in and outside of loops over time."""
    rows = dict(plan.arguments)
    if plan.saved is not None:
        rows["saved for the backward pass"] = min(plan.saved, plan.temporaries)
        rows["other temporaries"] = plan.temporaries - rows["saved for the backward pass"]
    else:
        rows["temporaries"] = plan.temporaries
    rows |= {"results": plan.results, "program": plan.program}
    width = max(map(len, rows))
    lines = [f"{plan.chips} x {plan.chip}", "", "memory of a chip"]
    lines += [f"  {name:{width}}  {size(count):>10}" for name, count in rows.items() if count]
    lines += [f"  {'in all':{width}}  {size(plan.total):>10}{_of(plan)}", ""]
    if plan.refused:
        return "\n".join([*lines, f"does not fit: {plan.refused}"])
    each = plan.flops / plan.chips
    lines += [f"products: {plan.flops / 1e9:,.3g} GFLOP a step, {each / 1e9:,.3g} a chip where all share alike", ""]
    outside, inside = ([c for c in plan.collectives if bool(c.depth) is loops] for loops in (False, True))
    lines += [f"sent once a step: {_sent(outside)}", f"sent in every turn of a loop: {_sent(inside)}"]
    return "\n".join(lines)


def size(count: float) -> str:
    """Bytes in the largest unit that leaves a whole number before the point."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"


def _of(plan: Plan) -> str:
    if plan.memory is None:
        return ""
    return f" of {size(plan.memory)}" + (": fits" if plan.fits else "")


def _sent(collectives: Sequence[Collective]) -> str:
    counts = Counter(c.kind for c in collectives)
    sums = {kind: sum(c.bytes for c in collectives if c.kind == kind) for kind in counts}
    return ", ".join(f"{n} {kind} ({size(sums[kind])})" for kind, n in counts.items()) or "nothing"
