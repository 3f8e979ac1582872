"""Loads on running servers: how long one may last, two servers in turns, and how a server failed when a load did.

A server that is dead or hangs is found out here, whichever request finds it, and told as a failure in words; nothing of
what a server does is raised but by ``warm_up``. Which configuration runs, and what follows, is not known.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ...serving.servers.failures import ServerFailure
from ...serving.servers.host import HostDied
from ...serving.servers.load import LoadPlan, LoadResult, run_load
from ...serving.servers.server import RunningServer
from ..traffic.workload import Workload
from .bounds import with_bounds
from .hosts import Hosts
from .settings import TargetSettings

SHORTEST_S = 120.0
TIMES_DEFAULT = 6.0
"""How many times as long as the default a load may last: slower configurations have lost long before."""
SLOWEST_TOK_S = 10.0
"""Generated tokens per second of the slowest server that is waited for while the default's speed is not known."""
DRAIN_S = 60.0
"""What requests that arrived last may need after the others."""
USUAL_CONCURRENCY = 16
"""Requests at once where the workload does not say."""
ANSWER_S = 30.0
"""How long a server may take for two tokens before it counts as hanging; it may have requests left to drop first."""


@dataclass(frozen=True)
class Turns:
    """Results of a server and of the default beside it, or why there are none. ``cut_s``: seconds after which a load was
    stopped as of no more interest, at the speed at which the default was measured. ``beside_failed``: the failure is the
    default's."""

    results: tuple[LoadResult, ...] = ()
    beside: tuple[LoadResult, ...] = ()
    failure: ServerFailure | None = None
    cut_s: float | None = None
    beside_failed: bool = False


@dataclass(frozen=True)
class Plans:
    """What is sent. ``scale``: the default's metrics, empty while they are not known; ``longest_s``: the longest load that
    ended so far."""

    settings: TargetSettings
    scale: Mapping[str, float]
    longest_s: float | None = None

    def own(self) -> LoadPlan:
        """Return the workload's own load; its requests are written into the target's folder."""
        w = self.settings.workload
        requests = w.write(self.settings.folder / "requests.jsonl")
        return LoadPlan(
            requests,
            w.concurrency,
            w.rate,
            w.burstiness,
            w.recorded,
            w.seed,
            self.deadline_s(),
            self.settings.goodput,
        )

    def at(self, rate: float) -> LoadPlan:
        """Return the workload's load with its requests arriving at ``rate`` per second, as bursty as it says and with no
        limit on how many run at once; it ends when they should have been answered twice over."""
        plan = self.own()
        timeout_s = 2 * len(plan.requests.read_text().splitlines()) / rate + 10
        return replace(plan, rate=rate, concurrency=None, recorded=False, timeout_s=timeout_s)

    def with_concurrency(self, concurrency: int) -> LoadPlan:
        """Return the workload's load with so many of its requests at once; it may last as much longer as it is thinner."""
        plan = self.own()
        thinner = max((self.settings.workload.concurrency or USUAL_CONCURRENCY) / concurrency, 1.0)
        timeout_s = thinner * plan.timeout_s
        return replace(plan, rate=None, concurrency=concurrency, recorded=False, timeout_s=timeout_s)

    def warming(self) -> LoadPlan:
        """Return the load that is not counted: first runs are up to 45 % slower."""
        w = self.settings.workload
        path = w.warming().write(self.settings.folder / "warm-up.jsonl")
        return LoadPlan(path, w.concurrency or USUAL_CONCURRENCY, timeout_s=self.deadline_s())

    def deadline_s(self) -> float:
        """Return the seconds that a load may last before its server counts as hanging."""
        if self.settings.load_deadline_s is not None:
            return self.settings.load_deadline_s
        known_s = self.scale.get("duration_s", self.longest_s)
        return deadline_of(self.settings.workload, known_s)


class LoadClient(Protocol):
    """Sends the requests of one load and times them; definitions are those of ``serving/servers/load.py``.

    May raise HostDied; what else a server does is told in the result.
    """

    def run(self, server: RunningServer, plan: LoadPlan) -> LoadResult:
        """Run one load and return what it measured, or why it did not end."""
        ...

    def forget_prompts(self, server: RunningServer) -> None:
        """Make sure that no prompt of an earlier load helps the next one; OSError where the server does not do it."""
        ...


@dataclass(frozen=True)
class VllmClient:
    """vLLM's own benchmark client, run in a warm host."""

    hosts: Hosts

    def run(self, server: RunningServer, plan: LoadPlan) -> LoadResult:
        """Run one load by ``vllm bench serve``."""
        return run_load(self.hosts.of_load(server.host), server, plan)

    def forget_prompts(self, server: RunningServer) -> None:
        """Empty the prefix cache."""
        server.reset_prefix_cache()


