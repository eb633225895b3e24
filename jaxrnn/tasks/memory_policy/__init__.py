"""A policy with memory, in a world of which it sees little."""
