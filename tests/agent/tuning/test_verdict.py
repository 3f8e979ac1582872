"""When a change is recommended, and when not."""

import math

import pytest

from trialogue.agent.tuning.limits import standings
from trialogue.agent.tuning.verdict import decide, gain_of, pairs_needed, spread, without_drift
from trialogue.evaluators.problems.problem import Constraint, Objective

TOKENS = Objective("output_tok_s", "maximize")
LIMIT = Constraint("tpot_p99_ms", upper=10.0)


TTFT = Constraint("ttft_p99_ms", upper=200.0)
NOISE = {"ttft_p99_ms": (0.05, 2), "tpot_p99_ms": (0.05, 2)}


def served(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    """Tokens per second and 99th percentile of the time to the first token, by pair."""
    return [{"output_tok_s": tokens, "ttft_p99_ms": ttft} for tokens, ttft in pairs]


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


def test_a_default_that_breaks_a_limit_within_its_noise_needs_a_gain_too() -> None:
    default = served((100, 150), (101, 300), (99, 151))  # 200.3 on average
    slower = decide(TOKENS, [TTFT], default, served((50, 90), (51, 310), (50, 199)))
    assert slower.recommendation == "no change"
    assert "output_tok_s gets worse" in slower.reason
    assert "the default breaks ttft_p99_ms <= 200 (200), broken only within the noise" in slower.reason
    faster = decide(TOKENS, [TTFT], default, served((150, 90), (151, 310), (149, 199)))
    assert faster.recommendation == "change"
    assert "improves by" in faster.reason
    assert "met only within the noise" in faster.reason


def test_a_default_that_clearly_breaks_a_limit_is_enough_with_three_pairs_and_with_two() -> None:
    default, candidate = served((100, 300), (90, 340), (95, 280)), served((80, 100), (75, 120), (82, 110))
    for n in (2, 3):
        verdict = decide(TOKENS, [TTFT], default[:n], candidate[:n], noise=NOISE)
        assert verdict.recommendation == "change"
        assert "the default breaks ttft_p99_ms <= 200" in verdict.reason
        assert "within the noise" not in verdict.reason


def test_the_noise_of_the_defaults_repeats_counts_where_pairs_agree_by_luck_and_where_they_are_few() -> None:
    default, candidate = served((100, 203), (100, 209)), served((80, 100), (80, 101))
    assert decide(TOKENS, [TTFT], default, candidate).recommendation == "no change"  # 2 pairs alone: t is 6.3
    noisy = {"ttft_p99_ms": (0.3, 4)}
    assert decide(TOKENS, [TTFT], default, candidate, noise=noisy).recommendation == "no change"
    quiet = {"ttft_p99_ms": (0.005, 4)}
    assert decide(TOKENS, [TTFT], default, candidate, noise=quiet).recommendation == "change"


def test_a_limit_relative_to_the_default_is_broken_by_it_whatever_the_noise() -> None:
    sides = (served((100, 150), (101, 300), (99, 151)), served((90, 70), (91, 140), (90, 71)))
    default, candidate = without_drift(["ttft_p99_ms"], sides)
    limit = Constraint("ttft_p99_ms", upper=0.75 * 151)
    noise = {"ttft_p99_ms": (0.4, 2)}
    verdict = decide(TOKENS, [limit], default, candidate, noise=noise, relative=["ttft_p99_ms"])
    assert verdict.recommendation == "change"
    assert verdict.default_broken


def test_one_pair_changes_nothing_even_where_the_default_breaks_a_limit() -> None:
    verdict = decide(TOKENS, [TTFT], served((100, 900)), served((100, 90)), noise=NOISE)
    assert verdict.recommendation == "no change"
    assert "one pair of runs decides nothing" in verdict.reason


def test_a_candidate_that_breaks_a_limit_within_the_noise_is_said_so() -> None:
    verdict = decide(TOKENS, [TTFT], served((100, 100), (100, 101)), served((200, 150), (200, 260)))
    assert verdict.recommendation == "no change"
    assert (
        "verified, the candidate breaks ttft_p99_ms <= 200 (205), broken only within the noise"
        in verdict.reason
    )


def test_a_single_run_of_unknown_noise_is_never_sure() -> None:
    (one,) = standings([TTFT], served((1, 900)), {})
    assert (one.holds, one.sure) == (False, False)


@pytest.mark.parametrize(
    ("default", "candidate", "low", "said"),
    [
        ([0, 0, 0], [3, 4, 3], math.inf, "the default reached 0, the candidate 3.33 (3 pairs)"),
        ([0, 0, 0], [0, 9, 0], 0.0, "the default reached 0, the candidate 3 (3 pairs)"),
        ([0, 0, 0], [0, 0, 0], 1.0, "×1.00, both reached 0 (90% interval 1.00 to 1.00, 3 pairs)"),
        ([0], [3], None, "the default reached 0, the candidate 3 (1 pair)"),
        ([1, 0, 2], [9, 8, 9], 7.69, "×8.67, the default reached 0"),
        ([5, 5, 5], [0, 0, 0], 0.0, "×0.00, the candidate reached 0"),
    ],
)
def test_runs_that_reach_zero_are_compared_by_differences(
    default: list[float], candidate: list[float], low: float | None, said: str
) -> None:
    gain = gain_of(TOKENS, default, candidate)
    assert str(gain).startswith(said)
    assert math.isnan(gain.low) if low is None else gain.low == pytest.approx(low, abs=0.05)


def test_a_latency_of_zero_is_the_better_one() -> None:
    gain = gain_of(Objective("itl_p50_ms", "minimize"), [3.0, 3.0], [0.0, 0.0])
    assert (gain.ratio, gain.low) == (math.inf, math.inf)
    assert str(gain) == "the candidate reached 0, the default 3 (2 pairs)"
    assert spread([0.0, 0.0]) == 0.0
