"""What a load can use of batch limits, and which choices are left."""

import json
from math import inf
from pathlib import Path

import pytest

from trialogue.evaluators.engines.useful import most_at_once, most_tokens, say_single, sufficient
from trialogue.evaluators.spaces.categorical import Categorical
from trialogue.evaluators.traffic.workload import Workload


@pytest.mark.parametrize(
    ("text", "room", "requests", "tokens"),
    [
        ("random:input=200,output=64,concurrency=4", inf, 4, 800),
        ("random:input=200,output=64,concurrency=64", 1000, 5, 1000),
        ("prefix:concurrency=8", 256, 4, 4 * 1024),  # 64 tokens of its own each; 960 may be shared
        ("random:input=200,output=64,concurrency=4", 10, 1, 200),
        ("random:input=200,output=64,rate=3", 1000, inf, inf),
        ("random:input=200,output=64", 1000, inf, inf),
    ],
)
def test_more_requests_than_are_at_once_or_fit_are_never_computed_together(
    text: str, room: float, requests: float, tokens: float
) -> None:
    workload = Workload.parse(text)
    assert most_at_once(workload, room) == requests
    assert most_tokens(workload, most_at_once(workload, room)) == tokens


def test_recorded_times_and_shared_blocks_bound_nothing_they_need_not(tmp_path: Path) -> None:
    rows = [{"timestamp": 0, "input_length": 900, "output_length": 5, "hash_ids": [1, 2]}] * 3
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert most_at_once(Workload.parse(f"{tmp_path}/t.jsonl@recorded=true"), 1000) == inf
    assert most_at_once(Workload.parse(f"{tmp_path}/t.jsonl@concurrency=3"), 1000) == 3


def test_the_first_choice_that_suffices_is_the_last_that_is_kept() -> None:
    assert sufficient([None, 1, 2, 4, 8], 3) == [None, 1, 2, 4]
    assert sufficient([1, 2], 9) == [1, 2]
    assert sufficient(["auto", True, 512, 256], 10) == ["auto", True, 256]
    assert sufficient([1, 2, 4], inf) == [1, 2, 4]


def test_what_is_not_tuned_for_want_of_a_second_value_is_said_once() -> None:
    said: list[str] = []
    parameters = [Categorical("threads", [1]), Categorical("slots", [1, 2]), Categorical("devices", [1])]
    say_single(parameters, ["threads", "slots"], said.append)
    say_single(parameters, ["slots"], said.append)
    assert said == ["left out, because one value suits this machine and load: threads=1"]
