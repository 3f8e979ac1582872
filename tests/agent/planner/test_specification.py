"""The text that names a planner: choices are read, written back, and refused where they mean nothing."""

import pytest

from trialogue.agent.planner.by_name import planner_from
from trialogue.agent.planner.planner import Planner
from trialogue.agent.planner.specification import PlannerText, referee_of
from trialogue.prompts.histories.information_gain import information_gain
from trialogue.serving.errors import InvalidInput

TEXT = "http://127.0.0.1:1/v1#some-model;history=mig;instructions=ensemble;referee=conformal"


def test_text_and_table_say_the_same() -> None:
    read = PlannerText.read(TEXT)
    assert read == PlannerText("http://127.0.0.1:1/v1#some-model", "mig", "ensemble", "conformal")
    assert read.to_text() == TEXT
    assert PlannerText.from_table(read.to_table()) == read
    assert PlannerText.read("embedded").to_text() == "embedded"
    assert referee_of("embedded;referee=slack") == "slack"
    assert referee_of(None) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://h/v1;history=best", "must be one of usual, recent, random, mig, diverse"),
        ("http://h/v1;colour=red", "not 'colour'"),
        ("embedded;instructions=fusion", "reads numbers"),
        ("embedded;referee=judge", "must be one of trust, slack, conformal"),
    ],
)
def test_what_means_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        planner_from(text)


def test_the_choices_reach_the_planner_and_what_is_secret_stays_so() -> None:
    planner = planner_from(TEXT)
    assert isinstance(planner, Planner)
    assert planner.options.select is information_gain
    assert planner.endpoint.model == "some-model"
    elsewhere = planner_from("https://api.example.com/v1#m;history=random")
    assert isinstance(elsewhere, Planner)
    assert not elsewhere.options.stays_here
