import time

import numpy as np
import pytest
from contracts.planner import problem, value
from contracts.strategy import play

import trialogue as tl
from trialogue.agent.contracts import Ask, Spent
from trialogue.agent.planner.planner import Planner
from trialogue.agent.referee.referee import SlackReferee
from trialogue.agent.referee.warm_start import NoWarmStart, UncheckedWarmStart
from trialogue.agent.strategies.hybrid import Rules, TrialogueStrategy
from trialogue.agent.strategies.patience import Patience
from trialogue.agent.strategies.schedule import Schedule
from trialogue.agent.strategies.simple import SurrogateStrategy
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
from trialogue.serving.scripted import behaviours as scripted, traps
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer

CLOSED = Rules(warm_start=NoWarmStart(), referee=SlackReferee(slack=-1e9))
EAGER = Rules(warm_start=UncheckedWarmStart())


def hybrid(server, seed=0, *, timeout_s=5.0, rules=None):
    planner = Planner(server.url, timeout_s=timeout_s)
    return TrialogueStrategy(problem(), seed, planner=planner, rules=rules)


@pytest.fixture(scope="module")
def alone():
    return [d.params for d in play(SurrogateStrategy(problem(), 0), 14)]


def near_optimum(rng):
    return {"x": 1 + rng.gauss(0, 0.3), "rate": 10 ** (-3 + rng.gauss(0, 0.2)), "method": "fast", "depth": 3}


@pytest.mark.parametrize(
    "behaviour",
    [
        scripted.garbage,
        traps.outside,
        traps.misnamed,
        traps.incomplete,
        pytest.param(lambda c: ScriptedReply(status=500), marks=pytest.mark.slow),
        pytest.param(lambda c: ScriptedReply(drop=True), marks=pytest.mark.slow),
        lambda c: ScriptedReply('{"proposals": [], "abstain": true}'),
        lambda c: ScriptedReply("<think>" + "hm " * 1000),
    ],
    ids=["garbage", "outside", "misnamed", "incomplete", "500", "dropped", "abstains", "thinks"],
)
def test_a_broken_model_leaves_the_trials_bit_identical(behaviour, alone):
    with ScriptedServer(behaviour) as server:
        decisions = play(hybrid(server), 6)
    assert [d.params for d in decisions] == alone[:6]
    assert {d.verdict for d in decisions} <= {"own", "fallback"}


def test_a_model_whose_proposals_are_all_rejected_leaves_the_trials_bit_identical(alone):
    with ScriptedServer(scripted.uniform) as server:
        decisions = play(hybrid(server, rules=CLOSED), 14)
    assert [d.params for d in decisions] == alone
    assert "replaced" in {d.verdict for d in decisions}
    assert all(v.reason for d in decisions for v in d.verdicts)


def test_a_slow_model_costs_twice_its_timeout_and_leaves_the_trials_bit_identical(alone):
    started = time.monotonic()
    with ScriptedServer(scripted.slow(60)) as server:
        decisions = play(hybrid(server, timeout_s=0.4), 14)
        assert len(server.requests) == 2
    assert [d.params for d in decisions] == alone
    assert time.monotonic() - started < 2 * 0.4 + 8
    assert any("did not answer" in n for d in decisions for n in d.notes)


def test_a_flaky_model_is_as_good_as_the_same_without_faults():
    expert = scripted.expert(near_optimum)
    with ScriptedServer({"m": expert}) as a, ScriptedServer({"m": scripted.Flaky(expert, faults=2)}) as b:
        assert [d.params for d in play(hybrid(a), 9)] == [d.params for d in play(hybrid(b), 9)]


def test_an_expert_is_listened_to():
    with ScriptedServer(scripted.expert(near_optimum)) as server:
        decisions = play(hybrid(server), 12)
    planned = [d for d in decisions if d.source == "planner:scripted"]
    assert planned
    assert {d.verdict for d in planned} <= {"kept", "unchecked"}
    assert all(d.hypothesis == "scripted" for d in planned)
    assert min(value(d.params) for d in decisions[:10]) < 0.2


