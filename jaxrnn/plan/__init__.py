"""What a training step needs on chips that nobody has here: memory, products, and what they send each other.

    jaxrnn plan char_lm --topology v5e:4x4 --mesh data=8,model=2

The compiler of TPUs (`pip install "jaxrnn[tpu]"`) compiles for chips that are only described. `plan_experiment` does so
with a configuration's training step, `plan_step` with any function of one's own.
"""

from jaxrnn.plan.collectives import Collective as Collective
from jaxrnn.plan.collectives import collectives_of as collectives_of
from jaxrnn.plan.experiment import plan_experiment as plan_experiment
from jaxrnn.plan.plan import Plan as Plan
from jaxrnn.plan.plan import plan_step as plan_step
from jaxrnn.plan.topology import PlanError as PlanError
from jaxrnn.plan.topology import described_devices as described_devices

__all__ = ["Collective", "Plan", "PlanError", "collectives_of", "described_devices", "plan_experiment", "plan_step"]


def __dir__() -> list[str]:
    return __all__
