"""The memory controller against timings that can be counted by hand, and the directions that policies must push."""

from typing import Any

import numpy as np
import pytest

from trialogue.evaluators.targets.systems import dram
from trialogue.evaluators.targets.systems.dram import Controller, Trace, target, trace


def params(**changed: Any) -> dict[str, Any]:
    return target().problem.space.default() | changed


def requests(bank: list[int], row: list[int], gap: int = 100) -> Trace:
    n = len(bank)
    return Trace(np.arange(n) * gap, np.array(bank), np.array(row), np.zeros(n, bool))


def test_hit_miss_and_conflict_take_what_their_commands_take() -> None:
    miss, hit, conflict = dram.RCD + dram.CAS, dram.CAS, dram.RP + dram.RCD + dram.CAS
    latency, _ = Controller(params(), requests([0, 0, 0], [1, 1, 2])).run()
    cycles = miss + hit + conflict + 3 * dram.BURST
    assert latency == pytest.approx(cycles * dram.CYCLE_NS / 3)


def test_a_closed_page_has_neither_hits_nor_conflicts() -> None:
    latency, _ = Controller(params(page_policy="closed"), requests([0, 0, 0], [1, 1, 2])).run()
    assert latency == pytest.approx((dram.RCD + dram.CAS + dram.BURST) * dram.CYCLE_NS)


def test_hits_first_is_faster_where_rows_alternate() -> None:
    alternating = requests([0] * 40, [1, 2] * 20, gap=1)
    settings = {"buffer_size": 16, "responses": "reorder"}
    first, _ = Controller(params(scheduler="fifo", **settings), alternating).run()
    hits, _ = Controller(params(scheduler="fr-fcfs", **settings), alternating).run()
    assert hits < 0.7 * first


def test_answers_in_order_are_never_earlier() -> None:
    drawn = trace(400, np.random.default_rng(0))
    ordered, _ = Controller(params(scheduler="fr-fcfs", responses="fifo"), drawn).run()
    free, _ = Controller(params(scheduler="fr-fcfs", responses="reorder"), drawn).run()
    assert free <= ordered
