"""Cases, suites and their selection."""

from __future__ import annotations

import pytest

from jaxrnn.bench.cases import CELLS, SUITES, Case, make_cases
from jaxrnn.bench.contestants import ALL, PEERS, choose_contestants
from jaxrnn.bench.runner import Settings, make_plans


def test_a_case_is_its_record() -> None:
    for suite in SUITES:
        for case in make_cases(suite, CELLS) + make_cases(suite, CELLS, gpu=True):
            assert Case(**case.record()) == case


def test_the_shapes_of_the_published_table_are_there() -> None:
    sizes = [(c.B, c.T, c.D, c.H) for c in make_cases("train", ["lstm"]) if not c.traits]
    assert sizes == [(1, 128, 128, 128), (16, 500, 128, 128), (32, 128, 256, 256), (64, 100, 512, 512)]
    traits = {trait for c in make_cases("train", ["lstm"]) for trait in c.traits}
    assert traits == {"bidirectional", "2 layers", "ragged", "peepholes", "bfloat16"}


def test_peepholes_are_an_lstms_alone() -> None:
    assert not any(case.peepholes for case in make_cases("train", ["gru", "elman"]))


def test_on_a_gpu_other_cases_and_dtypes() -> None:
    cases = make_cases("train", ["lstm"], gpu=True)
    assert {(c.B, c.H) for c in cases} >= {(16, 768), (16, 128), (64, 256), (64, 512), (64, 1024), (16, 2048)}
    assert {c.dtype for c in cases} == {"float32", "tf32", "bfloat16", "float16"}
    assert {c.T for c in cases if (c.B, c.H) == (16, 768)} == {256, 512, 1024, 2048}
    assert any(c.projected for c in cases)


def test_own_shapes_keep_the_suites_chunk() -> None:
    (case,) = make_cases("long", ["gru"], ["2,64,3,5"])
    assert case == Case("gru", 2, 64, 3, 5, chunk="sqrt")


@pytest.mark.parametrize("text", ["32,128,256", "32,128,256,0", "a,b,c,d", "", "32,128,256,256:bidirectionl"])
def test_a_wrong_shape_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"`shapes` must be .*got"):
        make_cases("train", CELLS, [text])


def test_suites_that_share_a_case_build_it_once() -> None:
    plans = make_plans(Settings(("train", "forward", "memory"), ("lstm",)), gpu=False)
    assert len({plan.case for plan in plans}) == len(plans) == 9
    assert [plan.kinds for plan in plans if not plan.case.traits] == [["train", "forward", "temporaries"]] * 4


def test_contestants_are_those_installed_or_those_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxrnn.bench.contestants.find_spec", lambda name: name == "flax")
    names = [entry.name for entry in choose_contestants(["auto", "auto"], [])]
    assert names == ["auto", "lax.scan", "flax.linen", "flax.linen-plain", "flax.nnx", "jax.experimental.rnn"]
    assert [entry.name for entry in choose_contestants(["reference"], None)] == ["reference"]
    with pytest.raises(
        ValueError, match=r"`peers` must be installed, got 'torch', which needs torch\. .*jaxrnn\[peers\]"
    ):
        choose_contestants(["auto"], ["torch"])
    with pytest.raises(ValueError, match=r"Did you mean 'flax\.linen'"):
        choose_contestants(["auto"], ["flax.line"])
    with pytest.raises(ValueError, match="`backends` must be at least one"):
        choose_contestants([], None)


def test_every_name_is_one_contestant() -> None:
    assert not ALL.keys() - PEERS.keys() & PEERS.keys()
    assert all(name == entry.name for name, entry in ALL.items())
