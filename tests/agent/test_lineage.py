"""Lineage in sources: written and read back, followed to the beginning, and empty for all other sources."""

import pytest

from trialogue.agent.lineage import ancestry, member_of, needs_checkpoint, parent_of, source_of, tunes_itself


@pytest.mark.parametrize(("member", "parent"), [(0, None), (3, 0), (12, 345)])
def test_member_and_parent_come_back(member: int, parent: int | None) -> None:
    source = source_of(member, parent)
    assert (member_of(source), parent_of(source)) == (member, parent)


@pytest.mark.parametrize("source", ["user", "planner:pbt:1:2", "surrogate", ""])
def test_other_sources_have_none(source: str) -> None:
    assert member_of(source) is None
    assert parent_of(source) is None


def test_a_training_that_tunes_itself_is_known_by_its_source() -> None:
    source = source_of(0, 4, "stn")
    assert (source, member_of(source), parent_of(source), tunes_itself(source)) == ("stn:0:4", 0, 4, True)
    assert not tunes_itself("pbt:0:4")


def test_only_a_rung_may_begin_anew_where_its_parent_left_nothing() -> None:
    assert needs_checkpoint("pbt:0:4")
    assert needs_checkpoint("stn:0:4")
    assert not needs_checkpoint("asha:0:4")
    assert not needs_checkpoint("pbt:0")


def test_ancestry_goes_back_to_the_beginning_through_other_members() -> None:
    sources = {0: "pbt:0", 1: "pbt:1", 2: "pbt:0:0", 3: "pbt:1:2", 4: "pbt:0:2"}
    assert ancestry(sources, 3) == [0, 2, 3]
    assert ancestry({5: "user"}, 5) == [5]
