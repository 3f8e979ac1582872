"""Whatever is asked, told, excluded, restored and resumed, in whatever order: the study agrees with a plain model."""

from typing import Any

import pytest
from contracts.study import problem
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

import trialogue as tl
from trialogue.agent.errors import NoFeasibleTrial, ResultConflict
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study

_values = st.floats(-1e9, 1e9, allow_nan=False)


class AskTell(RuleBasedStateMachine):
    running = Bundle("running")
    ended = Bundle("ended")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.study = self.opened()
        self.model: dict[int, tuple[str, Any]] = {}
        self.excluded: set[int] = set()

    def opened(self) -> Study:
        return Study(problem(), storage=self.ledger, strategy="random")

    @rule(target=running, n=st.integers(1, 3))
    def ask(self, n: int) -> Any:
        trials = self.study.ask(n=n)
        self.model |= {t.number: ("running", None) for t in trials}
        return multiple(*(t.number for t in trials))

    @rule(target=ended, number=consumes(running), value=_values)
    def tell(self, number: int, value: float) -> int:
        self.study.tell(number, value)
        self.model[number] = ("finished", value)
        return number

    @rule(target=ended, number=consumes(running), reason=st.text(min_size=1, max_size=20))
    def fail(self, number: int, reason: str) -> int:
        self.study.tell(number, failed=reason)
        self.model[number] = ("failed", reason)
        return number

    @rule(target=ended, value=_values)
    def add(self, value: float) -> int:
        number = self.study.add({"kernel": "linear", "C": 1.0}, value).number
        self.model[number] = ("finished", value)
        return number

    @rule(number=ended, value=_values)
    def tell_again(self, number: int, value: float) -> None:
        state, known = self.model[number]
        if state == "finished":
            self.study.tell(number, known)
        if (state, known) != ("finished", value):
            with pytest.raises(ResultConflict):
                self.study.tell(number, value)

    @rule(number=ended)
    def exclude(self, number: int) -> None:
        self.study.exclude(number, reason="bad")
        self.excluded.add(number)

    @rule(number=ended)
    def restore(self, number: int) -> None:
        self.study.restore(number)
        self.excluded.discard(number)

    @rule()
    def resume(self) -> None:
        self.study = self.opened()

    @invariant()
    def agrees(self) -> None:
        trials = self.study.trials
        assert [t.number for t in trials] == list(range(len(self.model)))
        assert {t.number: t.state for t in trials} == {n: state for n, (state, _) in self.model.items()}
        assert {t.number for t in trials if t.excluded} == self.excluded
        counted = {
            n: v for n, (state, v) in self.model.items() if state == "finished" and n not in self.excluded
        }
        history = self.study.refresh()
        assert {t.number: t.measurement.value for t in history.finished} == counted
        assert {t.number for t in history.running} == {
            n for n, (s, _) in self.model.items() if s == "running"
        }
        assert len(history.rows("finished").X) == len(counted)
        known = [t for t in trials if t.excluded is None]
        assert history.taken == {history.problem.space.key(t.params) for t in known}
        if counted:
            assert self.study.best_trial.value == max(counted.values())
        else:
            with pytest.raises(NoFeasibleTrial):
                _ = self.study.best_trial


AskTell.TestCase.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAskTell = pytest.mark.slow(AskTell.TestCase)


def test_the_public_study_is_this_one() -> None:
    assert tl.Study is Study
