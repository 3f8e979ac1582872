"""What a target serves, how it loads it, and how long it waits. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...serving.servers.server import FlagValue
from ..traffic.workload import Workload
from .attempt import Rungs


@dataclass(frozen=True)
class TargetSettings:
    """What is served and how it is loaded. ``fixed`` and ``variables`` hold for every configuration, the default too.

    ``defaults``: what vLLM resolves without flags; parameters with these values are not put on the command line.
    ``start_deadline_s``: seconds until a server must have answered; enough for small models, a large one that is compiled
    needs more. ``load_deadline_s``: seconds that a load may last; None: told by the workload and by the default, see
    ``loads.py``. ``guard``: compare greedy answers with the default's (lossy knobs). ``ceilings``: values of live knobs
    at which a server is started when ``rungs.live`` is on. ``engine``: its name; ``strain``: by ordered parameter, 1 where
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
    strain: Mapping[str, int] = field(default_factory=dict)
