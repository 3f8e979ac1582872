"""Random streams: one per (seed, proposal index, purpose), so that no stream depends on how another was used."""

import zlib

import numpy as np


def stream(seed: int, index: int, purpose: str) -> np.random.Generator:
    """Return the generator for ``purpose`` (such as ``"surrogate"``) at proposal ``index`` of a study with
    ``seed``."""
    return np.random.default_rng([seed, index, zlib.crc32(purpose.encode())])
