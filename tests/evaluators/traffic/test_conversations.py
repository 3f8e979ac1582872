"""All turns of conversations as requests, and the order in which several conversations go on."""

import json
from pathlib import Path

import pytest

from trialogue.evaluators.traffic.conversations import abreast
from trialogue.evaluators.traffic.workload import Workload


def talk(name: str, turns: int) -> dict:
    said = [
        [{"from": "human", "value": f"{name}{i}"}, {"from": "gpt", "value": f"re {name}{i}"}]
        for i in range(turns)
    ]
    return {"system": "Be brief.", "conversations": [turn for pair in said for turn in pair]}


def prompts(folder: Path, *talks: dict, settings: str) -> list[str]:
    path = folder / "share.json"
    path.write_text(json.dumps(talks))
    return [r["prompt"] for r in Workload.parse(f"{path}@{settings}").rows()]


def test_every_turn_is_asked_after_what_was_said_before(tmp_path: Path) -> None:
    assert prompts(tmp_path, talk("a", 3), settings="turns=true") == [
        "Be brief.\na0",
        "Be brief.\na0\nre a0\na1",
        "Be brief.\na0\nre a0\na1\nre a1\na2",
    ]


def test_only_the_first_turn_is_asked_unless_told_otherwise(tmp_path: Path) -> None:
    assert prompts(tmp_path, talk("a", 3), talk("b", 1), settings="") == ["Be brief.\na0", "Be brief.\nb0"]


def test_conversations_alternate_as_many_at_once_as_the_concurrency(tmp_path: Path) -> None:
    talks = [talk("a", 2), talk("b", 3), talk("c", 1)]
    asked = prompts(tmp_path, *talks, settings="turns=true,concurrency=2")
    assert [text.rpartition("\n")[2] for text in asked] == ["a0", "b0", "a1", "b1", "b2", "c0"]


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_no_turn_is_lost_or_sent_before_the_one_it_follows(at_once: int) -> None:
    talks = [[{"talk": t, "turn": i} for i in range(n)] for t, n in enumerate((3, 0, 1, 4))]
    sent = [*abreast(talks, at_once)]
    assert len(sent) == 8
    for t, turns in enumerate(talks):
        assert [r for r in sent if r["talk"] == t] == turns


def test_a_conversation_ends_before_the_turn_that_is_too_long(tmp_path: Path) -> None:
    asked = prompts(tmp_path, talk("x" * 40, 4), settings="turns=true,max_input=40")
    assert len(asked) == 2
