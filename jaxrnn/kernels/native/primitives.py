"""Whole sequences natively: what the primitives of `sequences` are compiled to on CPUs."""

from __future__ import annotations

from typing import Any

from jaxrnn.kernels.native import arrays, calls
from jaxrnn.kernels.native.call import Prepared
from jaxrnn.kernels.native.primitive import Form, natively
from jaxrnn.kernels.native.sequences import make_sequences


def _prepare_forward(form: Form, avals: Any) -> Prepared | None:
    operands = form.operands(avals)
    if not operands.xs.shape[1]:  # no rows, as `vmap` over none makes
        return None
    in_place = not form.keep and arrays.is_short(form.spec, operands)
    return calls.prepare_forward(form.spec._replace(in_place=in_place), operands, form.keep)


def _prepare_backward(form: Form, avals: Any) -> Prepared | None:
    operands, fields = form.operands(avals), form.fields()
    if not operands.xs.shape[1]:
        return None
    prepared = calls.prepare_backward(form.spec, operands, form.live_fields())
    places = list(arrays.backward_results(form.spec, operands, form.live_fields()))
    return prepared._replace(order=[places.index(fields[i]) for i in form.live])


NATIVE = make_sequences("jaxrnn", arrays.kept, natively(_prepare_forward), natively(_prepare_backward))
