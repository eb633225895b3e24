"""Cases, suites and their selection."""

from __future__ import annotations

import pytest

from jaxrnn.bench.cases import CELLS, Case
from jaxrnn.bench.choice import make_cases
from jaxrnn.bench.contestants import ALL, OURS, PEERS, choose_contestants
from jaxrnn.bench.problem import compared
from jaxrnn.bench.runner import Settings, make_plans
from jaxrnn.bench.suites import SUITES
from jaxrnn.cells import COLLECTION


def test_a_case_is_its_record() -> None:
    for suite in SUITES:
        for case in make_cases(suite) + make_cases(suite, gpu=True) + make_cases(suite, quick=True):
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


def test_the_suite_of_shapes() -> None:
    """The fourteen of the issue, and a bidirectional layer over whole and over ragged rows."""
    cases = make_cases("shapes", ["gru"])
    assert len({(c.B, c.T, c.D, c.H) for c in cases if not c.traits}) == 14
    assert [c.traits for c in cases if c.traits] == [
        ["bidirectional"],
        ["bidirectional", "ragged", "20 to 200 steps"],
    ]
    assert len(make_cases("shapes")) == 3 * 16


def test_suites_with_cells_of_their_own() -> None:
    assert [case.cell for case in make_cases("cells")] == list(COLLECTION)
    assert {(c.B, c.T, c.D, c.H) for c in make_cases("cells") + make_cases("forms")} == {(32, 128, 512, 512)}
    assert [str(case) for case in make_cases("forms", ["lstm"], ["1,2,8,8"])] == [
        "lstm B=1 T=2 D=8 H=8",
        "lstm B=1 T=2 D=8 H=8 heads(4)",
        "lstm B=1 T=2 D=8 H=8 heads(8)",
        "lstm B=1 T=2 D=8 H=8 diagonal",
        "lstm B=1 T=2 D=8 H=8 projected",
        "lstm B=1 T=2 D=8 H=8 projected diagonal",
    ]
    assert [str(c) for c in make_cases("applications", quick=True)] == [
        "char_lm B=3 T=8 D=11 H=7",
        "ptb_small B=3 T=8 D=11 H=7 2 layers",
    ]
    with pytest.raises(ValueError, match=r"`cells` must be out of \('char_lm', 'ptb_small'\), got 'lstm'"):
        make_cases("applications", ["lstm"])
    with pytest.raises(ValueError, match="`shapes` must be left out with applications"):
        make_cases("applications", shapes=["1,2,3,4"])


def test_of_chaotic_cells_the_first_steps_are_compared() -> None:
    cases = {case.cell: case for case in make_cases("cells", ["gru", "elman, residual"])}
    assert compared(cases["gru"]) == cases["gru"]
    assert str(compared(cases["elman, residual"])) == "elman, residual B=4 T=8 D=512 H=512"


def test_suites_that_share_a_case_build_it_once() -> None:
    plans = make_plans(Settings(("train", "forward", "memory"), ("lstm",)), gpu=False)
    assert len({plan.case for plan in plans}) == len(plans) == 9
    assert [plan.kinds for plan in plans if not plan.case.traits] == [["train", "forward", "temporaries"]] * 4


def test_contestants_are_those_installed_or_those_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxrnn.bench.contestants.find_spec", lambda name: name == "flax")
    names = [entry.name for entry in choose_contestants(["auto", "auto"], [], "plain")]
    peers = ["lax.scan", "flax.linen", "flax.linen-plain", "flax.nnx", "copied", "jax.experimental.rnn"]
    assert names == ["auto, plain", *peers]
    assert [entry.name for entry in choose_contestants(["reference"], None)] == ["reference"]
    with pytest.raises(
        ValueError, match=r"`peers` must be installed, got 'torch', which needs torch\. .*jaxrnn\[peers\]"
    ):
        choose_contestants(["auto"], ["torch"])
    with pytest.raises(ValueError, match=r"Did you mean 'flax\.linen'"):
        choose_contestants(["auto"], ["flax.line"])
    with pytest.raises(ValueError, match="`backends` must be at least one"):
        choose_contestants([], None)


def test_peers_are_timed_with_and_without_the_setting_of_memory() -> None:
    def chosen(memory: str) -> list[tuple[str, bool]]:
        return [(entry.name, entry.keeps) for entry in choose_contestants(["auto"], ["lax.scan"], memory)]

    assert chosen("both") == [("auto", True), ("lax.scan", False), ("lax.scan, kept", True)]
    assert chosen("kept") == [("auto", True), ("lax.scan, kept", True)]
    assert chosen("plain") == [("auto, plain", False), ("lax.scan", False)]
    with pytest.raises(ValueError, match="`memory` must be out of"):
        chosen("none")


def test_every_name_is_one_contestant() -> None:
    assert len(ALL) == 2 * (len(OURS) + len(PEERS))
    assert all(name == entry.name for name, entry in ALL.items())
