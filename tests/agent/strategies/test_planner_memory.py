"""A study that was stopped goes on with its planner as if it had not been."""

import pytest
from contracts.planner import problem, value

import trialogue as tl
from trialogue.agent.planner.informed import InformedPlanner
from trialogue.agent.planner.planner import Planner
from trialogue.agent.strategies.hybrid import TrialogueStrategy
from trialogue.serving.scripted import behaviours as scripted
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer
from trialogue.surrogates.engine.engine import GaussianEngine


class ColdEngine:
    """The engine without its warm starts, which move a resumed study's suggestions by some 1e-7."""

    def condition(self, history, rng):
        return GaussianEngine(problem()).condition(history, rng)


def run(path, server_url, n, *, recording=None, stop_after=()):
    """Run to ``n`` trials with a new ``Study`` and planner after each number in ``stop_after``."""
    for end in (*stop_after, n):
        planner = Planner(f"{server_url}#m", recording=recording, timeout_s=5)
        strategy = TrialogueStrategy(problem(), 1, planner=planner, engine=ColdEngine())
        study = tl.Study(problem(), storage=f"sqlite:///{path}", name="s", seed=1, strategy=strategy)
        while len(study.trials) < end:
            trial = study.ask()
            study.tell(trial, value(trial.params))
    return study


def decisions(study):
    return [(t.source, t.verdict, len(t.proposals), t.tokens, t.asked) for t in study.trials]


def novice(call):
    rng = call.rng("n")
    if rng.random() < 0.3:
        return ScriptedReply('{"proposals": [], "abstain": true}')
    return scripted.nearest_neighbour(call) if rng.random() < 0.7 else scripted.uniform(call)


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [(5,), (4, 6, 9)])
def test_a_stopped_study_goes_on_as_if_it_had_not_been(tmp_path, stop_after):
    recording = tmp_path / "calls.jsonl"
    with ScriptedServer({"m": novice}) as server:
        url = server.url
        whole = run(tmp_path / "a.db", url, 14, recording=recording)
    assert any(t.proposals for t in whole.trials)
    parts = run(tmp_path / "b.db", url, 14, recording=recording, stop_after=stop_after)  # no server any more
    assert [t.params for t in parts.trials] == [t.params for t in whole.trials]
    assert decisions(parts) == decisions(whole)


def test_what_a_model_said_of_failures_outlives_the_process(tmp_path):
    def behave(call):
        if "rules" in (call.schema or {}).get("properties", {}):
            return ScriptedReply('{"regions": [], "rules": [{"fails_if": "rate > 0.01", "why": "diverges"}]}')
        return scripted.uniform(call)

    asked, proposed = [], []
    with ScriptedServer({"m": behave}) as server:
        for end in (5, 9):
            planner = InformedPlanner(Planner(f"{server.url}#m", timeout_s=20))
            strategy = TrialogueStrategy(problem(), 1, planner=planner)
            study = tl.Study(
                problem(), storage=f"sqlite:///{tmp_path / 's.db'}", name="s", seed=1, strategy=strategy
            )
            while len(study.trials) < end:
                trial = study.ask()
                study.tell(trial, value(trial.params))
            asked.append(sum("rules" in str(b["response_format"]) for b in server.requests))
            proposed.append([p for t in study.trials for p in t.proposals])
    assert asked == [1, 1]
    assert len(proposed[1]) > len(proposed[0])
    assert all(p["params"]["rate"] <= 0.01 for p in proposed[1])
