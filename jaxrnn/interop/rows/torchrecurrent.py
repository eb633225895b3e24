"""torchrecurrent's cells (0.2.5) that are cells here.

Each has two biases or three, parameters or buffers of zeros, so that all of them are always there. Where one of them is
on a gate on which our cell, as its paper, has none, it is to be zero.
"""

from __future__ import annotations

from jax.nn import relu, sigmoid, tanh

from jaxrnn.interop.rows.row import ACTIVATIONS, NONE, Array, Gates, Row


def gated(seen: Gates = (), input_bias: Gates = (), state_bias: Gates | None = None) -> tuple[Array, ...]:
    """The arrays of most cells: `seen` are the gates that see the state, and have the second bias; all, if empty."""
    return (
        Array("weight_ih", "kernel", "gh d"),
        Array("weight_hh", "recurrent_kernel", "gh r", gates=seen),
        Array("bias_ih", "bias", "gh", gates=input_bias),
        Array("bias_hh", "bias", "gh", gates=seen if state_bias is None else state_bias),
    )


def diagonal(name: str, seen: Gates = ()) -> tuple[Array, ...]:
    """The arrays of cells that have numbers where others have a recurrent kernel."""
    x, _, *biases = gated(seen)
    return (x, Array(name, "recurrent_kernel", "gh", gates=seen), *biases)


def row(
    name: str,
    kind: str,
    gates: Gates,
    arrays: tuple[Array, ...],
    settings: tuple[tuple[str, object], ...] = (),
    fixed: tuple[tuple[str, object], ...] = (),
) -> Row:
    options = (option for _, option in settings if isinstance(option, str))
    can = ("use_bias", *options)
    return Row("torchrecurrent", name, kind, gates, arrays, can, fixed, shared_names=True, settings=settings)


ACT, GATE_ACT = (("act", ACTIVATIONS[0]),), (("gate_act", ACTIVATIONS[1]),)
DAMPED = (("epsilon", "epsilon"), ("gamma", "gamma"))
PROJECTED = (("project_input", True),)

ROWS = (
    row("AntisymmetricRNNCell", "antisymmetric_rnn", "h", gated(), (*DAMPED, ("act", tanh))),
    row(
        "GatedAntisymmetricRNNCell",
        "gated_antisymmetric_rnn",
        "zn",
        gated("z", state_bias="n"),  # one kernel for both gates
        DAMPED,
    ),
    row("ATRCell", "atr", "p", gated(state_bias=NONE)),  # which theirs adds to both gates, with both signs
    row("BRCell", "brc", "acn", diagonal("weight_hh", "ac")),
    row("NBRCell", "nbrc", "acn", gated("ac")),
    row("CFNCell", "cfn", ("theta", "eta", "n"), gated(("theta", "eta"))),
    row(
        "coRNNCell",
        "cornn",
        "h",
        (*gated(), Array("weight_ch", "velocity_kernel", "h r"), Array("bias_ch", "bias", "gh")),
        (("dt", "dt"), *DAMPED),
    ),
    row(
        "UnICORNNCell",
        "unicornn",
        "h",
        (*diagonal("weight_hh"), Array("weight_ch", "rate", "h")),
        (("dt", "dt"), ("alpha", "alpha")),
    ),
    row("FastRNNCell", "fast_rnn", "h", (*gated(), Array("alpha", "alpha", "1"), Array("beta", "beta", "1")), ACT),
    row(
        "FastGRNNCell",
        "fast_grnn",
        "zn",
        (
            Array("weight_ih", "kernel", "gh d", gates="z"),
            *gated("z", state_bias="zn")[1:],
            Array("zeta", "zeta", "1"),
            Array("nu", "nu", "1"),
        ),
        (("act", sigmoid),),  # of the gate; a tanh by default there
    ),
    row("IndRNNCell", "ind_rnn", "h", diagonal("vector_u"), ACT),
    row(
        "IntersectionRNNCell",
        "intersection_rnn",
        "yndg",
        gated(),
        (("depth_act", relu), ("recurrent_act", tanh), ("gate_act", sigmoid)),
    ),
    row("JANETCell", "janet", "fg", (*gated(), Array("beta", "=beta", "")), (("beta", "beta"),)),  # learned there
    row("LiGRUCell", "ligru", "zn", gated(), (*ACT, ("gate_act", sigmoid))),
    row("LightRUCell", "light_ru", "nf", gated("f")),
    row("MGUCell", "mgu", "fn", gated(), (*ACT, *GATE_ACT)),
    row(
        "MinimalRNNCell",
        "minimal_rnn",
        "zu",
        (
            Array("weight_ih", "kernel", "gh d", gates="z"),
            *gated("u", "z")[1:],
            Array("weight_mm", "latent_kernel", "h r"),
        ),
        (("act", tanh), ("gate_act", sigmoid)),
    ),
    row(
        "MultiplicativeLSTMCell",
        "multiplicative_lstm",
        "mifgo",
        (
            Array("weight_ih", "kernel", "gh d"),
            Array("weight_hh", "multiplicative_kernel", "h r"),
            Array("weight_mh", "recurrent_kernel", "gh r", gates="ifgo"),
            Array("bias_ih", "bias", "gh", gates=NONE + "ifgo"),
            Array("bias_hh", "bias", "gh", gates=NONE),
            Array("bias_mh", "bias", "gh", gates="ifgo"),
        ),
    ),
    row("MUT1Cell", "mut1", "zrn", gated("rn", f"zr{NONE}"), fixed=PROJECTED),  # n's is outside of the input's tanh
    row("MUT2Cell", "mut2", "zrn", gated(), fixed=PROJECTED),
    row("MUT3Cell", "mut3", "zrn", gated()),
    row("OriginalLSTMCell", "lstm", "igo", gated(), fixed=(("forget_gate", False),)),
    row(
        "PeepholeLSTMCell",
        "lstm",
        "ifgo",
        (*gated(), Array("weight_ph", "peepholes", "kh")),
        (*ACT, *GATE_ACT),
        (("peepholes", True),),
    ),
    row("RANCell", "ran", "nif", gated("if", "if")),
    row("SGRNCell", "sgrn", "f", gated(state_bias=NONE)),  # which theirs adds to the gate alone
    row("STARCell", "star", "zk", gated("k")),
    row("UGRNNCell", "ugrnn", "ng", gated()),
)

# The other classes: the cell of ours with that name, if there is one, and why it is another.
OTHERS = {
    "LEMCell": ("lem", "whose output reads the memory before the step, the paper's that after it"),
    "NASCell": ("nas", "whose third branch is relu(x + h), the authors' relu(x * h)"),
    "RHNCell": ("rhn", "whose file cannot be imported"),
    "tauGRUCell": ("", "whose layer hands no delayed states on"),
    "SCRNCell": ("", "which feeds its readout back"),
    "MCLSTMCell": ("", "the memory-controller LSTM"),
    "WMCLSTMCell": ("", "the LSTM with working memory"),
    "ResLSTMCell": ("", "the residual LSTM"),
    "TRNNCell": ("", "a strongly typed network"),
    "TGRUCell": ("", "a strongly typed network"),
    "TLSTMCell": ("", "a strongly typed network"),
    "MiRU1Cell": ("", "a minion unit"),
    "MiRU2Cell": ("", "a minion unit"),
    "DSGUCell": ("", "a deep simple gated unit"),
    "SGUCell": ("", "a simple gated unit"),
}