def test_the_default_comes_before_any_call():
    with ScriptedServer(scripted.uniform) as server:
        decisions = play(hybrid(server), 1)
        assert server.requests == []
    assert decisions[0].source == "default"


def test_an_unchecked_warm_start_says_that_it_is_unchecked():
    with ScriptedServer(scripted.expert(near_optimum)) as server:
        decisions = play(hybrid(server, rules=EAGER), 3)
    assert decisions[1].verdict == "unchecked"
    assert decisions[1].source == "planner:scripted"


def begun(params):
    trials = [FinishedTrial(i, p, tl.Measurement(value(p))) for i, p in enumerate(params)]
    return History(problem()).extended(finished=trials)


def test_tokens_and_verdicts_stand_on_the_trial_that_was_decided(alone):
    with ScriptedServer(scripted.uniform) as server:
        plan = hybrid(server).plan(Ask(begun(alone[:5]), 5))
    assert plan.decisions[0].tokens == sum(c.prompt_tokens + c.completion_tokens for c in plan.calls) > 100
    assert len(plan.decisions[0].verdicts) == Rules().first
    assert plan.calls[0].prompt_hash


def test_a_used_up_budget_is_said_aloud_and_the_surrogate_goes_on(alone):
    with ScriptedServer(scripted.uniform) as server:
        ask = Ask(begun(alone[:5]), 5, spent=Spent(tokens=1_000), limits=tl.Budget(tokens=1_000))
        (decision,) = hybrid(server).plan(ask).decisions
        assert server.requests == []
    assert decision.source == "surrogate"
    assert any("1000 tokens" in n for n in decision.notes)


def test_a_batch_leaves_most_places_to_the_engine():
    with ScriptedServer(scripted.expert(near_optimum)) as server:
        strategy = hybrid(server)
        trials = [
            FinishedTrial(i, p, tl.Measurement(value(p)))
            for i, p in enumerate(problem().space.sample(np.random.default_rng(0), 6))
        ]
        decisions = strategy.plan(Ask(History(problem()).extended(finished=trials), 6, 6)).decisions
    assert len({problem().space.key(d.params) for d in decisions}) == 6
    assert sum(d.source.startswith("planner") for d in decisions) <= 2


@pytest.mark.slow
def test_twenty_five_trials_cost_less_than_twenty_five_thousand_tokens():
    with ScriptedServer(scripted.nearest_neighbour) as server:
        strategy, history, spent = hybrid(server), History(problem()), 0
        for i in range(25):
            plan = strategy.plan(Ask(history, i))
            spent += sum(c.prompt_tokens + c.completion_tokens for c in plan.calls)
            params = plan.decisions[0].params
            history = history.extended(
                finished=[FinishedTrial(i, params, tl.Measurement(value(params)), plan.decisions[0].source)]
            )
    assert spent < 25_000


def test_where_everything_fails_the_planner_is_heard_before_there_is_a_model():
    """Its words are worth most where nothing can be modelled; one failure of its own ends the benefit of the doubt."""

    def reads_failures(call):
        assert "out of memory" in call.text
        return scripted.answer([{"x": 1.0, "rate": 1e-3, "method": "plain", "depth": None}])

    drawn = problem().space.sample(np.random.default_rng(0), 4)
    broken = [FailedTrial(i, p, "out_of_memory", "CUDA out of memory") for i, p in enumerate(drawn)]
    history = History(problem()).extended(failed=broken)
    with ScriptedServer(reads_failures) as server:
        strategy = hybrid(server)
        (decision,) = strategy.plan(Ask(history, 4)).decisions
        assert (decision.source, decision.verdict) == ("planner:scripted", "unchecked")
        worse = history.extended(
            failed=[FailedTrial(4, decision.params, "out_of_memory", "CUDA out of memory", decision.source)]
        )
        (decision,) = strategy.plan(Ask(worse, 5)).decisions
        assert decision.source == "initial_design"


def test_a_stubborn_proposal_is_judged_twice_and_no_more():
    with ScriptedServer(scripted.stuck) as server:
        decisions = play(hybrid(server, rules=Rules(referee=SlackReferee(slack=-1e9), every=1)), 12)
    assert [len(d.verdicts) for d in decisions if d.verdicts] == [1, 1]


