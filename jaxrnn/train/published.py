"""What others report belongs to the data that they report it for: told by what these hold, not by what they are called.

A configuration that says `published` says for which data (`published_for`), by the digest of all their parts.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxrnn.train.config import Experiment
from jaxrnn.train.run_files import digest


def data_digest(digests: Mapping[str, str]) -> str:
    """SHA-256 of the digests of all parts of some data; none of data that are drawn and not read."""
    return digest(dict(sorted(digests.items()))) if digests else ""


def of_these_data(experiment: Experiment, digests: Mapping[str, str]) -> bool:
    """Whether what an experiment's configuration says of others is for the data with these digests."""
    return data_digest(digests) == experiment.published_for
