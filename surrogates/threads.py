"""One process-wide lock around everything that computes: a fit never takes all cores of a machine that evaluates.

BLAS and torch have process-global thread counts, so limits are set while the lock is held and restored after.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

LOCK = threading.RLock()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the lock, with one BLAS thread; re-entrant."""
    with LOCK, _controller().limit(limits=1, user_api="blas"):
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Hold the lock, with one BLAS and one torch thread; re-entrant."""
    import torch  # seconds to load, and only some surrogates need it

    with one_thread():
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
