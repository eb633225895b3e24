"""Signals into signals, step by step: sources that are told apart, events that are found."""
