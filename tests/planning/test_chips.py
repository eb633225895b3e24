"""Everything compiles for TPUs, in no more memory than a plain scan; what is sent between chips, and when.

Forty draws run where libtpu is installed (`pip install "jaxrnn[tpu]"`), all by `pytest -m sweep tests/planning`.
"""

from __future__ import annotations

import sys
import zlib
from importlib.metadata import version
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

import jaxrnn
from jaxrnn.cells import COLLECTION
from jaxrnn.plan import Collective, PlanError, described_devices, plan_experiment, plan_step
from jaxrnn.tasks import TASKS
from jaxrnn.train import find_config, read_experiment
from tests.planning.chips import H, made, measure
from tests.waiting import ran

pytestmark = [
    pytest.mark.skipif(find_spec("libtpu") is None, reason='needs pip install "jaxrnn[tpu]"'),
    pytest.mark.slow,
]
DRAWS = 40
# Its inputs enter the loop as they are: there is nothing to project before it, and little that could be left out.
ABOVE = {"lmu": 1.2}
CARRIERS = {
    "lstm": lambda **forms: jaxrnn.lstm(H, peepholes=True, **forms),
    "gru": lambda **forms: jaxrnn.gru(H, **forms),
    "elman": lambda **forms: jaxrnn.elman(H, **forms),
}
FORMS = {
    "heads": dict(recurrent=jaxrnn.heads(4)),
    "diagonal": dict(recurrent=jaxrnn.diagonal),
    "low rank": dict(recurrent=jaxrnn.low_rank(16), input=jaxrnn.low_rank(16)),
    "input in heads": dict(input=jaxrnn.heads(2)),
}
ALL = [
    (chip, kind, name)
    for chip in ("v5e", "v6e")
    for kind, names in (("cell", COLLECTION), ("form", [f"{c}, {f}" for c in CARRIERS for f in FORMS]))
    for name in names
]
ORDER = sorted(ALL, key=lambda row: zlib.crc32(" ".join(row).encode()))


@pytest.fixture(autouse=True)
def as_users_run():
    """Float32 and JAX's own rules of promotion, which Optax needs; programs for chips are not kept."""
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize(
    ("chip", "kind", "name"),
    [pytest.param(*row, marks=() if i < DRAWS else pytest.mark.sweep, id="-".join(row)) for i, row in enumerate(ORDER)],
)
def test_a_training_step_compiles_in_no_more_memory_than_a_plain_scan(chip, kind, name):
    if kind == "cell":
        cell = made(name)
    else:
        carrier, form = name.split(", ")
        cell = CARRIERS[carrier](**FORMS[form])
    found = measure(cell, chip)
    assert found["backend"] not in ("native", "one_pass")
    assert 0 < found["auto"] <= found["reference"] * ABOVE.get(name, 1)


def mesh_of(topology, data, model):
    devices = np.array(described_devices(topology)).reshape(data, model)
    return Mesh(devices, ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def planned(cell, mesh, T=64, B=128, D=256):
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs=D))
    units = jaxrnn.shardings(params, mesh, cell, units="model")
    lie = lambda a, place: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place)  # noqa: E731
    xs = lie(jax.ShapeDtypeStruct((T, B, D), jnp.float32), NamedSharding(mesh, PartitionSpec(None, "data")))
    loss = lambda params, xs: (jaxrnn.scan(cell, params, xs)[1] ** 2).sum()  # noqa: E731
    return plan_step(jax.grad(loss), jax.tree.map(lie, params, units), xs, names=("params", "xs"))


@pytest.mark.parametrize("topology", ["v5e:2x2", "v6e:4x4", "v5e:8x8"])
def test_with_rows_alone_nothing_is_sent_inside_of_loops_and_gradients_are_summed_once(topology):
    chips = len(described_devices(topology))
    cell = jaxrnn.lstm(512)
    plan = planned(cell, mesh_of(topology, chips, 1))
    assert [c for c in plan.collectives if c.depth] == []
    (summed,) = [c for c in plan.collectives if c.bytes > 1024]
    assert summed.kind == "all-reduce"
    assert summed.bytes == plan.arguments["params"] == 4 * 4 * 512 * (256 + 512 + 1)


