"""What is read off a compiler's text: kinds, bytes, loops within loops, and what is begun and ended apart."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxrnn.plan import Collective, collectives_of

MESH = jax.make_mesh((4,), ("data",), (AxisType.Auto,), devices=jax.devices()[:4])
ROWS = NamedSharding(MESH, PartitionSpec("data"))


def of(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32, sharding=ROWS) for shape in shapes]
    return collectives_of(jax.jit(function).lower(*arguments).compile().as_text())


def test_a_sum_over_devices_outside_of_loops():
    assert of(lambda a: a.sum(0), (8, 6)) == [Collective("all-reduce", 4 * 6, 0)]


def test_nothing_is_sent_where_rows_are_independent():
    assert of(lambda a: jnp.tanh(a) * 2, (8, 6)) == []


def test_sums_inside_of_one_loop_and_of_two():
    def inner(h, _):
        return jnp.tanh(h + (h * h).sum(0, keepdims=True)), None

    def outer(h, _):
        return jax.lax.scan(inner, h, None, length=3)[0], None

    assert of(lambda h: jax.lax.scan(inner, h, None, length=3)[0], (8, 6)) == [Collective("all-reduce", 24, 1)]
    assert of(lambda h: jax.lax.scan(outer, h, None, length=5)[0], (8, 6)) == [Collective("all-reduce", 24, 2)]


BEGUN_APART = """\
HloModule step

%fused (param: bf16[8,4]) -> (bf16[8,4], bf16[8,16]) {
  %param = bf16[8,4]{1,0} parameter(0)
  %gathered.1 = bf16[8,16]{1,0:T(8,128)S(1)} all-gather(%param), channel_id=6, dimensions={1}
}

%body (state: (s32[], f32[2,16])) -> (s32[], f32[2,16]) {
  %state = (s32[], f32[2,16]) parameter(0)
  %going_on = bf16[8,16]{1,0} all-gather(%x), channel_id=6, dimensions={1}
  %summed = (f32[2,16]{1,0}, /*index=1*/pred[3]{0}) all-reduce(%a, %b), channel_id=9, to_apply=%add
}

ENTRY %main (x: bf16[8,4]) -> f32[2,16] {
  %x = bf16[8,4]{1,0} parameter(0)
  %begun = (bf16[8,4], bf16[8,16]) fusion(%x), kind=kCustom, calls=%fused
  %loop = (s32[], f32[2,16]) while(%tuple), condition=%until, body=%body
  %apart = ((f32[4]), (f32[16])) all-gather-start(%y), channel_id=11, dimensions={0}
  %ended = f32[16]{0} all-gather-done(%apart)
}
"""


def test_what_begins_before_a_loop_and_ends_after_it_is_one():
    gather, summed, apart = collectives_of(BEGUN_APART)
    assert gather == Collective("all-gather", 8 * 16 * 2, 0)
    assert summed == Collective("all-reduce", 2 * 16 * 4 + 3, 1)
    assert apart == Collective("all-gather", 16 * 4, 0)


def test_what_is_no_text(unchecked):
    with pytest.raises(TypeError, match=r"`text` must be the text of a compiled program, got None"):
        collectives_of(None)
    assert collectives_of("") == []
    assert collectives_of("no program") == []
