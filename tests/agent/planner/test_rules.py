import json

import numpy as np
import pytest

import trialogue as tl
from trialogue.agent.planner.rules import SoftKnowledge
from trialogue.agent.strategies.coverage import CoverageCurve, fitted_curve, pass_at_k, worthwhile_count
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, Proposal
from trialogue.prompts.elicitation import read_elicited, render_elicitation
from trialogue.prompts.errors import ModelAnswerInvalid
from trialogue.prompts.render import PromptOptions


def problem():
    space = tl.SearchSpace(
        [
            tl.Int("batch", 1, 512, log=True),
            tl.Int("layers", 1, 32),
            tl.Float("learning rate", 1e-5, 1e-1, log=True),
            tl.Categorical("kernel", ["linear", "rbf"]),
            tl.Float("gamma", 0, 1, when={"kernel": ["rbf"]}),
        ]
    )
    return tl.Problem("p", space, objectives=[tl.Objective("loss", "minimize")])


def said(regions=(), rules=()):
    answer = {
        "regions": [{"parameter": n, "low": a, "high": b, "confidence": c} for n, a, b, c in regions],
        "rules": [{"fails_if": t, "why": "memory"} for t in rules],
    }
    return read_elicited(json.dumps(answer), problem().space)


def at(batch, layers, rate=1e-3):
    return {"batch": batch, "layers": layers, "learning rate": rate, "kernel": "linear"}


def told(finished=(), failed=()):
    trials = [FinishedTrial(i, p, tl.Measurement(v)) for i, (p, v) in enumerate(finished)]
    bad = [FailedTrial(100 + i, p, "out_of_memory", "OOM") for i, p in enumerate(failed)]
    return History(problem()).extended(finished=trials, failed=bad)


def test_rules_are_compiled_to_predicates():
    (rule,) = said(rules=["batch * layers > 512"]).rules
    assert rule.applies(at(512, 32))
    assert not rule.applies(at(1, 2))


def test_rules_read_odd_names_choices_and_inactive_parameters():
    rules = said(
        rules=["`learning rate` > 0.01", "kernel == 'rbf' and batch > 8", "gamma > 0.5", "p2 > 0.05"]
    ).rules
    assert len(rules) == 4
    assert rules[0].applies(at(1, 1, 0.05))
    assert not rules[2].applies(at(1, 1))
    assert rules[3].applies(at(1, 1, 0.06))


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "batch ** 9",
        "unknown > 3",
        "3 > 2",
        "batch + 1",
        "kernel > 3",
        "(" * 500,
        "",
        "batch > 'x'",
    ],
)
def test_rules_that_cannot_be_used_are_left_out_and_said(text):
    elicited = said(rules=[text])
    assert elicited.rules == ()
    assert elicited.notes


def test_regions_are_clipped_to_the_space_and_empty_ones_left_out():
    elicited = said(
        regions=[("batch", 0, 1e9, 0.9), ("layers", 20, 10, 0.9), ("kernel", 0, 1, 1), ("nothing", 0, 1, 1)]
    )
    (region,) = elicited.regions
    assert region.name == "batch"
    assert region.high > 0.99
    assert region.low < 0.1
    assert len(elicited.notes) == 3


@pytest.mark.parametrize("text", ["", "no", "[1]", '{"regions": NaN}'])
def test_an_answer_that_is_no_object_is_refused(text):
    with pytest.raises(ModelAnswerInvalid):
        read_elicited(text, problem().space)


def test_a_rule_gains_and_loses_weight_by_what_happens():
    known = SoftKnowledge(said(rules=["batch > 64"]))
    (rule,) = known.elicited.rules
    prior = known.rule_weight(rule, told())
    confirmed = known.rule_weight(rule, told(failed=[at(128, 1), at(256, 2)]))
    refuted = known.rule_weight(
        rule, told(finished=[(at(128, 1), 1.0), (at(256, 2), 1.0), (at(512, 2), 1.0)])
    )
    assert refuted < 0.5 < prior < confirmed


def test_a_trusted_rule_drops_proposals_and_a_refuted_one_does_not():
    known = SoftKnowledge(said(rules=["batch > 64"]))
    proposals = [Proposal(at(256, 3), "planner:m"), Proposal(at(8, 3), "planner:m")]
    kept, notes = known.filtered(proposals, told())
    assert [p.params["batch"] for p in kept] == [8]
    assert "batch > 64" in notes[0]
    kept, _ = known.filtered(proposals, told(finished=[(at(100 + i, 1), 1.0) for i in range(5)]))
    assert len(kept) == 2


def test_a_region_gains_and_loses_weight_by_what_happens():
    known = SoftKnowledge(said(regions=[("batch", 64, 512, 1.0)]))
    (region,) = known.elicited.regions
    good = told(finished=[(at(128 + i, 1), 0.1) for i in range(4)] + [(at(1 + i, 1), 1.0) for i in range(4)])
    bad = told(finished=[(at(128 + i, 1), 1.0) for i in range(4)] + [(at(1 + i, 1), 0.1) for i in range(4)])
    assert (
        known.region_weight(region, bad)
        < 0.5
        < known.region_weight(region, told())
        < known.region_weight(region, good)
    )


def test_points_are_drawn_from_trusted_regions_only():
    known = SoftKnowledge(said(regions=[("batch", 64, 512, 1.0)], rules=["layers > 16"]))
    drawn = known.sampled(told(), 10, np.random.default_rng(0), "planner:m")
    assert len(drawn) > 3
    assert all(p.params["batch"] >= 60 and p.params["layers"] <= 16 for p in drawn)
    bad = told(finished=[(at(128 + i, 1), 1.0) for i in range(4)] + [(at(1 + i, 1), 0.1) for i in range(4)])
    assert known.sampled(bad, 10, np.random.default_rng(0), "planner:m") == ()


def test_the_prompt_names_every_parameter():
    prompt = render_elicitation(told(failed=[at(512, 32)]), np.random.default_rng(0), PromptOptions())
    text = prompt.messages[0].content
    assert all(wire in text for wire in problem().space.wire_names.values())
    assert "OOM" in text
    assert set(prompt.schema["properties"]) == {"regions", "rules"}


def test_pass_at_k_is_the_chance_of_drawing_a_good_one():
    assert pass_at_k(4, 1, 1) == 0.25
    assert pass_at_k(4, 1, 4) == 1.0
    assert pass_at_k(4, 0, 3) == 0.0
    assert pass_at_k(5, 2, 2) == pytest.approx(1 - 3 / 10)


def test_the_curve_is_recovered_from_what_it_makes():
    rng = np.random.default_rng(0)
    rounds = [(8, int(rng.binomial(8, p))) for p in rng.beta(0.5, 2, 4_000)]
    curve = fitted_curve(rounds)
    assert curve is not None
    for k in (1, 3, 8):
        assert curve.at(k) == pytest.approx(np.mean([pass_at_k(n, c, k) for n, c in rounds]), abs=0.05)


def test_more_is_asked_for_where_more_helps():
    assert worthwhile_count([(4, 1)], usual=4) == 4
    assert worthwhile_count([(4, 0)] * 5, usual=4) == 2
    assert worthwhile_count([(4, 4)] * 5, usual=4) == 2
    assert worthwhile_count([(4, 1), (4, 0), (4, 1), (4, 0), (4, 1)], usual=4) > 3
    assert CoverageCurve(-2.0, -0.5).at(4) > CoverageCurve(-2.0, -0.5).at(1)
