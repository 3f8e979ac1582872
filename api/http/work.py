"""A bounded queue for what takes long: a few threads think, a few hundred requests wait, and more are told to come back.

Thinking (an ask, a posterior, a picture, a draft, a turn of a chat) shares one interpreter with everything else; with a
thread for each request, health and heartbeats would wait for all of them. Telling, heartbeats and lists do not pass
through here. Knows nothing of HTTP.
"""

import os
import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from ...serving.errors import TrialogueError

THREADS = max(2, min(8, os.cpu_count() or 2))
"""Pieces of work done at once: numpy lets go of the interpreter, Python does not."""
WAITING = 256
"""Requests that may wait: with 0.2 s of work each, on two threads, half a minute of it."""
_T = TypeVar("_T")


class ServerBusy(TrialogueError):
    """More work waits than the server will queue. ``retry_after_s``: when there should be room."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(
            f"{waiting} requests wait for this server already; come back in {retry_after_s} s, or ask for less at once."
        )
        self.retry_after_s = retry_after_s


class WorkQueue:
    """The queue of one server. Lives on one event loop."""

    def __init__(self, *, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._threads, self._most = threads, waiting
        self._mean_s = 0.2  # of the latest pieces of work

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self._limiter.statistics().tasks_waiting

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do a piece of work in a thread, after those that came before. Raises ServerBusy, and what the work raises."""
        if self.waiting >= self._most:
            raise ServerBusy(self.waiting, max(1, min(60, round(self._mean_s * self._most / self._threads))))

        def timed() -> _T:
            started = time.monotonic()
            try:
                return work()
            finally:
                self._mean_s += 0.1 * (time.monotonic() - started - self._mean_s)

        return await anyio.to_thread.run_sync(timed, limiter=self._limiter)
