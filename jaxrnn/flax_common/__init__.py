"""What the nnx and linen modules share. Nothing here computes a step: that is `jaxrnn.scan`, `cell.step` or a Flax cell."""