def test_a_recorded_study_replays_bit_for_bit_without_the_server(tmp_path):
    path = tmp_path / "calls.jsonl"
    with ScriptedServer({"m": scripted.nearest_neighbour}) as server:
        url = f"{server.url}#m"
        live = play(TrialogueStrategy(problem(), 0, planner=Planner(url, recording=path)), 12)
    replayed = play(TrialogueStrategy(problem(), 0, planner=Planner(url, recording=path)), 12)
    assert [d.params for d in replayed] == [d.params for d in live]
    assert {"kept", "replaced"} & {d.verdict for d in replayed}
    assert [d.tokens for d in replayed] == [d.tokens for d in live]


def thirty(strategy):
    """Return the tokens and calls that thirty trials cost."""
    history, calls = History(problem()), []
    for i in range(30):
        plan = strategy.plan(Ask(history, i))
        calls += plan.calls
        d = plan.decisions[0]
        history = history.extended(
            finished=[FinishedTrial(i, d.params, tl.Measurement(value(d.params)), d.source)]
        )
    return sum(c.prompt_tokens + c.completion_tokens for c in calls), calls


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [scripted.garbage, traps.incomplete, traps.repeats_best])
def test_useless_answers_cost_thirty_trials_less_than_fifteen_thousand_tokens(behaviour):
    with ScriptedServer(behaviour) as server:
        tokens, calls = thirty(hybrid(server))
    assert tokens < 15_000
    assert sum(c.purpose == "repair" for c in calls) <= 2


def test_a_server_that_ignores_max_tokens_is_asked_once(alone):
    with ScriptedServer(lambda c: ScriptedReply("x" * 400_000), obeys_max_tokens=False) as server:
        decisions = play(hybrid(server), 9)
        assert len(server.requests) == 1
    assert [d.params for d in decisions] == alone[:9]
    assert any("ignores max_tokens" in n for d in decisions for n in d.notes)


def test_an_echo_of_the_surrogate_leaves_its_trials_nearly_as_they_are(alone):
    with ScriptedServer(traps.echo) as server:
        decisions = play(hybrid(server), 9)
    X, _ = problem().space.encode([d.params for d in decisions])
    Y, _ = problem().space.encode(alone[:9])
    assert np.abs(X - Y).max() < 0.02


def test_small_changes_of_the_best_are_refused():
    with ScriptedServer(traps.near_best) as server:
        verdicts = [v for d in play(hybrid(server), 12) for v in d.verdicts]
    assert any("too well known" in v.reason for v in verdicts)


def test_patience_asks_a_failing_planner_less_and_less():
    patience, asked = Patience(), []
    for index in range(100):
        if patience.allows(index):
            asked.append(index)
            patience.record(index, "invalid")
    assert asked == [0, 2, 8, 26, 80]


def test_patience_ends_after_two_timeouts_in_a_row():
    patience, asked = Patience(), []
    for index in range(100):
        if patience.allows(index):
            asked.append(index)
            patience.record(index, "timeout")
    assert asked == [0, 4]


def test_one_good_answer_restores_patience():
    patience = Patience()
    patience.record(0, "timeout")
    patience.record(4, "abstained")
    assert patience.allows(5)


def test_the_schedule_asks_every_few_trials_and_a_distrusted_planner_less():
    def asked(source, values):
        schedule, history, at = Schedule(), History(problem()), []
        drawn = problem().space.sample(np.random.default_rng(0), 40)
        for i in range(40):
            ask = Ask(history, i)
            if schedule.is_due(ask, starting=False, pooled=0):
                at.append(i)
                schedule.asked(i, "ok")
            trial = FinishedTrial(i, drawn[i], tl.Measurement(values(i)), source if i % 2 else "surrogate")
            history = history.extended(finished=[trial])
        return len(at)

    assert asked("planner:m", lambda i: -float(i)) > asked("planner:m", lambda i: 1.0 * (i % 2) - 1e-3 * i)
