#!/usr/bin/env bash
# torch 2.13.0, CPU: the gradient of `hardsigmoid` in float64 is off by 3e-8 of itself, its value is not.
#
# Between -3 and 3 the gradient is 1/6. The kernel holds that number as a float32, so that in float64 it is
# 0.16666667163: right to eight digits. `relu6(x + 3) / 6`, the same function, has it to the last digit; `hardswish` too.
# A gradient check of a recurrent layer with hard gates fails at 1e-8, and errors of that size add up over time steps.
#
# Write relu6(x + 3) / 6 where float64 gradients count.
#
# Output seen (Python 3.11, torch 2.13.0, CPU):
#   hardsigmoid: value right to 1e-16: True, gradient 0.1666666716, error 5.0e-09
#   relu6(x + 3) / 6: value right to 1e-16: True, gradient 0.1666666667, error 0.0e+00
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$work/env/bin/python" - <<'PY'
import torch
from torch.nn.functional import hardsigmoid, relu6

errors = []
x = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
for name, function in (("hardsigmoid", hardsigmoid), ("relu6(x + 3) / 6", lambda x: relu6(x + 3) / 6)):
    y = function(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    errors.append(abs(gradient.item() - 1 / 6))
    right = abs(y.item() - 0.55) < 2e-16
    print(f"{name}: value right to 1e-16: {right}, gradient {gradient.item():.10f}, error {errors[-1]:.1e}")
assert errors[0] > 1e-9 and errors[1] < 1e-16, "the gradient is a float64's now"
PY