@dataclass(frozen=True)
class Loads:
    """Loads by one client. ``plans``: what is sent."""

    plans: Plans
    client: LoadClient

    @property
    def settings(self) -> TargetSettings:
        """What is served and how it is loaded."""
        return self.plans.settings

    def warm_up(self, server: RunningServer) -> None:
        """Send requests that are not counted: first runs are up to 45 % slower. Raises ServerFailed."""
        plan = self.plans.warming()
        try:
            result = self.client.run(server, plan)
        except HostDied as error:
            raise server.failed(ServerFailure("killed", str(error)[:300], "load")) from error
        if not result.ok and not _answers(server):
            raise server.failed(why(server, f"while it was warmed up: {result.problem}", timed_out=True))

    def one(self, server: RunningServer, plan: LoadPlan) -> LoadResult:
        """Run one load that nothing of an earlier one helps; ``failure`` where the server does not answer any more."""
        try:
            self.client.forget_prompts(server)
            result = self.client.run(server, plan)
        except HostDied as error:
            return LoadResult(
                problem="died: the host", failure=ServerFailure("killed", str(error)[:300], "load")
            )
        except OSError as error:
            problem = f"the prefix cache could not be emptied: {error}"
            return LoadResult(problem=problem, failure=why(server, problem, timed_out=True))
        if result.ok or _answers(server):
            return with_bounds(result)
        return replace(result, failure=why(server, result.problem, timed_out=True))

    def in_turns(
        self,
        server: RunningServer,
        beside: RunningServer | None,
        repeats: int,
        *,
        turn: int = 0,
        enough_s: float | None = None,
    ) -> Turns:
        """Load a server, and the default beside it in turns, each first as often (``turn``: which one begins)."""
        plan = self.plans.own()
        own: list[LoadResult] = []
        others: list[LoadResult] = []
        for i in range(repeats):
            both = [(server, own)] + ([] if beside is None else [(beside, others)])
            for one, results_of_one in both if (i + turn) % 2 else both[::-1]:
                limit_s = self._patience(enough_s, others[len(own) :]) if one is server else math.inf
                result = self.one(one, replace(plan, timeout_s=min(limit_s, plan.timeout_s)))
                if (
                    one is server
                    and result.timed_out
                    and result.failure is None
                    and limit_s <= plan.timeout_s
                ):
                    return Turns(cut_s=enough_s)
                if result.ok:
                    results_of_one.append(result)
                elif one is server:
                    n = len(own) if beside is None else min(len(own), len(others))
                    return Turns(tuple(own[:n]), tuple(others[:n]), _failure(server, result, plan))
                else:
                    return Turns(failure=_failure(one, result, plan), beside_failed=True)
        return Turns(tuple(own), tuple(others))

    def _patience(self, enough_s: float | None, default_now: Sequence[LoadResult]) -> float:
        """Return the seconds that a load may take: no end of them where the default runs beside and its turn is still to
        come, more where it has just been slower than it was."""
        if enough_s is None or (self.settings.rungs.beside and not default_now):
            return math.inf
        if not default_now or not self.plans.scale:
            return enough_s
        return enough_s * max(1.0, default_now[-1].metrics["duration_s"] / self.plans.scale["duration_s"])


def deadline_of(workload: Workload, known_s: float | None = None) -> float:
    """Return the seconds that a load may last: twice until its last request has arrived, or ``TIMES_DEFAULT`` times what
    is known of one (``known_s``), at least ``SHORTEST_S``."""
    rows = workload.rows()
    arrived_s = 2 * len(rows) / workload.rate if workload.rate else 0.0
    if workload.recorded:
        arrived_s = max(float(row.get("at_s") or 0.0) for row in rows) + DRAIN_S
    tokens = sum(int(row["output_len"]) for row in rows)
    needed_s = tokens / SLOWEST_TOK_S if known_s is None else TIMES_DEFAULT * known_s
    return max(SHORTEST_S, arrived_s, needed_s)


def why(server: RunningServer, problem: str, *, timed_out: bool) -> ServerFailure:
    """Return how a server failed that ``problem`` was seen of, in its log's words where they say more."""
    failure = server.failure("load", timed_out=timed_out)
    if failure.kind not in ("unknown", "hang"):
        return failure
    return replace(failure, kind="dead_engine" if server.gone() else failure.kind, cause=problem[:400])


def _answers(server: RunningServer) -> bool:
    return not server.gone() and server.answers(ANSWER_S)


def _failure(server: RunningServer, result: LoadResult, plan: LoadPlan) -> ServerFailure:
    if result.failure is not None:
        return result.failure
    if result.timed_out:
        return ServerFailure(
            "hang", f"it answers, but the load did not end within {plan.timeout_s:.0f} s", "load"
        )
    return why(server, result.problem, timed_out=False)
