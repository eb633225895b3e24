"""g2p-en: its own GRU, in NumPy. What the package fetches from the network (a dictionary) the model does not need."""

import sys
import types
from pathlib import Path

import numpy as np

for name in ("nltk", "nltk.corpus", "nltk.tokenize", "inflect", "distance"):  # of its text processing
    module = sys.modules[name] = types.ModuleType(name)
    module.pos_tag = module.cmudict = module.download = None
sys.modules["nltk.tokenize"].TweetTokenizer = lambda: types.SimpleNamespace(tokenize=None)
sys.modules["nltk"].data = types.SimpleNamespace(find=lambda path: path)
sys.modules["inflect"].engine = lambda: None

from g2p_en import g2p  # noqa: E402

model = g2p.G2p.__new__(g2p.G2p)
model.load_variables()
xs = np.random.default_rng(0).standard_normal((2, 20, 256)).astype("f")
ys = model.gru(xs, 20, model.enc_w_ih, model.enc_w_hh, model.enc_b_ih, model.enc_b_hh, h0=np.zeros((2, 256), "f"))
file = Path(g2p.__file__).parent / "checkpoint20.npz"
np.savez(sys.argv[1], xs=xs.swapaxes(0, 1), ys=ys.swapaxes(0, 1), runtime=f"NumPy {np.__version__}", source=str(file))