@pytest.mark.parametrize("kinds", [64, 65])
def test_the_gradient_of_what_symbols_pick_is_summed_once_where_they_are_of_few_kinds(kinds):
    """Of more, libtpu 0.0.50 sums it inside of the loop over blocks of steps: the guide of several devices says so."""
    cell, mesh = jaxrnn.lstm(64), mesh_of("v5e:2x4", 8, 1)
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, "data"))
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs=kinds))
    params = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=whole), params)
    symbols = jax.ShapeDtypeStruct((128, 64), jnp.int32, sharding=rows)
    loss = lambda params, symbols: (jaxrnn.scan(cell, params, symbols)[1] ** 2).sum()  # noqa: E731
    sent = plan_step(jax.grad(loss), params, symbols).collectives
    kernel, others = kinds * 4 * 64 * 4, (64 + 1) * 4 * 64 * 4
    inside = kinds > 64 and tuple(map(int, version("libtpu").split(".")[:3])) >= (0, 0, 50)
    assert sent == tuple(
        Collective("all-reduce", *row) for row in ([(kernel, 1), (others, 0)] if inside else [(kernel + others, 0)])
    )


@pytest.mark.parametrize("model", [2, 4])
def test_heads_over_chips_send_nothing_inside_of_loops(model):
    plan = planned(jaxrnn.lstm(512, recurrent=jaxrnn.heads(4)), mesh_of("v5e:4x4", 16 // model, model))
    assert [c for c in plan.collectives if c.depth] == []


@pytest.mark.parametrize("model", [2, 4, 16])
def test_units_over_chips_gather_h_once_a_step_and_sum_once_on_the_way_back(model):
    """Inside of the loop over steps; once a block of steps h is gathered for the product of the whole block."""
    plan = planned(jaxrnn.lstm(512), mesh_of("v5e:4x4", 16 // model, model))
    deepest = max(c.depth for c in plan.collectives)
    assert sorted(c.kind for c in plan.collectives if c.depth == deepest) == ["all-gather", "all-reduce"]
    assert [c.kind for c in plan.collectives if c.depth == deepest - 1 and deepest > 1] in ([], ["all-gather"])


@pytest.mark.parametrize(("topology", "chips"), [("v5e:2x2", 4), ("v5e:4x4", 16), ("v5e:8x8", 64)])
def test_with_fsdp_what_a_chip_stores_falls_with_their_number(topology, chips):
    options = ["--model.hidden=512", "--mesh.fsdp=true"]
    experiment = read_experiment(find_config("adding"), options, TASKS)
    one, many = (plan_experiment(experiment, where) for where in ("v5e:1x1", topology))
    assert many.chips == chips
    for part in ("parameters", "optimizer"):
        assert many.arguments[part] == pytest.approx(one.arguments[part] / chips, rel=0.01)
    assert [c for c in many.collectives if c.depth] == []
    assert one.fits
    assert one.collectives == ()


def test_what_does_not_fit_is_said():
    options = ["--model.hidden=16384", "--data.streams=64"]
    plan = plan_experiment(read_experiment(find_config("char_lm"), options, TASKS), "v5e:1x1")
    assert plan.fits is False
    assert "HBM" in plan.refused


@pytest.mark.parametrize(("topology", "said"), [("v9:2x2", "v9"), ("v5e:3x3", "3x3")])
def test_a_topology_that_the_compiler_does_not_know(topology, said):
    with pytest.raises(PlanError, match=rf"of which libtpu says: .*{said}"):
        described_devices(topology)


@pytest.mark.parametrize(("tied", "sums"), [("true", [7397376, 9527528]), ("false", [16924904])])
def test_of_tied_weights_both_gradients_are_summed(tied, sums):
    """As the guide to several devices says: one after the other, and no more bytes than of two kernels."""
    experiment = read_experiment(find_config("word_lm"), ["--mesh.data=4", f"--model.tied={tied}"], TASKS)
    sent = plan_experiment(experiment, "v5e:2x2").collectives
    assert [c.bytes for c in sent if c.bytes > 8] == sums
    assert not any(c.depth for c in sent)


def test_several_processes_plan_at_once():
    """Libtpu's lock is one of chips in use; here are none."""
    described_devices("v5e:1x1")
    other = "from jaxrnn.plan import described_devices; print(len(described_devices('v5e:2x2')))"
    said = ran([sys.executable, "-c", other])
    assert said.stdout.strip() == "4", said.stderr
