"""Threads that do not keep the program alive: an executor for evaluations that may be left behind.

``ThreadPoolExecutor`` joins its threads when the interpreter exits, so that Ctrl-C would wait for evaluations of an
hour. Here each job has a daemon thread of its own; programs that an evaluator started end with this process
(``evaluators/programs/guard.py``).
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads(Executor):
    """Starts every job at once; whoever submits limits how many there are. ``shutdown`` waits for nothing."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Start ``fn`` in a thread of its own."""
        future: Future[T] = Future()
        thread = threading.Thread(target=_work, args=(future, fn, args, kwargs), daemon=True, name="trial")
        thread.start()
        return future


def _work(
    future: "Future[Any]", fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:  # an executor hands whatever was raised to whoever asks for the result
        future.set_exception(error)
    else:
        future.set_result(result)
