"""Long sequences: what is linear in the state, beside LSTM and GRU of as many parameters."""
