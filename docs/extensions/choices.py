"""What a cell is for, in a line, and whom it was compared with. What the rest of a page says is computed."""

from __future__ import annotations

# Where to start, for those who do not look for a cell by name.
PURPOSE = {
    "elman": "the simplest; baselines, and analysis of dynamics",
    "lstm_1997": "history: the LSTM without a forget gate",
    "lstm": "the default for long dependencies, and what most published models use",
    "gru": "as good as an LSTM on most tasks with three quarters of the numbers; agents",
    "fast_rnn": "microcontrollers: two numbers more than Elman's network, and stable",
    "fast_grnn": "microcontrollers: a gate at the price of an Elman network",
    "ind_rnn": "very long sequences and deep stacks of units that see themselves alone",
    "m2rnn": "a nonlinear cell with a large memory: a matrix a head",
    "rhn": "a deep transition within a step; language models",
    "exp_rnn": "copying over long times: states neither grow nor fade",
    "scrn": "a slow context beside a fast state; small language models",
    "atr": "the cheapest gated cell: one projection for two gates; translation",
    "brc": "long memory by bistability, each unit by itself",
    "nbrc": "long memory by bistability, units that steer one another",
    "cfn": "gates without chaos: states that decay without inputs",
    "block_gru": "world models (DreamerV3): wide states at little cost",
    "mgu": "a GRU with one gate fewer",
    "para_gru": "a GRU that Newton's method runs in parallel over time",
    "para_lstm": "an LSTM that Newton's method runs in parallel over time",
    "ugrnn": "easy to train: one gate, about as good as a GRU",
    "intersection_rnn": "deep stacks: gates over depth as over time",
    "light_ru": "few numbers and a candidate that is read off the input",
    "ligru": "speech recognition: relu, one gate, and batch norm before it",
    "minimal_rnn": "states that stay in the space of inputs; to look into",
    "mut1": "the first cell of an evolutionary search",
    "mut2": "the second cell of an evolutionary search",
    "mut3": "the third cell of an evolutionary search",
    "ran": "states that are weighted sums of inputs; to look into",
    "sgrn": "one projection for gate and candidate; signals",
    "star": "deep stacks of cheap cells",
    "t_gru": "states that are weighted sums of inputs, with an output gate",
    "t_lstm": "states that are weighted sums of inputs, cell apart from output",
    "t_rnn": "states that are weighted averages of inputs; parallel gates",
    "tau_gru": "delays: a state of some steps before is an input",
    "slstm": "xLSTM: exponential gates that revise what is stored, heads",
    "multiplicative_lstm": "symbols that choose the transition; text, proteins (UniRep)",
    "mogrifier_lstm": "language models: input and state gate each other first",
    "janet": "an LSTM of the forget gate alone",
    "nas": "the cell that a search by reinforcement found for language models",
    "on_lstm": "hierarchies: neurons are ordered by how long they keep",
    "res_lstm": "deep stacks: a shortcut over depth into the output",
    "working_memory_lstm": "gates that see what is stored",
    "control_gate_lstm": "a gate that watches the cell's own values",
    "mass_conserving_lstm": "hydrology and other balances: what comes in is kept or goes out",
    "antisymmetric_rnn": "stable dynamics by construction; long dependencies",
    "gated_antisymmetric_rnn": "stable dynamics with a gate for how fast",
    "cornn": "oscillators: gradients bounded over long times",
    "unicornn": "oscillators one by one: very long sequences at little cost",
    "lem": "several time scales at once, learned from the input",
    "lipschitz_rnn": "robustness: a bounded spectrum",
    "min_gru": "long sequences: all steps at once, two gates",
    "min_lstm": "long sequences: all steps at once, three gates",
    "lru": "long sequences: complex eigenvalues in a ring",
    "rg_lru": "language models of Griffin's kind, beside local attention",
    "s4d": "long signals: a state space for each channel",
    "s5": "long signals: one state space of many inputs and outputs",
    "s6": "Mamba's selective scan; text, genomes",
    "hgrn": "language models: forget gates above a bound",
    "lin_oss": "long signals: oscillators, stable by construction",
    "sru": "fast translation and classification with a highway",
    "qrnn": "fast text models behind a causal convolution",
    "cfc": "times that are not regular, without a solver",
    "ltc": "times that are not regular; small controllers to look into",
    "phased_lstm": "events at any time: units that open by a clock",
    "time_lstm": "patients' records: short-term memory fades with the gap",
    "gru_d": "missing values: what was seen last, and how long ago",
    "clockwork_rnn": "blocks of units that run at their own period",
    "lmu": "a window of the past, compressed into few numbers",
    "esn": "forecasts without training by gradients: a readout in closed form",
}

_TORCHRECURRENT = (
    "antisymmetric_rnn gated_antisymmetric_rnn atr brc nbrc cfn cornn unicornn fast_rnn fast_grnn ind_rnn "
    "intersection_rnn janet ligru light_ru control_gate_lstm mgu minimal_rnn multiplicative_lstm mut1 mut2 mut3 ran "
    "working_memory_lstm sgrn star ugrnn t_rnn t_gru t_lstm res_lstm lem nas tau_gru lstm"
)
# Library -> its file in tests/peers, and the cells that were run beside it live.
PEERS = {
    "torch": ("test_torch.py", "lstm gru elman"),
    "Keras": ("test_keras.py", "lstm gru"),
    "Flax (linen)": ("test_flax.py", "lstm gru elman"),
    "Flax (NNX)": ("test_flax.py", "lstm gru"),
    "Flax's MGUCell": ("test_flax_minimal.py", "mgu"),
    "torchrecurrent": ("test_torchrecurrent.py", _TORCHRECURRENT),
    "braintrace": ("test_braintrace.py", "cfn mgu minimal_rnn"),
    "memax": ("test_memax.py", "mgu lru"),
    "ncps": ("test_ncps.py", "cfc ltc"),
    "pararnn": ("test_pararnn.py", "para_gru para_lstm m2rnn"),
    "reservoirpy": ("test_reservoirpy.py", "esn"),
    "xlstm": ("test_xlstm.py", "slstm"),
}
# Where the other library is not the paper's cell, or not ours.
DIFFERENCES = {
    "mgu": "Flax's takes 1 - f for f, and with a reset scales the product instead of the state.",
    "gru": "Flax's NNX cell has no bias inside the reset; haiku resets before the product and inverts z; Keras orders "
    "gates z, r, h.",
    "lstm": "Keras orders gates i, f, c, o; haiku and TensorFlow 1 add one to f at run time; torch has two biases.",
    "slstm": "xlstm's layer feeds the gates crosswise, and its single step hands back the old state.",
    "lem": "torchrecurrent's output reads the old cell.",
    "nas": "torchrecurrent's third branch adds where the paper multiplies; compared without it.",
    "tau_gru": "torchrecurrent leaves the delay to its caller; compared with the delayed state handed over.",
    "cfc": "The authors' TensorFlow program and ncps for Keras have -a for a; ncps for PyTorch agrees.",
    "phased_lstm": "The authors' program has t + shift.",
    "time_lstm": "The authors' program has a sigmoid for the tanh of s, and 2.7183 for e.",
    "star": "The authors' code has another cell than the paper.",
    "lmu": "keras-lmu leaves out `state_encoder` and `memory_encoder` by default.",
}


def peers_of(factory: str) -> list[tuple[str, str]]:
    """Libraries that a cell was run beside, each with the file of its test."""
    return [(library, file) for library, (file, names) in PEERS.items() if factory in names.split()]
