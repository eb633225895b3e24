"""Plans on simulated CPU devices, beside what arrays on such devices hold."""

from __future__ import annotations

import os
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxrnn
from jaxrnn.cli import main
from jaxrnn.plan import PlanError, described_devices, plan_experiment, plan_step
from jaxrnn.plan.report import size
from jaxrnn.tasks import TASKS
from jaxrnn.train import find_config, read_experiment
from tests.waiting import ran

T, B, D, H = 6, 8, 16, 64
CELL = jaxrnn.lstm(H, recurrent=jaxrnn.heads(4))


@pytest.fixture(autouse=True)
def as_users_run():
    """Float32 and JAX's own rules of promotion, which Optax needs."""
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def mesh_of(data, model):
    devices = np.array(described_devices(f"cpu:{data * model}")).reshape(data, model)
    return jax.sharding.Mesh(devices, ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def planned(mesh, units=None, fsdp=None, cell=CELL, given=True):
    """With `given` the layer is named to what says where parameters lie."""
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs=D))
    layer = cell if given else None
    places = jaxrnn.shardings(params, mesh, layer, units=units, fsdp=fsdp)
    params = jax.tree.map(lambda a, place: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), params, places)
    rows = NamedSharding(mesh, PartitionSpec(None, "data"))
    xs = jax.ShapeDtypeStruct((T, B, D), jnp.float32, sharding=rows)
    whole = jaxrnn.shardings(params, mesh, layer, units=units)

    def loss(params, xs):
        return (jaxrnn.scan(cell, jax.lax.with_sharding_constraint(params, whole), xs)[1] ** 2).sum()

    return plan_step(jax.grad(loss), params, xs, names=("params", "xs")), params, places


@pytest.mark.parametrize(
    ("data", "model", "fsdp"), [(1, 1, None), (2, 1, "data"), (4, 2, "data"), (8, 1, "data"), (1, 4, None)]
)
def test_bytes_of_parameters_are_those_of_arrays_that_lie_so(data, model, fsdp):
    mesh = mesh_of(data, model)
    plan, _, places = planned(mesh, "model" if model > 1 else None, fsdp)
    params = jax.device_put(CELL.init(jax.random.key(0), inputs=D), places)
    first = mesh.devices.flat[0]
    held = [
        shard.data.nbytes for a in jax.tree.leaves(params) for shard in a.addressable_shards if shard.device == first
    ]
    whole = sum(a.nbytes for a in jax.tree.leaves(params))
    shards = data * model if fsdp else model
    assert plan.arguments["params"] == sum(held) == whole // shards
    assert plan.chips == data * model


