"""Part, pace and lengths of a record that is replayed."""

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.traffic.replay import TraceReplay
from trialogue.evaluators.traffic.workload import Workload

LINES = (
    {"timestamp": 0, "input_length": 1300, "output_length": 5, "hash_ids": [0, 1, 2]},
    {"timestamp": 1500, "input_length": 1100, "output_length": 7, "hash_ids": [0, 1, 9]},
    {"timestamp": 9000, "input_length": 40, "output_length": 3, "hash_ids": [12]},
)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A record of nine seconds in which two prompts begin with the same two blocks."""
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)))
    return path


def test_time_runs_faster_and_a_window_is_cut_out(trace: Path) -> None:
    rows = Workload.parse(f"{trace}@recorded=true,speed=3").rows()
    assert [r["at_s"] for r in rows] == [0.0, 0.5, 3.0]
    rows = Workload.parse(f"{trace}@recorded=true,start=1,span=8").rows()
    assert [(r["input_len"], r["at_s"]) for r in rows] == [(1100, 0.0)]


def test_prompts_counts_requests_of_the_window_not_of_the_file(trace: Path) -> None:
    rows = Workload.parse(f"{trace}@recorded=true,start=1,prompts=2").rows()
    assert [r["input_len"] for r in rows] == [1100, 40]


def test_scaled_requests_share_what_they_shared(trace: Path) -> None:
    rows = Workload.parse(f"{trace}@scale=0.1").rows()
    assert [(r["input_len"], r["output_len"], r["block_len"]) for r in rows] == [
        (130, 1, 51),
        (110, 1, 51),
        (4, 1, 51),
    ]
    assert [r["blocks"] for r in rows] == [[0, 1, 2], [0, 1, 9], [12]]


def test_longer_requests_are_cut_and_blocks_that_are_not_needed_left_out(trace: Path) -> None:
    workload = Workload.parse(f"{trace}@max_input=600,max_output=4")
    assert [(r["input_len"], r["output_len"], r["blocks"]) for r in workload.rows()] == [
        (600, 4, [0, 1]),
        (600, 4, [0, 1]),
        (40, 3, [12]),
    ]
    assert workload.longest == 604


def test_the_pace_makes_another_workload_and_the_words_of_it_the_same(trace: Path) -> None:
    text = f"{trace}@recorded=true"
    assert Workload.parse(text).digest == Workload.parse(f"{text},speed=1").digest
    assert Workload.parse(text).digest != Workload.parse(f"{text},speed=2").digest


@given(st.integers(1, 5000), st.integers(0, 5000), st.floats(0.001, 10), st.none() | st.integers(1, 3000))
def test_no_request_is_longer_than_it_may_be(own: int, shared: int, scale: float, most: int | None) -> None:
    row = TraceReplay(scale=scale, max_input=most).shortened(
        {"input_len": own, "output_len": 5, "prefix_len": shared}
    )
    assert row is not None
    assert row["input_len"] >= 1
    assert row["prefix_len"] >= 0
    assert most is None or row["input_len"] + row["prefix_len"] <= most


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("speed=2", "recorded=true"),
        ("recorded=true,speed=0", "`speed`"),
        ("recorded=true,span=nan", "`span`"),
        ("recorded=true,start=10", "start=10 of a record of 9 s"),
        ("scale=-1", "`scale`"),
        ("max_input=0", "`max_input`"),
        ("block=0", "`block`"),
        ("turns=maybe", "`turns`"),
        ("tempo=2", "'tempo'.*speed"),
    ],
)
def test_a_replay_that_cannot_be_is_refused_with_a_cure(settings: str, told: str, trace: Path) -> None:
    with pytest.raises(InvalidSpecification, match=told):
        Workload.parse(f"{trace}@{settings}")


def test_a_replay_is_of_a_file() -> None:
    with pytest.raises(InvalidSpecification, match="'speed'"):
        Workload.parse("chat:speed=2")


def test_the_warm_up_does_not_wait_for_recorded_times(trace: Path) -> None:
    workload = Workload.parse(f"{trace}@recorded=true,speed=2,start=1,warm_up=2")
    assert [r["input_len"] for r in workload.warming().rows()] == [1300, 1100]
    assert json.dumps(workload.rows()) != json.dumps(workload.warming().rows())
