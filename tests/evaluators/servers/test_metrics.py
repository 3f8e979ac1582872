"""Limits as numbers and as shares of the default's: read, merged, tightened by a margin, refused."""

import pytest

from trialogue.evaluators.errors import InvalidProblem, InvalidSpecification
from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.metrics import (
    Relative,
    check_measured,
    goodput_limits,
    limit_words,
    merged_limits,
    parse_limit,
    resolve_limits,
)


def test_a_lower_limit_may_be_a_share_of_the_defaults_and_its_margin_raises_it() -> None:
    keep = parse_limit("output_tok_s>=0.9x")
    assert keep == Relative("output_tok_s", lower=0.9)
    (made,) = resolve_limits([keep], {"output_tok_s": 100.0}, margin=0.1)
    assert (made.upper, made.lower) == (None, pytest.approx(99.0))
    (made,) = resolve_limits([Constraint("output_tok_s", lower=100.0)], {}, margin=0.1)
    assert made.lower == pytest.approx(110.0)


def test_of_several_limits_on_one_metric_the_tighter_holds() -> None:
    limits = [parse_limit(t) for t in ("tpot_p99_ms<=9", "tpot_p99_ms<=0.75x", "tpot_p99_ms<=0.8x")]
    assert merged_limits(limits) == (Constraint("tpot_p99_ms", upper=9.0), Relative("tpot_p99_ms", 0.75))
    assert resolve_limits(limits, {"tpot_p99_ms": 8.0}) == (Constraint("tpot_p99_ms", upper=6.0),)
    assert resolve_limits(limits, {"tpot_p99_ms": 80.0}) == (Constraint("tpot_p99_ms", upper=9.0),)


def test_a_pair_of_name_and_factor_is_an_upper_limit() -> None:
    assert resolve_limits([("tpot_p99_ms", 0.5)], {"tpot_p99_ms": 8.0}) == (
        Constraint("tpot_p99_ms", upper=4.0),
    )


def test_limits_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="'output_tok_s' must leave room, got at least 9 and at most 5"):
        merged_limits([Constraint("output_tok_s", upper=5.0), Constraint("output_tok_s", lower=9.0)])


@pytest.mark.parametrize("text", ["max_rate_s>=3", "tpot_p99_ms<=1.2.3x", "tpot_p99_ms<=x"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises((InvalidSpecification, InvalidProblem)):
        parse_limit(text)


def test_a_share_of_what_is_not_measured_or_zero_is_refused_in_words() -> None:
    with pytest.raises(
        InvalidSpecification, match="limit on 'output_tok_per_joule' cannot be measured here: neither"
    ):
        resolve_limits([Relative("output_tok_per_joule", lower=0.9)], {"output_tok_s": 1.0})
    with pytest.raises(InvalidSpecification, match="needs a default above 0"):
        resolve_limits([Relative("tpot_p99_ms", 0.9)], {"tpot_p99_ms": 0.0})
    with pytest.raises(InvalidSpecification, match="objective 'output_tok_per_money'"):
        check_measured("output_tok_per_money", {})


def test_limits_of_every_request_are_counted_and_not_judged_by_a_statistic() -> None:
    limits = merged_limits(map(parse_limit, ("ttft_ms<=200", "tpot_ms<=50", "e2e_p50_ms<=900")))
    assert Constraint("compliance", lower=0.99) in limits
    assert goodput_limits([c for c in limits if isinstance(c, Constraint)]) == {"ttft": 200.0, "tpot": 50.0}
    made = resolve_limits(limits, {}, margin=0.5)
    assert {c.name: (c.upper, c.lower) for c in made} == {
        "e2e_p50_ms": (450.0, None),
        "compliance": (None, pytest.approx(0.995)),
    }


def test_the_share_of_requests_is_the_callers_where_one_is_given() -> None:
    limits = merged_limits(map(parse_limit, ("ttft_ms<=200", "compliance>=0.9")))
    assert [c for c in limits if c.name == "compliance"] == [Constraint("compliance", lower=0.9)]


@pytest.mark.parametrize("text", ["ttft_ms<=0.5x", "ttft_ms>=5", "compliance>=99", "itl_ms<=5"])
def test_a_limit_of_every_request_that_cannot_be_counted_is_refused(text: str) -> None:
    with pytest.raises((InvalidSpecification, InvalidProblem), match=r"request|metric"):
        parse_limit(text)


def test_limits_are_said_on_both_sides() -> None:
    limits = [Constraint("ttft_p99_ms", upper=200.0), Constraint("output_tok_s", lower=90.0)]
    assert limit_words(limits) == "ttft_p99_ms ≤ 200, output_tok_s ≥ 90"
    assert limit_words([]) == "none"
