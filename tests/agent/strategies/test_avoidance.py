import json
from dataclasses import replace

import numpy as np

import trialogue as tl
from trialogue.agent.contracts import Ask
from trialogue.agent.planner.informed import InformedPlanner
from trialogue.agent.planner.planner import Planner
from trialogue.agent.planner.rules import SoftKnowledge
from trialogue.agent.strategies.avoidance import detour
from trialogue.agent.strategies.hybrid import TrialogueStrategy
from trialogue.agent.strategies.simple import SurrogateStrategy
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
from trialogue.prompts.elicitation import read_elicited
from trialogue.serving.scripted.behaviours import uniform
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer
from trialogue.surrogates.contracts import Assessment, Prediction, Suggestion

SPACE = tl.SearchSpace([tl.Int("batch", 1, 512, log=True), tl.Float("rate", 1e-5, 1e-1, log=True)])
PROBLEM = tl.Problem("job", SPACE, objectives=[tl.Objective("throughput", "maximize")])


def said(*rules):
    answer = {"regions": [], "rules": [{"fails_if": r, "why": ""} for r in rules]}
    return SoftKnowledge(read_elicited(json.dumps(answer), SPACE))


def told(finished=(), failed=()):
    trials = [
        FinishedTrial(i, {"batch": b, "rate": 1e-3}, tl.Measurement(float(b))) for i, b in enumerate(finished)
    ]
    broken = [
        FailedTrial(50 + i, {"batch": b, "rate": 1e-3}, "out_of_memory", "OOM") for i, b in enumerate(failed)
    ]
    return History(PROBLEM).extended(finished=trials, failed=broken)


def test_a_rule_counts_only_once_it_has_come_true():
    at = {"batch": 300, "rate": 1e-3}
    rule = said("batch > 100")
    assert rule.doubt(at, told([8], [200])) == (0.0, "")
    assert rule.doubt(at, told([8], [200, 300]))[0] > 0.7
    assert rule.doubt(at, told([8, 128], [200, 300])) == (0.0, "")
    assert rule.doubt({"batch": 50, "rate": 1e-3}, told([8], [200, 300])) == (0.0, "")


def test_a_rule_that_covers_nearly_everything_says_nothing():
    assert said("batch >= 2").doubt({"batch": 300, "rate": 1e-3}, told([], [200, 300])) == (0.0, "")


def test_lost_trials_prove_no_rule():
    lost = replace(told([8]), failed=tuple(replace(t, kind="lost") for t in told(failed=[200, 300]).failed))
    assert said("batch > 100").doubt({"batch": 300, "rate": 1e-3}, lost) == (0.0, "")


class Scale:
    """An engine that always likes the largest batch that is not known to fail, and tells by how much."""

    modelled, notes = True, ()

    def condition(self, history, rng):
        self.failed = [t.params["batch"] for t in history.failed]
        return self

    def suggest(self, n, rng, *, fixed=None):
        batch = min(self.failed, default=512) - 60
        return (
            Suggestion({"batch": batch, "rate": 1e-3}, "acquisition", "", self.assess([{"batch": batch}])[0]),
        )

    def assess(self, params):
        return tuple(Assessment(p["batch"] / 100, 0.0, 1.0, Prediction((0.0,), (1.0,))) for p in params)


def test_the_engine_goes_round_what_a_true_rule_speaks_against_unless_too_much_is_lost():
    history, engine, rng = told([8], [500, 400]), Scale(), np.random.default_rng(0)
    ask = Ask(history, 3)
    (first,) = engine.condition(history, rng).suggest(1, rng)
    assert first.params["batch"] == 340
    near = detour(said("batch > 250"), engine, ask, engine, first, rng)
    assert near.params["batch"] == 220
    assert "batch > 250" in near.reason
    far = detour(said("batch > 90"), engine, ask, engine, first, rng)
    assert far is first  # 2.6 of log acquisition are more than the rule is worth


def play(strategy, n=12):
    history, params = History(PROBLEM), []
    for i in range(n):
        (d,) = strategy.plan(Ask(history, i)).decisions
        params.append(d.params)
        if d.params["batch"] > 100:
            history = history.extended(failed=[FailedTrial(i, d.params, "out_of_memory", "OOM", d.source)])
        else:
            value = tl.Measurement(d.params["batch"] - abs(np.log10(d.params["rate"]) + 3))
            history = history.extended(finished=[FinishedTrial(i, d.params, value, d.source)])
    return params


def states(rule):
    def behave(call):
        if "rules" in (call.schema or {}).get("properties", {}):
            return ScriptedReply(json.dumps({"regions": [], "rules": [{"fails_if": rule, "why": ""}]}))
        return ScriptedReply(json.dumps({"proposals": [], "abstain": True})) if rule else uniform(call)

    return behave


def test_a_wrong_rule_changes_nothing():
    alone = play(SurrogateStrategy(PROBLEM, 0))
    with ScriptedServer(states("rate > 1e-4")) as server:
        planner = InformedPlanner(Planner(server.url, timeout_s=20))
        assert play(TrialogueStrategy(PROBLEM, 0, planner=planner)) == alone
