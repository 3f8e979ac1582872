"""Any program as a target: parameters in, a result out, and nothing of it left running.

Parameters reach it as ``{name}`` in its arguments or environment, as JSON in ``TRIALOGUE_PARAMS``, and in the JSON
file that ``TRIALOGUE_PARAMS_FILE`` (or ``{params_file}``) names. Its result is the last number or object of its
output (see ``output.py`` and ``results.py``), or the content of ``result_file``. A line ``{"step": 3, "value":
0.5}`` reports an intermediate value; when the pruner says stop, the program is ended. Exit status 0 is success; 75
(EX_TEMPFAIL) is a fault of the machine, not of the parameters.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import EvaluationFailed, FailureKind, InvalidMeasurement, InvalidSpecification
from ..spaces.base import shown
from ..spaces.space import SearchSpace
from .call import is_out_of_memory, shortened
from .guard import NOT_STARTED
from .output import Output, is_report, value_of
from .placeholders import (
    as_text,
    check_all_placed,
    check_placeholders,
    filled,
    filled_arguments,
    left_out,
    placeholders,
)
from .processes import Finished, last_lines, run_program, signal_name
from .run import Run

EXTRAS = (
    "params_file",
    "result_file",
    "workdir",
    "seed",
    "fidelity",
    "python",
    "checkpoint",
    "data",
    "group",
    "samples",
)
"""Placeholders beside the parameters, which come first where a name is both."""
_WHOLE = frozenset({"params_file", "workdir"})
"""Extras by which a program reaches all parameters: the file, and the folder in which it lies."""
_TEMPORARY_FAILURE = 75


@dataclass(frozen=True)
class Command:
    """A program to run once per trial; a callable for ``Study.run``.

    ``command``: program and arguments, no shell. ``env``: added to the environment, with placeholders. ``cwd``:
    where it runs (default: the current folder). ``result_file``: read instead of the output, relative to the run's
    workdir. ``timeout_s``: seconds after which it is ended. Raises InvalidSpecification when the program does not
    exist.
    """

    command: Sequence[str]
    timeout_s: float | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    result_file: str | None = None
    cwd: Path | str = "."

    def __post_init__(self) -> None:
        words = self.command
        is_list = isinstance(words, Sequence) and not isinstance(words, str) and len(words) > 0
        if not is_list or not all(isinstance(w, str) and w and "\0" not in w for w in words):
            raise InvalidSpecification(
                f"`command` must be a list of words, as ['python', 'train.py', '--c', '{{C}}'], got {words!r}."
            )
        object.__setattr__(self, "command", tuple(words))
        if not isinstance(self.env, Mapping):
            raise InvalidSpecification(f"`env` must map names to text, got {self.env!r}.")
        object.__setattr__(self, "env", {str(k): as_text(v) for k, v in self.env.items()})
        number = isinstance(self.timeout_s, int | float) and not isinstance(self.timeout_s, bool)
        if self.timeout_s is not None and not (number and self.timeout_s > 0):
            raise InvalidSpecification(
                f"`timeout_s` must be a positive number of seconds, got {self.timeout_s!r}."
            )
        if not Path(self.cwd).is_dir():
            raise InvalidSpecification(f"`cwd` must be a folder, got {str(self.cwd)!r}.")
        self._check_program()

    def check(self, space: SearchSpace) -> None:
        """Raise InvalidSpecification for a placeholder that neither the space nor the run fills, and for a parameter
        that has none while others have one."""
        check_placeholders(self._texts, [*space.names, *EXTRAS])
        check_all_placed(self._texts, space.names, _WHOLE - set(space.names))

    def __call__(self, params: Mapping[str, Any], run: Run) -> Any:
        """Return the program's result. Raises EvaluationFailed with the last lines of its errors as the reason."""
        workdir = run.workdir.resolve()
        params_file, stderr = workdir / "params.json", workdir / "stderr.txt"
        params_file.write_text(json.dumps(dict(params)))
        if run.parameters:
            check_placeholders(self._texts, [*run.parameters, *EXTRAS])
        extras = self._extras(workdir, params_file, run)
        values = {**{n: v for n, v in extras.items() if n not in run.parameters}, **params}
        self._refuse_left_out(values, run)
        reader = _Reader(run)
        finished = run_program(
            filled_arguments(self.command, values, run.parameters),
            on_line=reader.line,
            stderr=stderr,
            timeout_s=self.timeout_s,
            cwd=Path(self.cwd),
            environment=self._environment(values, params, params_file, run),
        )
        if finished.end == "stopped":
            return None  # the run knows that it was told to stop
        self._raise_failure(finished, last_lines(stderr))
        return reader.result if self.result_file is None else self._read_result(workdir / self.result_file)

    @property
    def _texts(self) -> list[str]:
        return [*self.command, *self.env.values()]

    def _refuse_left_out(self, values: Mapping[str, Any], run: Run) -> None:
        gap = left_out(self._texts, values, run.parameters)
        if gap is not None:
            raise EvaluationFailed(
                f"the command leaves out `{gap[0]}`, for {gap[1]!r} vanishes with its inactive parameters; "
                "give each parameter an argument of its own",
                kind="invalid",
            )

    def _check_program(self) -> None:
        program = self.command[0]
        if placeholders(program):
            return
        local = Path(self.cwd) / program
        executable = (
            os.access(local, os.X_OK) and local.is_file() if os.sep in program else shutil.which(program)
        )
        if not executable:
            raise InvalidSpecification(
                f"`command`: there is no program {program!r}; install it, give its path, "
                "or write {python} for the interpreter that runs this."
            )

    def _extras(self, workdir: Path, params_file: Path, run: Run) -> dict[str, Any]:
        result_file = workdir / (self.result_file or "result.json")
        extras = (
            params_file,
            result_file,
            workdir,
            run.seed,
            run.fidelity,
            sys.executable,
            run.checkpoint,
            run.data,
            run.group,
            run.samples,
        )
        return {name: value for name, value in zip(EXTRAS, extras, strict=True) if value is not None}

    def _environment(
        self, values: Mapping[str, Any], params: Mapping[str, Any], params_file: Path, run: Run
    ) -> dict[str, str]:
        texts = {name: filled(text, values, run.parameters) for name, text in self.env.items()}
        return {
            **os.environ,
            "TRIALOGUE_PARAMS": json.dumps(dict(params)),
            "TRIALOGUE_PARAMS_FILE": str(params_file),
            "TRIALOGUE_SEED": str(run.seed),
            "TRIALOGUE_DATA": run.data,
            "TRIALOGUE_GROUP": run.group,
            "TRIALOGUE_SAMPLES": str(run.samples),
            "TRIALOGUE_FIDELITY": str(run.fidelity),
            "TRIALOGUE_SELF_TUNING": str(int(run.self_tuning)),
            **{name: text for name, text in texts.items() if text is not None},
        }

    def _raise_failure(self, finished: Finished, errors: str) -> None:
        """Raise what went wrong, if the program did not end well."""
        if finished.end == "timeout":
            raise EvaluationFailed(_reason(f"no result within {self.timeout_s:g} s", errors), kind="timeout")
        if finished.code == 0:
            return
        kind: FailureKind = "crash"
        ended = f"exit status {finished.code}"
        if finished.code < 0:
            ended = f"killed by {signal_name(finished.code)}"
            if signal_name(finished.code) == "SIGKILL":
                ended += " (often the kernel's answer to a lack of memory)"
        if is_out_of_memory(errors):
            kind = "out_of_memory"
        elif finished.code in (_TEMPORARY_FAILURE, NOT_STARTED):
            kind = "infrastructure"
        raise EvaluationFailed(_reason(ended, errors), kind=kind)

    def _read_result(self, path: Path) -> Any:
        try:
            text = path.read_text(encoding="utf-8-sig").strip()
            value = value_of(text)
            return json.loads(text) if value is None else value
        except FileNotFoundError:
            raise EvaluationFailed(
                f"the program ended well but wrote no {path.name}", kind="invalid"
            ) from None
        except (ValueError, OSError, RecursionError) as error:
            raise EvaluationFailed(f"{path.name} holds no JSON: {error}", kind="invalid") from None