def test_products_are_counted_whatever_shares_them():
    # x and h of a head times four gates; back, the gradients of both kernels and of h
    expected = 2 * T * B * 4 * H * (D + H // 4) + 2 * T * B * 4 * H * (D + H // 4 + H // 4)
    assert planned(mesh_of(1, 1))[0].flops == planned(mesh_of(2, 4), "model")[0].flops == expected


@pytest.mark.parametrize("given", [True, False])
def test_heads_over_devices_send_nothing_inside_of_the_loop(given):
    plan, *_ = planned(mesh_of(1, 4), "model", given=given)
    assert [c for c in plan.collectives if c.depth] == []


HEADS = [
    jaxrnn.slstm(H),
    jaxrnn.gru(H, recurrent=jaxrnn.heads(4)),
    jaxrnn.lstm(H, input=jaxrnn.heads(4), recurrent=jaxrnn.heads(8)),
    jaxrnn.lstm(H, recurrent=jaxrnn.low_rank(4)),
    jaxrnn.lstm(H, input=jaxrnn.low_rank(8), recurrent=jaxrnn.heads(4)),
    jaxrnn.block_gru(H),
    jaxrnn.lstm(H, recurrent=jaxrnn.convolution(3)),
    jaxrnn.lstm(H),
]


@pytest.mark.parametrize("seeds", [False, True])
@pytest.mark.parametrize("cell", HEADS, ids=repr)
def test_kernels_in_heads_are_known_without_their_layer(cell, seeds):
    """Beside what is no layer's, in an optimizer's state, and where several of them are stacked."""
    mesh, init = mesh_of(2, 4), lambda key: cell.init(key, inputs=D)
    params = jax.eval_shape(init, jax.random.key(0))
    expected = jaxrnn.shardings(params, mesh, cell, units="model")
    if seeds:
        params = jax.eval_shape(jax.vmap(init), jax.random.split(jax.random.key(0), 2))
        expected = jax.tree.map(lambda a: NamedSharding(mesh, PartitionSpec(None, *a.spec)), expected)
    tree = {"layer": params, "head": {"kernel": jax.ShapeDtypeStruct((H, 3), "float32")}}
    found = jaxrnn.shardings(optax.adam(1e-3).init(tree), mesh, units="model")[0].mu["layer"]
    assert found == jaxrnn.shardings(tree, mesh, units="model")["layer"] == expected


@pytest.mark.slow
def test_heads_of_a_configuration_are_not_cut_apart():
    """What is gathered in its loop are observations and h of the dense layers around."""
    options = ["--model.cell=heads", "--model.hidden=64", "--mesh.data=2", "--mesh.model=2"]
    plan = plan_experiment(read_experiment(find_config("ppo"), options, TASKS), "cpu:4")
    assert not [c for c in plan.collectives if c.kind == "all-to-all"]


def test_units_over_devices_gather_h_and_sum_once_on_the_way_back():
    plan, *_ = planned(mesh_of(1, 4), "model", cell=jaxrnn.lstm(H))
    inside = [(c.kind, c.bytes) for c in plan.collectives if c.depth == 1]
    assert inside == [("all-gather", 4 * B * H), ("all-reduce", 4 * B * H)]


def test_a_configuration_says_what_it_says_as_text(capsys):
    assert main(["plan", "adding", "--topology", "cpu:4", "--mesh", "data=2,model=2", "--model.hidden", "8"]) == 0
    shown = capsys.readouterr().out
    assert "4 x cpu" in shown and "products: " in shown and "sent once a step: " in shown  # noqa: PT018
    experiment = read_experiment(find_config("adding"), ["--model.hidden=8", "--mesh.data=2", "--mesh.model=2"], TASKS)
    plan = plan_experiment(experiment, "cpu:4")
    assert f"parameters {size(plan.arguments['parameters'])} optimizer" in " ".join(shown.split())
    assert plan.saved is not None and 0 < plan.saved <= plan.temporaries + plan.saved  # noqa: PT018


def test_a_loss_is_traced_once(monkeypatch):
    experiment = read_experiment(find_config("adding"), ["--model.hidden=8"], TASKS)
    kind, traced = type(experiment.task), []
    loss = kind.loss
    monkeypatch.setattr(kind, "loss", lambda *given: traced.append(1) or loss(*given))
    assert plan_experiment(experiment, "cpu:2").saved > 0
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("topology", "mesh", "message"),
    [
        ("v5e", "", r"`topology` must be a kind of chip and how many lie side by side, .*, got 'v5e'"),
        ("cpu:4x2", "", r"`topology` must be cpu:N, with one number of devices, got 'cpu:4x2'"),
        ("cpu:4", "data=3", r"`mesh.data x mesh.model` must be as many as there are devices, got 3 x 1, and 4 devices"),
        (
            "cpu:4",
            "model=8",
            r"`mesh.data x mesh.model` must be as many as there are devices, got 1 x 8, and 4 devices",
        ),
        ("cpu:4", "date=2", r"unknown option '--mesh.date'"),
        ("cpu:\uff14", "", r"`topology` must be a kind of chip"),
        ("cpu:4", "data=2,data=4", r"`--mesh` must be NAME=VALUE, each name once, .*got 'data=2,data=4'"),
        ("cpu:4", "data", r"`--mesh` must be NAME=VALUE"),
        ("cpu:4", ",", r"`--mesh` must be NAME=VALUE"),
        ("cpu:4", "=4", r"`--mesh` must be NAME=VALUE"),
        (
            "cpu:6",
            "data=2,model=3",
            r"`mesh.model` must be a divisor of a layer's units, or heads, got 3, and kernels \[",
        ),
        ("cpu:7", "", r"batch of 32 rows: expected a multiple of the 7 devices that share them"),
        ("cpu:4", "data=0.5", r"mesh.data"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(topology, mesh, message, capsys):
    given = ["--mesh", mesh] if mesh else []
    assert main(["plan", "char_lm", "--topology", topology, *given]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error


def test_more_devices_than_jax_began_with():
    with pytest.raises(PlanError, match=r"got cpu:9, and JAX began with 8. Set XLA_FLAGS="):
        described_devices("cpu:9")


def test_arguments_that_lie_nowhere():
    with pytest.raises(ValueError, match=r"`arguments` must be arrays or shapes that lie on the devices of one mesh"):
        plan_step(jnp.sum, jax.ShapeDtypeStruct((3,), jnp.float32))


def test_as_many_devices_as_xlas_flag_says():
    """Which JAX would leave aside for its own option: a topology of other CPUs then had none."""
    program = "from jaxrnn.plan.topology import described_devices; print(len(described_devices('cpu:3')))"
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = ran([sys.executable, "-c", program], env=environment)
    assert done.stdout == "3\n", done.stderr
