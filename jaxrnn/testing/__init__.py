"""Laws for the tests of one's own code."""

from jaxrnn.testing.replay import check_replay

__all__ = ["check_replay"]


def __dir__() -> list[str]:
    return __all__
