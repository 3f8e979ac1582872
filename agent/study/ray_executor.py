"""Places evaluations on a Ray cluster: ``study.run(evaluate, executor=RayExecutor(num_gpus=1))``.

An ordinary ``concurrent.futures.Executor``, so that the study knows nothing of Ray. Each task asks for its own CPUs,
GPUs and custom resources, and Ray decides on which machine it runs. Ray never retries a task here: an evaluation that
died is a failed trial with a reason, and whether to try again is the study's decision. Extra: ``trialogue[ray]``.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from ...evaluators.errors import EvaluationFailed

T = TypeVar("T")


class RayExecutor(Executor):
    """Runs callables on a Ray cluster. Connects on construction; ``shutdown`` disconnects only what it connected.

    ``address``: None starts a local cluster, or joins the one this process is connected to; ``"auto"`` joins the one
    on this machine. ``num_cpus``, ``num_gpus``, ``resources``: what each task needs. ``spread``: prefer idle machines
    to a full one. A task that lost its machine raises EvaluationFailed of kind ``"infrastructure"``.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
        resources: Mapping[str, float] | None = None,
        runtime_env: Mapping[str, Any] | None = None,
        spread: bool = True,
    ) -> None:
        self._connected_here = not ray.is_initialized()
        if self._connected_here:
            ray.init(
                address=address, log_to_driver=False, include_dashboard=False, logging_level=logging.WARNING
            )
        self._options: dict[str, Any] = {
            "num_cpus": num_cpus,
            "num_gpus": num_gpus,
            "resources": dict(resources or {}),
            "max_retries": 0,
            "scheduling_strategy": "SPREAD" if spread else "DEFAULT",
        }
        if runtime_env:
            self._options["runtime_env"] = dict(runtime_env)
        self._tasks: dict[Future[Any], ray.ObjectRef[Any]] = {}
        self._closed = False

    @property
    def max_workers(self) -> int:
        """How many tasks the cluster can run at a time now; `Study.run` keeps that many under way."""
        there = ray.cluster_resources()
        needed = {
            "CPU": self._options["num_cpus"],
            "GPU": self._options["num_gpus"],
            **self._options["resources"],
        }
        fits = [there.get(name, 0.0) / amount for name, amount in needed.items() if amount > 0]
        return max(1, int(min(fits, default=1.0)))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start ``fn`` on some machine of the cluster. It and its arguments must be picklable (by cloudpickle)."""
        if self._closed:
            raise RuntimeError("`RayExecutor` was shut down; make another one.")
        reference = ray.remote(fn).options(**self._options).remote(*args, **kwargs)
        outcome: Future[T] = Future()
        outcome.set_running_or_notify_cancel()
        self._tasks[outcome] = reference
        reference.future().add_done_callback(lambda done: self._settle(outcome, done))
        return outcome

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for (or cancel) what runs, and disconnect from a cluster that this executor connected to."""
        self._closed = True
        pending = list(self._tasks.values())
        if cancel_futures:
            for reference in pending:
                ray.cancel(reference, force=True)
        if wait and pending:
            ray.wait(pending, num_returns=len(pending))
        if self._connected_here and wait:
            ray.shutdown()

    def _settle(self, outcome: Future[T], done: Future[T]) -> None:
        self._tasks.pop(outcome, None)
        error = done.exception()
        if error is None:
            outcome.set_result(done.result())
        elif isinstance(error, RayTaskError):  # the task itself raised
            outcome.set_exception(error.cause or error)
        elif isinstance(error, RayError):
            reason = f"the machine or process that evaluated this was lost ({type(error).__name__}: {error})"
            outcome.set_exception(EvaluationFailed(reason[:2000], kind="infrastructure"))
        else:
            outcome.set_exception(error)
