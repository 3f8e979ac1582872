"""What a tuning needs of an engine's servers: configurations in, metrics under load out. Knows no engine.

Implementations: ``evaluators/servers/target.py`` (vLLM), ``simulated.py``. ``tests/contracts/tunable.py`` checks what is
promised here.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from ...serving.servers.load import LoadPlan, LoadResult
from ...serving.servers.server import ServerSpec
from ..servers.attempt import Attempt, Rung
from ..servers.settings import TargetSettings

Params = Mapping[str, Any]  # Any: a choice of the space


class Tunable(Protocol):
    """Servers of one engine for one model and workload, at most one configuration running at a time. Not thread-safe.

    Whatever a server does is told in the result, never raised; leaving the target's context ends every process.
    """

    scale: Mapping[str, float]
    """The default's metrics, once known: results with a default beside are restated on this scale."""

    @property
    def settings(self) -> TargetSettings:
        """What is served and how it is loaded; ``settings.folder`` exists and is the target's own."""
        ...

    def spec(self, params: Params) -> ServerSpec:
        """Return what is served for these parameters; those at their defaults are not on its command line."""
        ...

    def measure(
        self, params: Params, *, rung: Rung = "fork", repeats: int = 1, reuse: bool = True,
        enough_s: float | None = None, label: str = "",
    ) -> Attempt:  # fmt: skip
        """Return an attempt at a configuration: a result per repeat, or the failure. ``rung``: how its server starts;
        ``reuse``: a known result may be returned; ``enough_s``: seconds after which a load may be stopped; ``label``:
        what records call it."""
        ...

    def more(self, attempt: Attempt, repeats: int = 1, *, label: str = "") -> Attempt:
        """Return the attempt with further repeats on the server that still runs; unchanged when none does."""
        ...

    def load(self, plan: LoadPlan) -> LoadResult:
        """Run another load on the server that runs now; its failure is in the result."""
        ...

    def plan_at(self, rate: float) -> LoadPlan:
        """Return the workload's load with its requests arriving at ``rate`` per second."""
        ...

    def plan_with(self, concurrency: int) -> LoadPlan:
        """Return the workload's load with so many requests at once."""
        ...

    def reuses(self, params: Params) -> bool:
        """Return whether the server that runs can measure this configuration without a start."""
        ...

    def stop_server(self) -> None:
        """End the servers that run, if any; the next measurement starts anew."""
        ...
