"""What every engine's target must do for a tuning: subclass, give ``target`` and ``changed``, and its tests run."""

import pytest

from trialogue.evaluators.engines.contract import Params, Tunable


class TunableContract:
    """Give ``target``, whose default configuration runs, and ``changed``, another configuration that runs."""

    @pytest.fixture
    def target(self) -> Tunable:
        raise NotImplementedError

    @pytest.fixture
    def changed(self) -> Params:
        raise NotImplementedError

    def test_what_is_at_its_default_is_not_on_the_command_line(
        self, target: Tunable, changed: Params
    ) -> None:
        assert target.spec({}).flags == target.settings.fixed
        assert target.spec(changed).flags != target.spec({}).flags

    def test_a_result_per_repeat_has_what_every_tuning_reads(self, target: Tunable) -> None:
        attempt = target.measure({}, repeats=2)
        assert attempt.failure is None
        assert len(attempt.results) == 2
        for result in attempt.results:
            assert result.ok
            assert result.metrics["duration_s"] > 0
            assert result.metrics["output_tok_s"] > 0
            assert result.metrics["requests_s"] > 0
        assert attempt.seconds >= 0
        assert attempt.mean()["output_tok_s"] > 0

    def test_further_repeats_are_added_while_its_server_runs(self, target: Tunable) -> None:
        attempt = target.measure({})
        assert len(target.more(attempt).results) == 2
        target.stop_server()
        assert target.more(attempt) == attempt

    def test_only_the_configuration_that_runs_is_reused(self, target: Tunable, changed: Params) -> None:
        assert not target.reuses({})
        target.measure({})
        assert target.reuses({})
        assert not target.reuses(changed)
        target.stop_server()
        assert not target.reuses({})

    def test_other_loads_run_on_the_server_that_runs(self, target: Tunable) -> None:
        target.measure({})
        assert target.plan_at(3.0).rate == 3.0
        assert target.plan_at(3.0).concurrency is None
        assert (target.plan_with(2).rate, target.plan_with(2).concurrency) == (None, 2)
        assert target.load(target.plan_with(2)).ok
        assert target.load(target.plan_at(50.0)).ok

    def test_an_ordinary_start_measures_the_same_things(self, target: Tunable, changed: Params) -> None:
        forked, ordinary = (
            target.measure(changed, reuse=False),
            target.measure(changed, rung="ordinary", reuse=False),
        )
        assert forked.failure is None
        assert ordinary.failure is None
        assert forked.mean().keys() == ordinary.mean().keys()
