import math

import pytest

import trialogue as tl
from trialogue.evaluators.errors import InvalidMeasurement, InvalidProblem
from trialogue.evaluators.problems.stopping import TRACE, StopRule, read_trace, trace_of
from trialogue.evaluators.programs.run import Run, Stopped


def test_a_rule_holds_from_its_step_on():
    rule = StopRule.parse("accuracy >= 0.2 from 5")
    assert rule.broken(4, {"accuracy": 0.1}) == ""
    assert rule.broken(5, {"accuracy": 0.2}) == ""
    assert rule.broken(5, {"loss": 0.1}) == ""
    assert rule.broken(5, {"accuracy": 0.1}) == "accuracy = 0.1 breaks 'accuracy >= 0.2 from 5'"
    assert rule.broken(5, {"accuracy": math.nan})


def test_a_median_is_that_of_five_trials_at_the_same_step_in_the_direction_written():
    rule = StopRule.parse("loss <= median from 2")
    ended = [
        {"loss" + TRACE: trace_of({1: 0.0, 2: float(i), 3: 1.0} | ({4: 9.0} if i < 4 else {}))}
        for i in range(5)
    ]
    assert rule.broken(2, {"loss": 99.0}) == ""
    informed = rule.informed([*ended, {"loss": 3.0}, {"loss" + TRACE: "no trace"}])
    assert informed.medians == {1: 0.0, 2: 2.0, 3: 1.0}
    assert informed.broken(1, {"loss": 5.0}) == ""
    assert informed.broken(2, {"loss": 2.0}) == ""
    assert (
        informed.broken(2, {"loss": 2.5}) == "loss = 2.5 breaks 'loss <= median from 2', which is 2 at step 2"
    )
    assert informed.broken(2, {"loss": math.nan})
    assert informed.broken(4, {"loss": 99.0}) == ""
    better = StopRule.parse("loss >= median").informed(ended)
    assert better.broken(2, {"loss": 1.5})
    assert not better.broken(2, {"loss": 2.5})


def test_only_what_a_rule_compares_is_kept():
    run = Run(stops=(StopRule.parse("loss <= median"), StopRule.parse("gb <= 80")))
    run.report(0, 1.0, loss=0.5, gb=3)
    run.report(3, 1.0, loss=math.inf)
    assert run.traces == {"loss" + TRACE: '{"0": 0.5}'}
    assert read_trace(run.traces["loss" + TRACE]) == {0: 0.5}


def test_the_name_of_a_constraint_stands_for_its_limits():
    rule = StopRule.parse("memory_gb from 2", (tl.Constraint("memory_gb", upper=80),))
    assert rule.limit.upper == 80
    assert rule.start == 2


@pytest.mark.parametrize(
    "text",
    ["memory_gb", "from 5", "a <= b", "a <= 1 from -1", "a <= median <= b", "-1 <= a <= median", "median", 3],
)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(InvalidProblem, match="stop rule"):
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
