"""When a change is recommended, and when not."""

import math

import pytest

from trialogue.agent.tuning_verdict import decide, gain_of, pairs_needed
from trialogue.evaluators.problem import Constraint, Objective

TOKENS = Objective("output_tok_s", "maximize")
LIMIT = Constraint("tpot_p99_ms", upper=10.0)


def runs(*values: float, tpot: float = 5.0) -> list[dict[str, float]]:
    return [{"output_tok_s": v, "tpot_p99_ms": tpot} for v in values]


def test_the_interval_is_students_on_the_logarithm() -> None:
    gain = gain_of(TOKENS, [100, 100, 100], [110, 121, 133.1])
    step = math.log(1.1)
    half = 2.919986 * step / math.sqrt(3)
    assert gain.ratio == pytest.approx(1.21)
    assert (gain.low, gain.high) == pytest.approx(
        (math.exp(2 * step - half), math.exp(2 * step + half)), rel=1e-4
    )


def test_a_smaller_latency_is_a_gain() -> None:
    assert gain_of(Objective("ttft_p99_ms", "minimize"), [200.0], [100.0]).ratio == pytest.approx(2)


def test_a_clear_gain_is_recommended() -> None:
    assert decide(TOKENS, [LIMIT], runs(100, 101, 99), runs(150, 149, 152)).recommendation == "change"


def test_a_gain_inside_the_noise_is_not() -> None:
    verdict = decide(TOKENS, [LIMIT], runs(100, 80, 120), runs(104, 110, 90))
    assert verdict.recommendation == "no change"
    assert "noise" in verdict.reason


def test_a_feasible_configuration_beats_a_default_that_breaks_a_limit() -> None:
    verdict = decide(TOKENS, [LIMIT], runs(100, 100, tpot=15), runs(90, 91, tpot=8))
    assert verdict.recommendation == "change"
    assert "tpot_p99_ms" in verdict.reason


def test_a_candidate_that_breaks_a_limit_is_never_recommended() -> None:
    assert decide(TOKENS, [LIMIT], runs(100, 100), runs(200, 200, tpot=11)).recommendation == "no change"
    verdict = decide(TOKENS, [LIMIT], runs(100, 100, tpot=12), runs(200, 200, tpot=11))
    assert verdict.recommendation == "no feasible configuration"


def test_one_pair_is_never_enough_to_claim_a_gain() -> None:
    assert decide(TOKENS, [], runs(100), runs(300)).recommendation == "no change"


def test_a_noisy_machine_gets_more_pairs_and_a_clear_gain_few() -> None:
    assert pairs_needed(1.5, 0.02, 2, 3, 8) == 3
    assert pairs_needed(1.5, 0.2, 2, 3, 8) > 3
    assert pairs_needed(1.01, 0.2, 2, 3, 8) == 8
