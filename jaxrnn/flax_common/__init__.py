"""What the nnx and linen modules share. Steps are computed by `jaxrnn.scan`, `cell.step` or a Flax cell, not here."""
