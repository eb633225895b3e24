"""Every public callable, every argument, some sixty values: our error, or the result of the value in canonical form."""

from __future__ import annotations

import pytest

from tests.wrong_calls.core import CALLS
from tests.wrong_calls.judge import judge
from tests.wrong_calls.values import wrong_values

pytestmark = pytest.mark.usefixtures("unchecked")


def faults(name: str, seed: int):
    call = CALLS[name]
    for argument in call.arguments():
        for value in wrong_values(seed):
            fault = judge(call.call, call.right(), argument, value)
            if fault is not None:
                yield f"{name}, {argument.name}={value!r}: {fault}"


@pytest.mark.parametrize("name", CALLS)
def test_wrong_values(name):
    found = list(faults(name, 0))
    assert not found, "\n".join(found)
