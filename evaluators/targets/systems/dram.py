"""A DRAM controller under a trace of requests: page policy, scheduler, buffers, refresh; latency against power.

One channel of eight banks, simulated request by request in memory cycles of 1.25 ns with DDR3-1600's timings. The trace
mixes three streams that walk along rows with random accesses, a third of them writes, in bursts.
Source: Krishnan et al. 2023, ArchGym (arXiv 2306.08888), whose DRAM environment has these parameters and whose "lottery"
of hyperparameters is the claim; timings: JEDEC DDR3-1600 11-11-11; energies are ratios of a typical data sheet's currents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Int
from ...spaces.space import SearchSpace
from ..target import Evidence, GalleryTarget, SourceClaim
from .searches import genetic, random_walk

BANKS, ROWS = 8, 64
REQUESTS = 3000
CYCLE_NS = 1.25
RCD = RP = CAS = 11
BURST, TURN, RAS = 4, 6, 28
RFC, REFI = 128, 1560
"""Cycles of one refresh, and between two that are due; the real 6240 would leave a short trace without any."""
ACTIVATE_NJ, ACCESS_NJ, REFRESH_NJ = 2.5, 1.2, 20.0
OPEN_W, CLOSED_W = 0.35, 0.18
"""Power while any row is open, and while none is."""


def target() -> GalleryTarget:
    """Return the target ``dram-controller``."""
    space = SearchSpace(
        [
            Categorical("page_policy", ["open", "open-adaptive", "closed", "closed-adaptive"], default="open",
                        description="whether a row stays open after an access"),
            Categorical("scheduler", ["fifo", "fr-fcfs", "fr-fcfs-grp"], default="fifo",
                        description="in order, hits of open rows first, or those of one direction first"),
            Categorical("buffer", ["shared", "bankwise", "read-write"], default="shared",
                        description="whose places in the request buffer are counted together"),
            Int("buffer_size", 1, 16, default=4, unit="requests", description="places per buffer"),
            Int("max_active", 1, 128, log=True, default=16, unit="requests", description="requests inside at once"),
            Categorical("responses", ["fifo", "reorder"], default="fifo", description="order of the answers"),
            Int("postponed", 0, 8, default=0, unit="refreshes", description="refreshes put off while requests wait"),
            Int("pulled_in", 0, 8, default=0, unit="refreshes", description="refreshes done ahead while none wait"),
        ]
    )  # fmt: skip
    problem = Problem(
        "dram-controller",
        space,
        [
            Objective("latency", "minimize", "ns", "mean time from a request's arrival to its answer"),
            Objective("power", "minimize", "W", "mean power of the channel"),
        ],
        description="Configure a memory controller for streams mixed with random accesses: low latency, low power.",
        context={"requests": REQUESTS, "banks": BANKS},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "systems",
        "Krishnan et al. 2023, ArchGym, arXiv 2306.08888",
        region={"scheduler": ("fr-fcfs", "fr-fcfs-grp"), "responses": ("reorder",)},
        claim=SourceClaim(
            "The hyperparameters of a search algorithm decide more than the algorithm: the best of a genetic algorithm "
            "over its grid and the best of random search differ less than the worst and the best of that grid.",
            check,
        ),
        seconds=0.1,
        low_fidelity=0.15,
    )


@dataclass(frozen=True)
class Trace:
    """Requests in order of arrival: cycle, bank, row, whether it writes; each (n,)."""

    arrival: np.ndarray
    bank: np.ndarray
    row: np.ndarray
    write: np.ndarray


def trace(n: int, rng: np.random.Generator) -> Trace:
    """Return n requests, four fifths of them along three streams that stay in a row for 16 accesses on average."""
    stream = rng.integers(0, 3, n)
    bank, row = rng.integers(0, BANKS, n), rng.integers(0, ROWS, n)
    at = {s: (int(rng.integers(BANKS)), int(rng.integers(ROWS))) for s in range(3)}
    for i in np.flatnonzero(rng.random(n) < 0.8):
        s = int(stream[i])
        if rng.random() < 1 / 16:
            at[s] = (at[s][0] + 1) % BANKS, int(rng.integers(ROWS))
        bank[i], row[i] = at[s]
    calm = rng.random(n) < 0.05
    gaps = rng.exponential(np.where(calm, 200.0, 11.0))
    return Trace(np.cumsum(gaps).astype(int), bank, row, (stream == 2) | (rng.random(n) < 0.1))


@dataclass
class Controller:
    """The state of a channel while a trace runs through it."""

    params: Mapping[str, Any]
    trace: Trace
    now: int = 0
    bus: int = 0
    direction: bool = False
    done: int = 0
    """Refreshes done; ``now // REFI`` are due."""
    energy_nj: float = 0.0
    row: list[int] = field(default_factory=lambda: [-1] * BANKS)
    ready: list[int] = field(default_factory=lambda: [0] * BANKS)
    open_cycles: int = 0

    def run(self) -> tuple[float, float]:
        """Return the mean latency in ns and the mean power in W."""
        arrival, n = self.trace.arrival.tolist(), len(self.trace.arrival)
        finished, waiting, following = [0] * n, list[int](), 0
        while following < n or waiting:
            following = self._admit(waiting, following, arrival)
            if not waiting:
                self._idle(arrival[following])
                continue
            if self.now // REFI - self.done > self.params["postponed"]:
                self._refresh()
            request = self._chosen(waiting)
            waiting.remove(request)
            finished[request] = self._serve(request, waiting)
        ends = np.array(finished)
        if self.params["responses"] == "fifo":
            ends = np.maximum.accumulate(ends)
        cycles = max(int(ends.max()), 1)
        watts = self.energy_nj / (cycles * CYCLE_NS)
        share = min(self.open_cycles / (cycles * BANKS), 1.0)
        return float(np.mean(ends - self.trace.arrival) * CYCLE_NS), watts + CLOSED_W + share * (
            OPEN_W - CLOSED_W
        )

    def _admit(self, waiting: list[int], following: int, arrival: Sequence[int]) -> int:
        """Let requests in, in order, while there is room for the next; return the next one's number."""
        while (
            following < len(arrival)
            and arrival[following] <= self.now
            and len(waiting) < self.params["max_active"]
        ):
            place = self._place(following)
            if sum(self._place(i) == place for i in waiting) >= self.params["buffer_size"]:
                break
            waiting.append(following)
            following += 1
        return following

    def _place(self, request: int) -> int:
        """Return the number of the buffer a request waits in."""
        kind = self.params["buffer"]
        return (
            0
            if kind == "shared"
            else int((self.trace.bank if kind == "bankwise" else self.trace.write)[request])
        )

    def _idle(self, until: int) -> None:
        """Wait for the next request, with refreshes ahead of time where they fit."""
        while self.done - self.now // REFI < self.params["pulled_in"] and self.now + RFC <= until:
            self._refresh()
        self.now = max(self.now, until)

    def _refresh(self) -> None:
        """Close all rows and refresh."""
        self.now = max(self.now, *self.ready) + RFC
        self.row, self.ready = [-1] * BANKS, [self.now] * BANKS
        self.energy_nj += REFRESH_NJ
        self.done += 1

    def _chosen(self, waiting: list[int]) -> int:
        """Return which waiting request is served next."""
        if self.params["scheduler"] == "fifo":
            return waiting[0]
        hits = [i for i in waiting if self.row[self.trace.bank[i]] == self.trace.row[i]]
        if self.params["scheduler"] == "fr-fcfs-grp":
            hits = [i for i in hits if self.trace.write[i] == self.direction] or hits
        return (hits or waiting)[0]

    def _serve(self, request: int, waiting: list[int]) -> int:
        """Access a bank; return the cycle in which the data are there."""
        bank, row = int(self.trace.bank[request]), int(self.trace.row[request])
        write = bool(self.trace.write[request])
        start, opened = max(self.now, self.ready[bank]), self.row[bank]
        steps = 0 if opened == row else RCD if opened < 0 else RP + RCD
        if steps:
            self.energy_nj += ACTIVATE_NJ
        data = max(start + steps + CAS, self.bus + (TURN if write != self.direction else 0))
        end = data + BURST
        self.energy_nj += ACCESS_NJ
        self.bus, self.direction, self.row[bank] = end, write, row
        self.ready[bank] = start + steps + BURST
        self.open_cycles += steps + BURST
        if self._closes(bank, row, waiting):
            self.row[bank], self.ready[bank] = -1, max(end, start + steps + RAS) + RP
        else:
            self.open_cycles += RAS
        self.now = max(self.now + 1, data - CAS)
        return end

    def _closes(self, bank: int, row: int, waiting: list[int]) -> bool:
        """Return whether the row is closed after an access."""
        policy = self.params["page_policy"]
        if not policy.endswith("adaptive"):
            return policy == "closed"
        here = [int(self.trace.row[i]) for i in waiting if self.trace.bank[i] == bank]
        return row not in here and (policy == "closed-adaptive" or bool(here))


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return mean latency and power of one trace."""
    n = max(200, round(REQUESTS * run.fidelity))
    return Measurement(Controller(params, trace(n, np.random.default_rng(run.seed))).run())


def check() -> Evidence:
    """Search for the lowest latency x power with 60 evaluations each, five seeds.

    The grid: populations from the source's range, two of its mutation rates, and 0.3, which is not one of them.
    """
    space, requests = target().problem.space, trace(400, np.random.default_rng(0))

    def product(params: Mapping[str, Any]) -> float:
        latency, power = Controller(params, requests).run()
        return latency * power

    def mean(search: Any, **settings: float) -> float:  # Any: either of the two searches
        ends = [search(space, product, 60, np.random.default_rng(s), **settings) for s in range(5)]
        return float(np.mean(ends))

    grid = [mean(genetic, population=p, mutation=m) for p in (2, 8, 32) for m in (0.001, 0.05, 0.3)]
    between, within = abs(min(grid) - mean(random_walk)), max(grid) - min(grid)
    return Evidence(
        f"genetic {min(grid):.1f} to {max(grid):.1f} ns W over 9 settings, {between:.1f} from random search at its best",
        between < within,
    )
