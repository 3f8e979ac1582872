"""What is asked of a tuning's servers, and what a target serves, how it loads it, and how long it waits. Values only."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...serving.errors import InvalidInput
from ...serving.servers.server import FlagValue
from ..problems.problem import Constraint, Objective
from ..traffic.workload import Workload
from .attempt import Rungs
from .metrics import SEARCHED, goodput_limits

ROOM = 32 * 2**20
"""Bytes that a folder must have free before anything is started: logs, records, a database, two reports."""


def make_folder(folder: Path) -> None:
    """Make the folder of everything that is kept and prove that it can be written; raises InvalidInput."""
    cure = "give another `--folder`"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise InvalidInput(
            f"`--folder` must be a folder that can be made and written, got {str(folder)!r} ({error.strerror}); {cure}."
        ) from None
    if free < ROOM:
        raise InvalidInput(
            f"`--folder` must have {ROOM >> 20} MiB free, got {free / 2**20:.1f} MiB at {str(folder)!r}; free some, or {cure}."
        )


@dataclass(frozen=True)
class TargetSettings:
    """What is served and how it is loaded. ``fixed`` and ``variables`` hold for every configuration, the default too.

    ``defaults``: what the engine resolves without flags; parameters with these values are not put on the command line.
    ``start_deadline_s``: seconds until a server must have answered; enough for small models, a large one that is compiled
    needs more. ``load_deadline_s``: seconds that a load may last; None: told by the workload and by the default, see
    ``loads.py``. ``guard``: compare greedy answers with the default's (lossy knobs). ``ceilings``: values of live knobs
    at which a server is started when ``rungs.live`` is on. ``engine``: its name; ``program`` and ``model_flag``: as in
    ``ServerSpec``; ``strain``: by ordered parameter, 1 where
    larger values ask for more of the machine and -1 where for less.
    """

    model: str
    workload: Workload
    folder: Path
    fixed: Mapping[str, FlagValue] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, FlagValue] = field(default_factory=dict)
    rungs: Rungs = field(default_factory=Rungs)
    start_deadline_s: float = 240.0
    load_deadline_s: float | None = None
    goodput: Mapping[str, float] = field(default_factory=dict)
    guard: bool = False
    ceilings: Mapping[str, int] = field(default_factory=dict)
    engine: str = "vLLM"
    program: tuple[str, ...] = ("vllm", "serve")
    model_flag: str = ""
    strain: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What the caller asked for. ``knobs``: name to own choices (empty: the catalogue's); none at all: the core.
    ``start_timeout_s``: for a server to be ready, None for the usual time."""

    model: str
    workload: str
    folder: Path
    rungs: Rungs = field(default_factory=Rungs)
    fixed: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values
    variables: Mapping[str, str] = field(default_factory=dict)
    knobs: Mapping[str, list[Any]] = field(default_factory=dict)  # Any: JSON values
    lossy: bool = False
    start_timeout_s: float | None = None

    def settings(self, model: str, objective: Objective, limits: Sequence[object]) -> TargetSettings:
        """Return what is served of the model at this path or name. A searched load saturates one server, so that no other
        can be loaded in turns with it."""
        alone = objective.name in SEARCHED
        rungs = replace(self.rungs, beside=False) if alone else self.rungs
        numbers = [c for c in limits if isinstance(c, Constraint)]
        settings = TargetSettings(
            model, Workload.parse(self.workload), self.folder, self.fixed, self.variables, rungs=rungs,
            goodput=goodput_limits(numbers), guard=self.lossy,
        )  # fmt: skip
        known_s = self.start_timeout_s
        return settings if known_s is None else replace(settings, start_deadline_s=known_s)
