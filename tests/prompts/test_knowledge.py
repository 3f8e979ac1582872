"""What is known by name: matched by context or several names together, never by names that say nothing."""

import pytest

import trialogue as tl
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.prompts.knowledge import families, matched, notes, warm_starts

FOREST = [
    tl.Int("max_depth", 1, 15),
    tl.Float("max_features", 0.01, 0.99),
    tl.Float("min_samples_leaf", 0.01, 0.49),
    tl.Float("min_samples_split", 0.01, 0.99),
]


def problem(parameters, name: str = "p", **kwargs) -> tl.Problem:
    return tl.Problem(name, tl.SearchSpace(parameters), **kwargs)


def test_the_usual_forest_is_grown_fully():
    first = warm_starts(problem(FOREST, "random-forest"))[0].params
    assert first["max_depth"] == 15
    assert first["min_samples_leaf"] == 0.01
    assert first["min_samples_split"] == 0.01


def test_every_start_is_a_valid_configuration_of_the_space():
    p = problem(FOREST, "random-forest")
    starts = warm_starts(p)
    assert len({p.space.key(s.params) for s in starts}) == len(starts) > 1
    for start in starts:
        assert p.space.validate(start.params)


def test_names_that_say_nothing_match_nothing():
    hidden = [tl.Float(f"x{i}", 0, 1) for i in range(4)]
    assert warm_starts(problem(hidden)) == ()
    assert notes(problem(hidden)) == ""


def test_context_alone_does_not_match_hidden_names():
    hidden = [tl.Float(f"x{i}", 0, 1) for i in range(4)]
    assert warm_starts(problem(hidden, "random-forest", description="a random forest")) == ()


def test_a_lone_common_name_matches_nothing():
    assert matched(problem([tl.Float("C", 1e-3, 1e3, log=True)])) is None


def test_several_names_together_need_no_context():
    p = problem(
        [tl.Int("max_num_seqs", 8, 512, log=True), tl.Int("max_num_batched_tokens", 512, 16384, log=True)]
    )
    found = matched(p)
    assert found is not None
    assert found.family.name == "vLLM serving"


def test_an_alias_takes_the_familys_value():
    p = problem([tl.Float("lr", 1e-5, 1, log=True), tl.Int("batch_size", 8, 512), tl.Float("wd", 1e-6, 0.1, log=True)],
                description="train a pytorch model")  # fmt: skip
    assert warm_starts(p)[0].params["lr"] == pytest.approx(1e-3)


def test_conditional_parameters_are_left_out_where_inactive():
    p = problem([
        tl.Categorical("kernel", ["linear", "rbf"]),
        tl.Float("C", 1e-3, 1e3, log=True),
        tl.Float("gamma", 1e-5, 10, log=True, when={"kernel": ["rbf"]}),
    ], "svm")  # fmt: skip
    for start in warm_starts(p):
        assert p.space.validate(start.params)


def test_relations_hold_in_every_start():
    space = tl.SearchSpace([
        tl.Int("max_num_seqs", 8, 1024, log=True), tl.Int("max_num_batched_tokens", 64, 512, log=True),
    ], where=["max_num_seqs <= max_num_batched_tokens"])  # fmt: skip
    for start in warm_starts(tl.Problem("vllm", space)):
        assert space.satisfies(start.params)


def test_notes_name_the_source_and_every_known_parameter():
    text = notes(problem(FOREST, "random-forest"))
    assert "scikit-learn" in text
    assert all(p.name in text for p in FOREST)


def test_every_fact_is_complete():
    assert len(families()) >= 12
    for family in families():
        assert family.source
        assert family.context or family.signature
        for name, fact in family.parameters.items():
            assert fact.default, f"{family.name}.{name} has no default"
            assert fact.effect, f"{family.name}.{name} says nothing"
            if fact.useful:
                assert fact.useful[0] < fact.useful[1], f"{family.name}.{name}"
        for _, values in family.starts:
            assert set(values) <= set(family.parameters), family.name


def test_a_categorical_default_is_one_of_its_choices():
    p = problem([tl.Categorical("kernel", ["poly", "rbf"]), tl.Float("C", 0.1, 10)], "svc")
    chosen = warm_starts(p)[0].params["kernel"]
    assert isinstance(p.space["kernel"], Categorical)
    assert chosen == "rbf"
