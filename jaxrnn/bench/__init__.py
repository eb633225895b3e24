"""Benchmarks: the library against itself and against its peers. `jaxrnn bench` runs them."""
