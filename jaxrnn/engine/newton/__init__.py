"""Nonlinear cells with all steps at once: Newton's method over time."""
