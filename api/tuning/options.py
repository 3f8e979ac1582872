"""What the options of the commands that tune servers say, as values: texts in, ``Wanted`` and ``TuningPlan`` out.

The texts are a person's: times, lists of choices, NAME=VALUE; a wrong one is refused in one sentence. Knows no terminal and
no engine but for the name.
"""

import errno
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...serving.errors import InvalidInput, ServingError
from ...serving.vllm.catalogue import parameter_name

Engine = Literal["vLLM", "llama.cpp", "SGLang"]
RUNGS: dict[Engine, tuple[str, ...]] = {
    "vLLM": ("preflight", "live", "fork", "eager", "beside"),
    "llama.cpp": ("beside",),
    "SGLang": (),
}
"""The shortcuts that an engine's servers have."""
FOLDERS: dict[Engine, str] = {"vLLM": "vllm", "llama.cpp": "llama", "SGLang": "sglang"}
_UNITS = {"s": 1, "m": 60, "h": 3600}
_OPEN, _CLOSED = "{[", "}]"
_WORDS: dict[str, Any] = {"True": True, "False": False, "None": None, "default": None}  # Any: plain values


@dataclass(frozen=True)
class Options:
    """The options as they were given; names and meanings are those of the commands. ``verify``: of vLLM only,
    ``draft_model``: of llama.cpp only."""

    engine: Engine
    model: str
    workload: str
    objective: Sequence[str] | None = None
    slo: Sequence[str] | None = None
    margin: float = 0.0
    budget: str = "30m"
    trials: int | None = None
    knob: Sequence[str] | None = None
    fix: Sequence[str] | None = None
    env: Sequence[str] | None = None
    lossy: bool = False
    folder: Path | None = None
    planner: str | None = None
    seed: int = 0
    rungs: str = "auto"
    start_timeout: str | None = None
    pairs: int = 3
    earlier: Path | None = None
    price_per_hour: float | None = None
    serve_rate: float | None = None
    verify: str = "ordinary"
    draft_model: str | None = None
    estimate: bool = False
    system: str | None = None
    devices: int = 1

    @property
    def own_folder(self) -> Path:
        """Where everything is kept."""
        return self.folder or Path("runs") / f"{FOLDERS[self.engine]}-{Path(self.model).name}"

    def wanted(self) -> Any:  # Any: evaluators.servers.settings.Wanted, imported on use
        """Return what is served, loaded and tuned; raises InvalidInput."""
        from ...evaluators.servers.settings import Wanted

        fixed, knobs = self.wanted_flags()
        return Wanted(
            self.model,
            self.workload,
            self.own_folder,
            _rungs(self.rungs, self.engine),
            fixed,
            _named(self.env or ()),
            knobs,
            self.lossy,
            None if self.start_timeout is None else seconds_of(self.start_timeout, "--start-timeout"),
        )

    def wanted_flags(self) -> tuple[dict[str, Any], dict[str, list[Any]]]:  # Any: plain values
        """Return the flags of every configuration, and the choices of one's own by knob; raises InvalidInput."""
        return flag_values(self.fix or ()), knob_choices(self.knob or ())

    def plan(self) -> Any:  # Any: agent.tuning_plan.TuningPlan, imported on use
        """Return how far to tune, and to what end; raises InvalidInput."""
        from ...agent.tuning.plan import TuningPlan
        from ...evaluators.servers.metrics import objective_named, parse_limit

        if self.verify not in ("ordinary", "fork"):
            raise InvalidInput(f"`--verify` must be ordinary or fork, got {self.verify!r}.")
        first, *others = (objective_named(n) for n in self.objective or ("output_tok_s",))
        return TuningPlan(
            model=self.model, objective=first, extra_objectives=tuple(others),
            limits=tuple(parse_limit(s) for s in self.slo or ()), margin=self.margin,
            budget_s=seconds_of(self.budget), trials=self.trials, seed=self.seed, planner=self.planner, pairs=self.pairs,
            verify_rung="fork" if self.verify == "fork" else "ordinary", price_per_hour=self.price_per_hour,
        )  # fmt: skip


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Tell in one sentence that a disk is full, and where to go on; raises ServingError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ServingError(
            f"`--folder` must have room for what is measured, got a full disk at {str(folder)!r}; free some, and the same "
            "command goes on from there."
        ) from error


