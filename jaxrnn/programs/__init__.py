"""Jaxprs, what JAX makes of functions: run, with the rules that functions have, and written."""
