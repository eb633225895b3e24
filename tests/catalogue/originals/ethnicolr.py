"""ethnicolr: the layer of its model of census names, in Keras 2 as TensorFlow has it."""

import importlib.util
import os
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow as tf
import tf_keras

file = Path(importlib.util.find_spec("ethnicolr").origin).parent / "models/census/lstm/census2010_ln_lstm.h5"
model = tf_keras.models.load_model(file, compile=False)
(layer,) = (each for each in model.layers if isinstance(each, tf_keras.layers.LSTM))
config = layer.get_config() | dict(return_sequences=True)
whole = tf_keras.layers.LSTM.from_config(config)
xs = np.random.default_rng(0).standard_normal((2, 20, layer.input_shape[-1])).astype("f")
whole.build(xs.shape)
whole.set_weights(layer.get_weights())
ys = whole(xs).numpy()
assert np.array_equal(ys[:, -1], layer(xs).numpy())
np.savez(
    sys.argv[1],
    xs=xs.swapaxes(0, 1),
    ys=ys.swapaxes(0, 1),
    source=str(file),
    runtime=f"tf_keras {tf_keras.__version__}, TensorFlow {tf.__version__}",
)
