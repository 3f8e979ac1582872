import math
from dataclasses import replace

import numpy as np
import pytest
from contracts.planner import history, problem
from contracts.referee import RefereeContract, case

import trialogue as tl
from trialogue.agent.referee.conformal import ConformalReferee
from trialogue.agent.referee.plausibility import plausibility
from trialogue.agent.referee.referee import SlackReferee, TrustReferee
from trialogue.agent.referee.trust import Trust, is_planned, trust_in_planner
from trialogue.agent.referee.warm_start import (
    NoWarmStart,
    UncheckedWarmStart,
    WarmStartReferee,
    most_unchecked,
)
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, Proposal


@pytest.mark.parametrize(
    "referee",
    [
        SlackReferee(),
        TrustReferee(),
        ConformalReferee(),
        WarmStartReferee(),
        UncheckedWarmStart(),
        NoWarmStart(),
    ],
    ids=lambda r: type(r).__name__,
)
class TestReferees(RefereeContract):
    pass


def test_the_slack_decides_by_the_gap():
    for slack, kept in ((1e9, True), (-1e9, False)):
        verdicts = SlackReferee(slack=slack).judge(case())
        assert {v.kept for v in verdicts} == {kept}
        assert all(v.gap > -1 for v in verdicts)
        assert all(v.prediction is not None for v in verdicts)


def test_the_slack_shrinks_with_every_trial_and_follows_trust():
    referee = TrustReferee()
    for w in (0.2, 0.5, 0.9):
        allowed = [referee.allowed(Trust(w, 3), t) for t in (4, 8, 16, 64, 256)]
        assert allowed == sorted(allowed, reverse=True)
        assert allowed[-1] * 256 <= referee.slack
    at_ten = [referee.allowed(Trust(w, 3), 10) for w in (0.1, 0.34, 0.5, 0.7, 0.95)]
    assert at_ten[:2] == [0, 0]
    assert at_ten == sorted(at_ten)


def told(values, sources, *, failed=()):
    """Return a history with these values and sources, minimized."""
    p = tl.Problem("p", tl.SearchSpace([tl.Float("x", 0, 1)]))
    trials = [
        FinishedTrial(i, {"x": (i + 0.5) / len(values)}, tl.Measurement(v), s)
        for i, (v, s) in enumerate(zip(values, sources, strict=True))
    ]
    return History(p).extended(finished=trials, failed=failed)


ME, OWN = "planner:m", "surrogate"


def test_trust_rises_with_trials_that_beat_the_surrogates_and_falls_with_those_that_do_not():
    neutral = trust_in_planner(told([1.0, 2.0], [OWN, OWN])).mean
    good = trust_in_planner(told([5.0, 4.0, 1.0], [OWN, OWN, ME])).mean
    better = trust_in_planner(told([5.0, 4.0, 1.0, -3.0], [OWN, OWN, ME, ME])).mean
    bad = trust_in_planner(told([5.0, 4.0, 9.0], [OWN, OWN, ME])).mean
    assert bad < neutral == 0.5 < good < better


def test_small_changes_of_the_best_earn_no_trust_beside_a_surrogate_that_improves():
    values = [5.0, 4.0, 3.9, 3.0, 2.95, 2.0, 1.96, 1.0]
    sources = [OWN, OWN, ME, OWN, ME, OWN, ME, OWN]
    assert trust_in_planner(told(values, sources)).mean < 0.45


def test_trust_knows_neither_scale_nor_sign_nor_offset():
    values = np.array([5.0, 4.0, 1.0, 3.0])
    sources = [OWN, OWN, ME, OWN]
    expected = trust_in_planner(told(values, sources)).mean
    for scale, shift in ((1e-9, 0.0), (1e9, -7e8), (1.0, -100.0)):
        assert trust_in_planner(told(scale * values + shift, sources)).mean == expected


def test_a_failed_trial_of_the_planner_counts_against_it_but_not_a_lost_one():
    crashed, lost = (FailedTrial(9, {"x": 0.99}, kind, "…", ME) for kind in ("out_of_memory", "lost"))
    assert trust_in_planner(told([5.0, 4.0], [OWN, OWN], failed=[crashed])).mean < 0.5
    assert trust_in_planner(told([5.0, 4.0], [OWN, OWN], failed=[lost])).mean == 0.5


def test_sources_of_planners_are_told_from_others():
    assert is_planned("planner:x")
    assert not any(map(is_planned, ("surrogate", "user", "default", "initial_design")))


def test_unchecked_trials_have_a_limit():
    assert most_unchecked(30) == 6
    assert most_unchecked(None) == 6
    assert most_unchecked(100) == 10
    values = [5.0] + [1.0] * 6
    many = told(values, [OWN] + [ME] * 6)
    assert not any(v.kept for v in UncheckedWarmStart(trials=30).judge(replace(case(), history=many)))


def test_a_planner_is_looked_at_before_it_is_trusted_and_random_points_are_not_plausible():
    referee = TrustReferee(slack=math.inf, cap=math.inf)
    given = case(n_finished=12, n=8)
    assert not any(v.kept or v.checked for v in referee.judge(given))
    assert not any(v.kept for v in referee.judge(replace(given, earlier=given.proposals)))
    drawn = problem().space.sample(np.random.default_rng(1), 200)
    looks = given.belief.assess(drawn)
    best = [Proposal(drawn[i], "planner:x") for i in np.argsort([-a.z_mean for a in looks])[:30:4]]
    random = plausibility(given.proposals, given.belief, given.history)
    assert plausibility(best, given.belief, given.history) > 0.75 > 0.6 > random
    kept = [v for v in referee.judge(replace(given, proposals=best, earlier=best)) if v.kept]
    assert kept
    assert all("plausibility" in v.reason for v in kept)


def test_repetition_does_not_make_a_planner_plausible():
    given = case(n_finished=12, n=1)
    repeated, once = (
        plausibility(p, given.belief, given.history) for p in (given.proposals * 20, given.proposals)
    )
    assert repeated == once


def test_nothing_is_kept_while_nothing_is_modelled():
    for referee in (SlackReferee(slack=math.inf), TrustReferee(), WarmStartReferee()):
        assert not any(v.kept for v in referee.judge(case(n_finished=1)))


def test_histories_of_the_suite_are_what_they_say():
    assert len(history(6).finished) == 6
    assert problem().space.names == ("x", "rate", "method", "depth")
