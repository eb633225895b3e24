"""Benchmarks: the library against itself and against its peers. `jaxrnn bench` runs them."""

__all__: list[str] = []  # the command is the way in: `jaxrnn.bench.command.bench` does what it does


def __dir__() -> list[str]:
    return __all__
