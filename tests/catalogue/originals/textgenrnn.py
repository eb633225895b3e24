"""textgenrnn: its first layer, a CuDNNLSTM in the file, read by Keras 2 as TensorFlow has it."""

import importlib.util
import os
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow as tf
import tf_keras

folder = Path(importlib.util.find_spec("textgenrnn").origin).parent
# The part of `textgenrnn_model` in front of the second layer, by the names that its weights have.
inputs = tf_keras.Input((40,), name="input")
embedded = tf_keras.layers.Embedding(465, 100, name="embedding")(inputs)
rnn = tf_keras.layers.LSTM(128, return_sequences=True, recurrent_activation="sigmoid", name="rnn_1")
model = tf_keras.Model(inputs, rnn(embedded))
model.load_weights(folder / "textgenrnn_weights.hdf5", by_name=True)
xs = np.random.default_rng(0).standard_normal((2, 20, 100)).astype("f")
ys = rnn(xs).numpy()
np.savez(
    sys.argv[1],
    xs=xs.swapaxes(0, 1),
    ys=ys.swapaxes(0, 1),
    source=str(folder / "textgenrnn_weights.hdf5"),
    runtime=f"tf_keras {tf_keras.__version__}, TensorFlow {tf.__version__}",
)
