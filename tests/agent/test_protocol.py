"""What a study says of its seeds and data: checked, stored, and what follows for the engine."""

import pytest

import trialogue as tl
from trialogue.evaluators.programs.instances import Instance
from trialogue.serving.errors import InvalidInput

SEEDS = {"tuning": [0, 1], "test": [7]}


def test_a_protocol_comes_back_as_it_was_stored():
    said = tl.StudyProtocol(seeds=SEEDS, data={"tuning": ["a"]})
    assert tl.StudyProtocol.stored({"protocol": said.to_dict()}) == said
    assert tl.StudyProtocol.stored({}).to_dict() == {}


def test_every_data_set_meets_every_seed():
    said = tl.StudyProtocol(seeds=SEEDS, data={"tuning": ["a", "b"], "test": ["c"]})
    assert said.instances("tuning") == tuple(Instance(s, d) for d in "ab" for s in (0, 1))
    assert said.instances("test") == (Instance(7, "c"),)


def test_a_test_on_other_data_only_takes_the_tuning_seeds():
    said = tl.StudyProtocol(seeds={"tuning": [3]}, data={"tuning": ["a"], "test": ["b"]})
    assert said.instances("test") == (Instance(3, "b"),)
    assert said.tested.instances("tuning") == (Instance(3, "b"),)


def test_without_a_word_each_trial_has_its_own_seed():
    assert tl.StudyProtocol().instances("tuning") == ()
    assert not tl.StudyProtocol().has_test


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"tuning": [1], "test": [1, 2]}, "1 is in `tuning` too"),
        ({"tuning": [1, 1]}, "names something twice"),
        ({"tuning": ["1"]}, "must be a list such as"),
        ({"tuning": [True]}, "must be a list such as"),
        ({"tuning": 3}, "must be a list such as"),
        ({"train": [3]}, "must be a table of `tuning` and `test`"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_cure(table, said):
    with pytest.raises(InvalidInput, match=said):
        tl.StudyProtocol(seeds=table)


def test_on_given_seeds_nothing_is_measured_twice_unless_that_is_asked_for():
    seeded = tl.StudyProtocol(seeds=SEEDS)
    assert seeded.engine_options(None, None).replicates == "never"
    assert seeded.engine_options(tl.EngineOptions(replicates="gain"), None).replicates == "gain"
    assert seeded.engine_options(None, "random") is None
    assert tl.StudyProtocol().engine_options(None, None) is None