def seconds_of(text: str, option: str = "--budget") -> float:
    """Return ``90s``, ``30m``, ``2h`` or plain seconds as seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = 0.0
    if not (value > 0 and math.isfinite(value)):
        raise InvalidInput(f"`{option}` must be a time such as 90s, 30m or 2h, got {text!r}.")
    return value


def _rungs(text: str, engine: Engine) -> Any:  # Any: evaluators.servers.attempt.Rungs, imported on use
    from ...evaluators.servers.attempt import Rungs

    names = _usual(engine) if text == "auto" else [n for n in text.split(",") if n and n != "none"]
    unknown = set(names) - set(RUNGS[engine])
    if unknown:
        raise InvalidInput(
            f"`--rungs` must be auto, none, or name some of {', '.join(RUNGS[engine])}, got {min(unknown)!r}."
        )
    return Rungs(**{n: n in names for n in RUNGS["vLLM"]})


def _usual(engine: Engine) -> list[str]:
    from ...serving.vllm.environment import find_vllm

    if engine != "vLLM":
        return [*RUNGS[engine]]
    return ["preflight", "fork", *(["beside"] if find_vllm().cpu else [])]


def knob_choices(items: Sequence[str]) -> dict[str, list[Any]]:  # Any: plain values
    """Return ``NAME`` or ``NAME=CHOICE,CHOICE`` as names and choices (empty: the catalogue's). Raises InvalidInput."""
    by_name: dict[str, list[Any]] = {}
    for item in items:
        flag, sign, text = item.partition("=")
        name = parameter_name(flag)
        if not name or name in by_name:
            wrong = "twice the same" if name else "no name"
            raise InvalidInput(
                f"`--knob` must be NAME or NAME=CHOICE,CHOICE, each name once, got {wrong}: {item!r}."
            )
        texts = split_choices(text)
        if sign and not all(texts):
            raise InvalidInput(
                f"`--knob {flag}=` must be followed by choices with commas between, got {text!r}; leave out the = for the "
                "catalogue's choices."
            )
        values = [_value(t) for t in texts] if sign else []
        by_name[name] = [v for i, v in enumerate(values) if v not in values[:i]]
    return by_name


def split_choices(text: str) -> list[str]:
    """Return the choices between the commas that stand outside of JSON's braces, brackets and quotes."""
    parts, depth, quoted, escaped = [""], 0, False, False
    for mark in text:
        if mark == "," and not depth and not quoted:
            parts.append("")
            continue
        parts[-1] += mark
        if quoted:
            quoted = escaped or mark != '"'
            escaped = mark == "\\" and not escaped
        else:
            quoted = mark == '"'
            depth = max(depth + (mark in _OPEN) - (mark in _CLOSED), 0)
    return [p.strip() for p in parts]


def flag_values(items: Sequence[str]) -> dict[str, Any]:  # Any: plain values
    """Return NAME=VALUE items as a mapping; numbers and truth values become what they say, JSON objects stay text."""
    return {parameter_name(name): _value(value) for name, value in _named(items).items()}


def _named(items: Sequence[str]) -> dict[str, str]:
    wrong = [i for i in items if not i.partition("=")[0].strip() or "=" not in i]
    if wrong:
        raise InvalidInput(f"`--fix` and `--env` take NAME=VALUE, got {wrong[0]!r}.")
    return {name.strip(): value for name, _, value in (i.partition("=") for i in items)}


def _value(text: str) -> Any:  # Any: a plain value
    """Return a text as the number, truth value, None or quoted text that it is; as it is where it is none of these."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return (
        text
        if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value))
        else value
    )
