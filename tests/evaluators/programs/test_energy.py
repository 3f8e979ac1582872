"""Energy is counted around an evaluation where the problem names it, and its absence is said."""

import pytest

import trialogue as tl
from trialogue.evaluators.errors import EvaluationFailed, InvalidMeasurement
from trialogue.evaluators.programs.call import measure
from trialogue.evaluators.programs.energy import EnergyMeter, wants_energy
from trialogue.evaluators.programs.run import Run
from trialogue.serving.servers.helpers.energy import joules

SPACE = tl.SearchSpace([tl.Float("x", 0, 1)])
TWO = tl.Problem("p", SPACE, [tl.Objective("accuracy", "maximize"), tl.Objective("energy_j")])
LIMITED = tl.Problem("p", SPACE, [tl.Objective("accuracy", "maximize")], ["energy_j <= 20"])


class Counter:
    """A device whose counter stands at 100 J of 1000 J and gains 12 J between two looks."""

    def __init__(self, start=100.0, span=1000.0):
        self.readings, self.span = [start, (start + 12) % span], span

    def __call__(self):
        return [(self.readings.pop(0), self.span)]


@pytest.mark.parametrize(
    "result", [0.9, [0.9], {"accuracy": 0.9}, tl.Measurement(0.9), tl.Measurement(0.9, 0.1, metrics={"a": 1})]
)
@pytest.mark.parametrize("problem", [TWO, LIMITED])
def test_whatever_is_returned_gets_the_joules(result, problem):
    found = EnergyMeter(Counter()).measurement(result, problem)
    assert found.values[0] == 0.9
    assert found.values[1:] + tuple(found.constraints.values()) == (12.0,)
    assert found.cost == 12.0


def test_a_counter_that_runs_over_is_corrected():
    assert EnergyMeter(Counter(start=995.0)).measurement(0.9, LIMITED).cost == 12.0


@pytest.mark.parametrize(
    "result",
    [{"accuracy": 0.9, "energy_j": 3}, {"values": [0.9, 3.0]}, [0.9, 3.0], tl.Measurement([0.9, 3.0])],
)
def test_what_the_evaluator_states_is_believed(result):
    assert EnergyMeter(list).measurement(result, TWO).values == (0.9, 3.0)


@pytest.mark.parametrize("limits", [{"energy_j": 3}, {"constraints": {"energy_j": 3}}])
def test_a_limit_that_the_evaluator_states_is_believed(limits):
    found = EnergyMeter(Counter()).measurement({"accuracy": 0.9} | limits, LIMITED)
    assert (found.constraints, found.cost) == ({"energy_j": 3.0}, None)


def test_stated_energy_that_is_no_number_is_refused_and_not_measured():
    with pytest.raises(InvalidMeasurement, match="finite"):
        EnergyMeter(Counter()).measurement({"accuracy": 0.9, "energy_j": "much"}, LIMITED)


def test_a_machine_without_counters_says_so():
    with pytest.raises(EvaluationFailed, match="no energy counter"):
        EnergyMeter(list).measurement(0.9, TWO)


def test_energy_is_measured_only_where_the_problem_names_it():
    assert wants_energy(TWO)
    assert wants_energy(LIMITED)
    assert not wants_energy(tl.Problem("p", SPACE))


def test_the_counters_of_this_machine_are_read_or_their_absence_is_told():
    if joules():
        assert measure(lambda params: 0.9, {"x": 0.5}, TWO, Run()).values[1] >= 0
    else:
        with pytest.raises(EvaluationFailed, match="no energy counter"):
            measure(lambda params: 0.9, {"x": 0.5}, TWO, Run())
