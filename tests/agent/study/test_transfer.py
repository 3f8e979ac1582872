import pytest

import trialogue as tl
from trialogue.agent.errors import StudyNotFound
from trialogue.agent.study.transfer import (
    earlier_studies,
    enqueue_from_earlier,
    similarity,
    transfer_lines,
    transfer_seeds,
)
from trialogue.serving.errors import InvalidInput
from trialogue.serving.scripted.behaviours import uniform
from trialogue.serving.scripted.server import ScriptedServer


def problem(name="new", *, high=3.0, extra=False, direction="minimize"):
    parameters = [
        tl.Float("x", -2, high),
        tl.Float("rate", 1e-5, 1e-1, log=True),
        tl.Categorical("m", ["a", "b"]),
    ]
    if extra:
        parameters.append(tl.Int("k", 1, 9))
    return tl.Problem(name, tl.SearchSpace(parameters), objectives=[tl.Objective("loss", direction)])


def evaluate(p):
    if p["x"] > 2.9:
        raise RuntimeError("boom")
    return (p["x"] - 1) ** 2 + (p["m"] == "b") * 0.5


@pytest.fixture
def storage(tmp_path):
    url = f"sqlite:///{tmp_path / 'l.db'}"
    tl.Study(problem("old"), storage=url, seed=0, strategy="random").run(evaluate, n_trials=15)
    other = tl.Problem("other", tl.SearchSpace([tl.Float("temperature", 0, 1)]))
    tl.Study(other, storage=url, seed=0, strategy="random").run(lambda p: p["temperature"], n_trials=5)
    return url


def test_a_problem_is_most_like_itself_and_unlike_its_opposite():
    assert similarity(problem(), problem()) == pytest.approx(1)
    assert 0.6 < similarity(problem(), problem(high=5.0, extra=True)) < 1
    assert similarity(problem(), problem(direction="maximize")) == 0
    assert similarity(problem(), problem(extra=True)) == pytest.approx(
        similarity(problem(extra=True), problem())
    )


def test_the_best_of_a_similar_study_comes_first_in_a_new_one(storage):
    study = tl.Study(problem("new", high=5.0), storage=storage, seed=1)
    assert enqueue_from_earlier(study) == 3
    best = min(
        tl.Study.load("old", storage=storage).trials, key=lambda t: t.value if t.value is not None else 9e9
    )
    first = study.ask()
    assert first.source == "transfer"
    assert first.params == best.params
    assert "'old'" in first.reason
    assert enqueue_from_earlier(study) == 0


def test_seeds_are_repaired_to_the_new_space_and_distinct(storage):
    target = problem("new", high=0.5, extra=True)
    earlier = earlier_studies(tl.Study(target, storage=storage).ledger, target, without="new")
    assert [e.name for e in earlier] == ["old"]
    seeds = [params for params, _ in transfer_seeds(target, earlier, k=4)]
    for params in seeds:
        assert target.space.validate(params) == params
    assert len({target.space.key(p) for p in seeds}) == len(seeds) >= 2


def test_similar_studies_are_told_in_one_line_each(storage):
    target = problem("new")
    lines = transfer_lines(target, earlier_studies(tl.Study(target, storage=storage).ledger, target))
    assert len(lines) == 1
    assert "loss" in lines[0]


def test_an_empty_ledger_teaches_nothing():
    study = tl.Study(problem(), storage=None)
    assert enqueue_from_earlier(study) == 0


def test_a_planner_is_told_of_similar_studies_after_a_restart_too(storage):
    with ScriptedServer(uniform) as server:
        for trials in (5, 3):
            study = tl.Study(problem("new"), storage=storage, planner=tl.Planner(server.url))
            enqueue_from_earlier(study)
            before = len(server.requests)
            study.run(evaluate, n_trials=trials)
            assert len(server.requests) > before
            assert "similar study 'old'" in server.requests[-1]["messages"][1]["content"]


def test_a_study_learns_from_the_trials_that_earlier_ones_had_when_it_was_made(storage):
    def made(name):
        engine = tl.EngineOptions(transfer=("old",))
        target = problem("new", extra=True)
        return tl.Study(target, name=name, storage=storage, seed=0, strategy="surrogate", engine=engine)

    whole, interrupted = made("whole"), made("interrupted")
    whole.run(evaluate, n_trials=4)
    interrupted.run(evaluate, n_trials=3)
    best = min(t.value for t in tl.Study.load("old", storage=storage).trials if t.value is not None)
    assert whole.trial(1).source == "transfer"
    assert evaluate(whole.trial(1).params) == pytest.approx(best)
    tl.Study.load("old", storage=storage).add({"x": 1.0, "rate": 1e-3, "m": "a"}, -100.0)  # too late to count
    resumed = tl.Study.load("interrupted", storage=storage)
    assert resumed.stored.config["engine"] == {"transfer": ["old"]}
    assert resumed.ask().params == whole.trial(3).params


def test_a_study_cannot_learn_from_one_that_is_not_there_or_from_itself(storage):
    for names, error, words in (
        (["olt"], StudyNotFound, "no study 'olt'"),
        (["new"], InvalidInput, "this one"),
        ([1], InvalidInput, "names of studies"),
    ):
        with pytest.raises(error, match=words):
            tl.Study(problem("new"), storage=storage, engine=tl.EngineOptions(transfer=names))
    options = tl.EngineOptions(transfer=["old"])
    with pytest.raises(InvalidInput, match="own model"):
        tl.Study(problem("new"), storage=storage, strategy="surrogate:forest", engine=options)
    assert "new" not in tl.Study.load("old", storage=storage).ledger.names()