class _Reader:
    """Reads a program's output: reports go to the run at once, the last number or object that is none is the result."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._output = Output()

    @property
    def result(self) -> Any:
        """The result. Raises EvaluationFailed when there was none."""
        result = self._output.result()
        if result is None:
            last = self._output.last_line
            report = value_of(last) if last else None
            words = f"its last line is {shortened(last)!r}" if last else "it printed nothing"
            if report is not None:
                words += ", which reports a step; print the result once more without `step`"
            raise EvaluationFailed(
                f"the program ended well but printed no result: {words}. The last line must be a number or JSON, as "
                '{"value": 0.93}',
                kind="invalid",
            )
        return result

    def line(self, text: str) -> bool:
        """Take one line; return whether the program should be ended."""
        value = self._output.add(text)
        return self._report(value) if isinstance(value, dict) and is_report(value) else False

    def _report(self, found: dict[Any, Any]) -> bool:
        try:
            others = {str(k): v for k, v in found.items() if k not in ("step", "value", "self")}
            metrics = {
                k: v for k, v in others.items() if isinstance(v, int | float) and not isinstance(v, bool)
            }
            return self._run.report(found["step"], found.get("value"), **metrics)  # pyright: ignore[reportArgumentType]  # refused there
        except InvalidMeasurement as error:
            raise EvaluationFailed(
                f'a report must be like {{"step": 3, "value": 0.5}}, got {shown(found, 200)}: {error}',
                kind="invalid",
            ) from None


def _reason(ended: str, errors: str) -> str:
    return shortened(f"{ended}: {errors}" if errors else ended)
