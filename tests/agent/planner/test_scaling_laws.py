import pytest
from contracts.strategy import play

import trialogue as tl
from trialogue.agent.planner.planner import Planner
from trialogue.agent.planner.scaling_laws import laws_of, power_rate, prior_lines, prior_proposals, step_law
from trialogue.agent.strategies.simple import SurrogateStrategy
from trialogue.evaluators.problems.history import History


def training(**context):
    space = tl.SearchSpace(
        [
            tl.Float("learning_rate", 1e-5, 1e-2, log=True),
            tl.Int("batch_size", 8, 4096, log=True, unit="sequences"),
            tl.Float("weight_decay", 0, 0.3),
        ]
    )
    return tl.Problem("pretraining", space, objectives=[tl.Objective("loss", "minimize")], context=context)


SAID = {"n_params": 1e9, "n_tokens": 1e11, "sequence_length": 2048}


def test_step_law_agrees_with_its_published_example():
    """One billion parameters and 100 billion tokens: about 1.6e-3 and about 1.1 million tokens (the formula by hand)."""
    rate, tokens = step_law(1e9, 1e11)
    assert rate == pytest.approx(1.79 * 10 ** (-0.713 * 9 + 0.307 * 11))
    assert rate == pytest.approx(1.62e-3, rel=0.02)
    assert tokens == pytest.approx(1.11e6, rel=0.02)


def test_larger_models_want_smaller_rates_and_more_data_larger_batches():
    assert step_law(1e10, 1e11)[0] < step_law(1e9, 1e11)[0]
    assert step_law(1e9, 1e12)[1] > step_law(1e9, 1e11)[1]


def test_the_power_scheduler_falls_with_tokens_and_is_capped():
    assert power_rate(0, 1024) == power_rate(1e6, 1024) == 0.02
    assert power_rate(1e12, 1024) < power_rate(1e11, 1024) < 0.02
    assert power_rate(1e12, 2048) == pytest.approx(2 * power_rate(1e12, 1024))


def test_the_power_schedulers_law_agrees_with_its_published_example():
    """10 trillion tokens in batches of 1,024 sequences: "the predicted optimal learning rate is 0.0011"."""
    assert power_rate(1e13, 1024) == pytest.approx(0.0011, rel=0.05)
    half = laws_of(training(**SAID, batch_sequences=1024, mup=True))[
        1
    ]  # of sequences half as long as in the paper
    assert half.values["learning_rate"] == pytest.approx(power_rate(1e11, 512))


def test_a_problem_that_says_what_it_is_gets_its_configuration():
    (proposal,) = prior_proposals(training(**SAID))
    assert proposal.params["learning_rate"] == pytest.approx(step_law(1e9, 1e11)[0], rel=1e-6)
    assert proposal.params["batch_size"] == round(step_law(1e9, 1e11)[1] / 2048)
    assert "Step Law" in prior_lines(training(**SAID))[0]


def test_both_laws_apply_under_mup():
    assert [law.name for law in laws_of(training(**SAID, batch_sequences=512, mup=True))] == [
        "step law",
        "power scheduler",
    ]


@pytest.mark.parametrize(
    "context", [{}, {"n_params": 1e9}, {"n_tokens": "many", "n_params": 1e9}, {"n_tokens": -1, "n_params": 1}]
)
def test_a_problem_that_does_not_say_gets_none(context):
    assert prior_proposals(training(**context)) == ()


def test_no_learning_rate_no_law():
    other = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]), context=SAID)
    assert laws_of(other) == ()


def test_the_law_is_run_once_right_after_the_default():
    problem = training(**SAID)
    decisions = play(SurrogateStrategy(problem, 0), 4, given=problem, measure=lambda p: p["learning_rate"])
    assert [d.source for d in decisions[:3]] == ["default", "knowledge", "initial_design"]
    assert "Step Law" in decisions[1].reason


def test_the_law_is_told_to_a_model():
    import numpy as np

    from trialogue.agent.contracts import PlanRequest

    request = PlanRequest(History(training(**SAID)), 2, "warm_start", np.random.default_rng(0))
    assert "Step Law" in Planner("http://127.0.0.1:9/v1#m").prompt(request).messages[1].content
