"""Call an evaluator once: pass it what it takes, time it, and turn what comes back into a measurement or a failure.

An evaluator is any callable ``f(params)`` or ``f(params, run)``; suite: ``tests/contracts/evaluator.py``. Whatever
it raises fails the trial and never the study, ``sys.exit`` too; KeyboardInterrupt passes. A process that it forked and
that comes back from it ends here: two of them would write to one study.
"""

import inspect
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ...serving.errors import InvalidInput
from ..errors import EvaluationFailed, FailureKind, InvalidMeasurement
from ..problems.measurement import Measurement
from ..problems.problem import Problem
from ..spaces.base import words_of
from .energy import EnergyMeter, wants_energy
from .results import measurement_of, with_seconds
from .run import Run, Stopped

Evaluate = Callable[..., Any]
"""``f(params)`` or ``f(params, run)``, returning what ``results.measurement_of`` understands."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory|outofmemory|memoryerror|cannot allocate memory|bad_alloc|oom[- ]?kill", re.IGNORECASE
)
MAX_REASON = 2000
"""Characters of a failure's reason that are kept: it is shown to people and to a model."""


class Evaluator(Protocol):
    """What the targets of this room are: callables that raise EvaluationFailed with a reason a person understands."""

    def __call__(self, params: Mapping[str, Any], run: Run, /) -> Any:
        """Return the result of one configuration. Must end when ``run.report`` returns True; may be called from
        threads."""
        ...


def measure(
    evaluate: Evaluate, params: Mapping[str, Any], problem: Problem, run: Run
) -> Measurement | Stopped:
    """Return the measurement of ``params``, or Stopped when the evaluation was told to stop early.

    Raises EvaluationFailed for everything that goes wrong inside the evaluator. ``seconds`` is filled in.
    """
    run = replace(run, parameters=problem.space.names)  # its reports stay the same list
    meter = EnergyMeter() if wants_energy(problem) else None
    start = time.perf_counter()
    try:
        result = _called(evaluate, params, run)
    except EvaluationFailed:
        if run.stop_requested:
            return Stopped.after(run)
        raise
    except InvalidMeasurement as error:
        raise EvaluationFailed(str(error), kind="invalid") from error
    except (Exception, SystemExit) as error:  # the edge to code that is not ours: it is one failed trial
        raise EvaluationFailed(reason_of(error), kind=kind_of(error)) from error
    if run.stop_requested:
        return Stopped.after(run)
    try:
        seconds = time.perf_counter() - start
        measurement = measurement_of(result, problem) if meter is None else meter.measurement(result, problem)
        return with_seconds(measurement, seconds)
    except EvaluationFailed:
        raise
    except InvalidMeasurement as error:
        raise EvaluationFailed(str(error), kind="invalid") from error
    except Exception as error:  # an object that a result holds may raise anything when it is looked at
        raise EvaluationFailed(reason_of(error), kind="invalid") from error


def _called(evaluate: Evaluate, params: Mapping[str, Any], run: Run) -> Any:  # Any: whatever it returns
    """Return what the evaluator returns; what it left behind of its process and its output is put right."""
    process = os.getpid()
    try:
        return evaluate(dict(params), run) if takes_run(evaluate) else evaluate(dict(params))
    finally:
        if os.getpid() != process:
            os._exit(1)
        for number, name in ((1, "stdout"), (2, "stderr")):
            if getattr(getattr(sys, name), "closed", False):  # the next line of ours would end the study
                setattr(sys, name, open(number, "w", errors="replace", closefd=False))  # noqa: SIM115


def check_callable(evaluate: object) -> None:
    """Raise InvalidInput for what cannot be an evaluator, before a trial is spent on it."""
    if not callable(evaluate):
        raise InvalidInput(f"`evaluate` must be a function of the parameters, got {evaluate!r}.")
    if inspect.iscoroutinefunction(evaluate) or inspect.isasyncgenfunction(evaluate):
        raise InvalidInput(
            f"`evaluate` must return its result, got the async function {_name(evaluate)}; "
            "give `lambda params: asyncio.run(f(params))`."
        )
    if inspect.isgeneratorfunction(evaluate):
        raise InvalidInput(
            f"`evaluate` must return its result, got {_name(evaluate)}, which yields; use `return` for the last "
            "value and `run.report(step, value)` for those before."
        )
    try:
        signature = inspect.signature(evaluate)
    except (TypeError, ValueError):  # some callables written in C tell no signature
        return
    try:
        signature.bind(*({}, None)[: 1 + takes_run(evaluate)])
    except TypeError as error:
        raise InvalidInput(
            f"`evaluate` must be callable as f(params) or f(params, run), got {_name(evaluate)}{signature}: {error}; "
            "`params` is a dict of all active parameters."
        ) from None


def _name(evaluate: object) -> str:
    return str(getattr(evaluate, "__name__", type(evaluate).__name__))


def takes_run(evaluate: Evaluate) -> bool:
    """Return whether a second positional argument is meant for the run: it has no default, or is called ``run``."""
    try:
        parameters = list(inspect.signature(evaluate).parameters.values())
    except (TypeError, ValueError):  # some callables written in C tell no signature
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    return len(positional) > 1 and (
        positional[1].default is inspect.Parameter.empty or positional[1].name == "run"
    )


def kind_of(error: BaseException) -> FailureKind:
    """Return the kind of failure that an exception means."""
    if isinstance(error, MemoryError) or is_out_of_memory(f"{type(error).__name__}: {words_of(error)}"):
        return "out_of_memory"
    return "timeout" if isinstance(error, TimeoutError) else "crash"


def is_out_of_memory(text: str) -> bool:
    """Return whether an error's text says that memory ran out."""
    return _OUT_OF_MEMORY.search(text) is not None


def reason_of(error: BaseException) -> str:
    """Return an exception in words: type, message, and the line of the evaluator that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    where = f" (line {last.lineno} of {last.name})" if last else ""
    return shortened(f"{type(error).__name__}: {words_of(error)}".rstrip(": ") + where)


def shortened(text: str) -> str:
    """Return the text, or its beginning and end where it is long."""
    if len(text) <= MAX_REASON:
        return text
    return f"{text[: MAX_REASON // 4]} … {text[-3 * MAX_REASON // 4 :]}"
