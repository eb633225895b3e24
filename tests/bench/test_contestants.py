"""Every library at work: its outputs and gradients, mapped to our names, against the truth; and the truth itself."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from jaxrnn.bench.cases import FORMS, Case
from jaxrnn.bench.contestants import ALL, PEERS, load
from jaxrnn.bench.gate import WIDER, compare
from jaxrnn.bench.problem import SEGMENT, make_layer, make_problem, make_truth, name_answer
from tests import oracle
from tests.table import ORACLES

CASES = {
    "lstm": Case("lstm", 3, 7, 5, 4),
    "gru": Case("gru", 3, 7, 5, 4),
    "elman": Case("elman", 3, 7, 5, 4),
    "lstm, two layers, both ways": Case("lstm", 2, 5, 3, 4, layers=2, bidirectional=True),
    "gru, both ways": Case("gru", 2, 5, 3, 4, bidirectional=True),
    "lstm, ragged": Case("lstm", 3, 7, 5, 4, ragged=True),
    "lstm, peepholes": Case("lstm", 3, 7, 5, 4, peepholes=True),
    "gru, bfloat16": Case("gru", 3, 7, 5, 4, dtype="bfloat16"),
    "gru, projected": Case("gru", 3, 7, 5, 4, projected=True),
    "gru, resets": Case("gru", 3, 9, 5, 4, resets=True),
}
os.environ["KERAS_BACKEND"] = "jax"  # before anything imports Keras

QUICK = ("auto", "lax.scan", "flax.nnx", "torch")  # ours, and one of each kind; the others take long to compile
DECLINES = {
    "auto": set(),
    "lax.scan": {"lstm, two layers, both ways", "gru, both ways", "gru, resets"},
    "flax.linen": {"lstm, peepholes", "gru, projected", "gru, resets"},
    "flax.linen-plain": {
        "gru",
        "elman",
        "gru, both ways",
        "gru, bfloat16",
        "lstm, peepholes",
        "gru, projected",
        "gru, resets",
    },
    "flax.nnx": {"lstm, peepholes", "gru, projected", "gru, resets"},
    "copied": CASES.keys() - {"gru, resets"},
    "haiku": {"elman", "lstm, ragged", "lstm, peepholes", "gru, projected", "gru, resets"},
    "equinox": {"elman", "lstm, ragged", "lstm, peepholes", "gru, projected", "gru, resets"},
    "keras": {"lstm, peepholes", "gru, projected", "gru, resets"},
    "torch": {"lstm, peepholes", "gru, projected", "gru, resets"},
    "torchrecurrent": set(CASES),  # other cells than these three
    "ncps": set(CASES),
    "xlstm": set(CASES),
    "jax.experimental.rnn": set(CASES),
}


@functools.cache
def truth_of(case: Case) -> dict[str, Any]:
    with jax.enable_x64(True):
        return make_truth(case)


def library(name: str) -> Any:
    if ALL[name].needs is not None:
        pytest.importorskip(ALL[name].needs)
    return load(name)


@pytest.mark.usefixtures("as_in_a_worker")
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in DECLINES])
def test_what_takes_part_agrees_with_the_truth(name: str) -> None:
    lib = library(name)
    for label, case in CASES.items():
        formed = lib.form(case)
        reason = lib.declines(formed, "train")
        assert (reason is not None) == (label in DECLINES[name]), f"{label}: {reason}"
        if reason is None:
            agreement = compare(lib.build(formed, make_problem(formed)).answer(), truth_of(formed), case.dtype)
            assert agreement.holds, f"{label}: {agreement}"


@pytest.mark.usefixtures("as_in_a_worker")
@pytest.mark.parametrize("name", [name for name in DECLINES if DECLINES[name] != set(CASES)])
def test_single_steps_walk_to_the_same_outputs(name: str) -> None:
    lib = library(name)
    for label in ("lstm", "gru", "elman", "gru, resets"):
        formed = lib.form(CASES[label])
        if lib.declines(formed, "step") is None:
            running = lib.build(formed, make_problem(formed))
            assert compare({"ys": running.walk()}, {"ys": truth_of(formed)["ys"]}, "float32").holds, label
            for kind in ("step", "step donated"):
                if lib.declines(formed, kind) is None:
                    call = running.call(kind)
                    call()
                    call()  # the carry goes on: a donated one may not be used twice


OF_THE_COLLECTION = {
    "auto": ("mgu", "gru_d", "time_lstm", "phased_lstm", "mass_conserving_lstm", "slstm"),
    "torchrecurrent": ("atr", "brc", "multiplicative_lstm", "minimal_rnn"),
    "ncps": ("cfc", "cfc, no gate"),
    "xlstm": ("slstm",),
}


@pytest.mark.usefixtures("as_in_a_worker")
@pytest.mark.parametrize("name", OF_THE_COLLECTION)
def test_cells_of_the_collection_agree_with_the_truth(name: str) -> None:
    lib = library(name)
    for cell in OF_THE_COLLECTION[name]:
        case = Case(cell, 3, 5, 8, 8)
        assert lib.declines(case, "train") is None
        running = lib.build(case, make_problem(case))
        agreement = compare(running.answer(), truth_of(case), "float32", WIDER)
        assert agreement.holds, f"{cell}: {agreement}"
        running.call("train")()


@pytest.mark.usefixtures("as_in_a_worker")
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_recurrent_kernels_are_ours_alone(form: str) -> None:
    case = Case("lstm", 3, 5, 8, 8, recurrent=form)
    assert load("torch").declines(case, "train") == "has no recurrent"
    assert compare(load("auto").build(case, make_problem(case)).answer(), truth_of(case), "float32").holds


def test_every_contestant_is_tested() -> None:
    assert set(DECLINES) == {"auto", *PEERS}  # our other backends have the law suite


@pytest.mark.usefixtures("as_in_a_worker")
def test_wrong_gate_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxrnn.bench.contestants import linen

    monkeypatch.setattr(linen, "LSTM", "figo")
    case = CASES["lstm"]
    agreement = compare(linen.Library().build(case, make_problem(case)).answer(), truth_of(case), "float32")
    assert not agreement.holds
    assert agreement.worst > 0.1


@pytest.mark.usefixtures("as_in_a_worker")
@pytest.mark.parametrize("lost", ["bias", "recurrent_bias"])
def test_a_lost_bias_is_refused_in_bfloat16_too(lost: str) -> None:
    case = CASES["gru, bfloat16"]
    problem = make_problem(case)
    params = problem.params | {lost: np.zeros_like(problem.params[lost])}
    answer = load("auto").build(case, problem._replace(params=params)).answer()
    assert not compare(answer, truth_of(case), "bfloat16").holds


@pytest.mark.parametrize("label", ["lstm", "gru", "elman", "lstm, peepholes", "lstm, ragged"])
def test_the_truth_is_the_oracles(label: str) -> None:
    case = CASES[label]
    equations = ORACLES[label if label in ORACLES else case.cell]
    problem = make_problem(case)
    params, xs, weights = jax.tree.map(lambda a: a.astype(np.float64), problem[:3])
    carry = tuple(np.zeros(s) for s in make_layer(case).carry_shapes((case.B,)))

    def outputs(arrays: dict[str, Any]) -> Any:
        arrays = dict(arrays)
        return oracle.scan(equations, arrays, arrays.pop("xs"), carry, lengths=problem.lengths)[1]

    arrays = params | {"xs": xs}
    expected = oracle.complex_step(lambda a: (weights * outputs(a)).sum(), arrays) | {"ys": outputs(arrays)}
    assert truth_of(case).keys() == expected.keys()
    for name, array in truth_of(case).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-6, atol=1e-6, err_msg=name)  # stored as float32


def test_the_truth_of_a_long_sequence_is_that_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("lstm", 2, 12, 3, 4, chunk="sqrt")
    whole = truth_of(case)
    assert case.T <= SEGMENT
    monkeypatch.setattr("jaxrnn.bench.problem.SEGMENT", 4)
    for name, array in make_truth(case).items():
        np.testing.assert_allclose(array, whole[name], rtol=1e-6, atol=1e-7, err_msg=name)


def test_no_inner_bias_is_a_form_of_the_gru() -> None:
    case = replace(CASES["gru"], form="no inner bias")
    assert not make_problem(case).params["recurrent_bias"].any()
    assert truth_of(CASES["gru"]).keys() - truth_of(case).keys() == {"recurrent_bias"}


@pytest.mark.usefixtures("as_in_a_worker")
def test_cudnns_flat_weights_are_ours_and_back() -> None:
    """cuDNN needs a GPU, its layout does not: JAX's own reader finds torch's matrices in what we pack."""
    from jax.experimental import rnn

    from jaxrnn.bench.contestants import cudnn, torch_layout

    case, lib = CASES["lstm"], cudnn.Library()
    params = make_problem(case).params
    flat = lib.theirs(case, params)
    read = rnn.unpack_lstm_weights(flat, case.D, case.H, 1, False)
    expected = torch_layout.weights_of("lstm", params)
    for got, name in zip(read, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), strict=True):
        np.testing.assert_array_equal(got[0], expected[name])
    assert compare(name_answer(0, lib.ours(case, flat), 0), name_answer(0, params, 0), "float32").worst == 0


@pytest.mark.usefixtures("as_in_a_worker")
def test_memory_counts_neither_inputs_nor_outputs_nor_gradients() -> None:
    """Under chunk="sqrt" four times the steps take about twice the temporaries: nothing of size T is among them."""
    sizes = []
    for T in (4096, 16384):
        case = Case("lstm", 2, T, 8, 8, chunk="sqrt")
        found = load("auto").build(case, make_problem(case)).inspect()
        sizes.append(found["temporaries"][0])
    assert 1 < sizes[1] / sizes[0] < 2.5
