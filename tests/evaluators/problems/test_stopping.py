import math

import pytest

import trialogue as tl
from trialogue.evaluators.errors import InvalidMeasurement, InvalidProblem
from trialogue.evaluators.problems.stopping import StopRule
from trialogue.evaluators.programs.run import Run, Stopped


def test_a_rule_holds_from_its_step_on():
    rule = StopRule.parse("accuracy >= 0.2 from 5")
    assert rule.broken(4, {"accuracy": 0.1}) == ""
    assert rule.broken(5, {"accuracy": 0.2}) == ""
    assert rule.broken(5, {"loss": 0.1}) == ""
    assert rule.broken(5, {"accuracy": 0.1}) == "accuracy = 0.1 breaks 'accuracy >= 0.2 from 5'"
    assert rule.broken(5, {"accuracy": math.nan})


def test_the_name_of_a_constraint_stands_for_its_limits():
    rule = StopRule.parse("memory_gb from 2", (tl.Constraint("memory_gb", upper=80),))
    assert rule.limit.upper == 80
    assert rule.start == 2


@pytest.mark.parametrize("text", ["memory_gb", "from 5", "a <= b", "a <= 1 from -1", 3])
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(InvalidProblem):
        StopRule.parse(text)


def test_a_report_is_answered_by_the_rules_and_says_which():
    run = Run(stops=(StopRule.parse("memory_gb <= 80"), StopRule.parse("value <= 2")))
    assert not run.report(0, 1.0, memory_gb=70)
    assert not run.report(1, 1.0)
    assert run.report(2, 3.0)
    assert run.report(3, 1.0, memory_gb=90.5)
    assert run.stop_requested
    assert Stopped.after(run) == Stopped(3, 1.0, "value = 3 breaks 'value <= 2'")
    with pytest.raises(InvalidMeasurement, match="memory_gb"):
        run.report(4, 1.0, memory_gb="much")  # pyright: ignore[reportArgumentType]
    assert not run.unheard().report(5, 9.0)
