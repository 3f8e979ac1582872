"""What is known by name in ordinary studies: run first, with and without a planner, and only where something is known."""

import trialogue as tl
from trialogue.agent.referee.knowledge import KNOWN


def problem(*names: str, description: str = "", default: float | None = None) -> tl.Problem:
    space = tl.SearchSpace([tl.Float(name, 1e-4, 1e3, log=True, default=default) for name in names])
    return tl.Problem("p", space, description=description)


def sources(study: tl.Study, n: int, value=lambda p: sum(p.values())) -> list[str]:
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, value(trial.params))
    return [t.source for t in study.trials]


def svm(default: float | None = None) -> tl.Problem:
    return problem("C", "gamma", description="a support vector machine", default=default)


def far_from_known(p) -> float:
    return abs(p["C"] - 1e-3) + abs(p["gamma"] - 800)


def test_a_study_without_a_planner_runs_the_usual_configurations_after_a_declared_default():
    told = sources(tl.Study(svm(default=0.5), seed=0), 6, far_from_known)
    assert told[:3] == ["default", KNOWN, KNOWN]


def test_the_usual_configuration_is_the_default_where_none_is_declared():
    told = sources(tl.Study(svm(), seed=0), 6, far_from_known)
    assert told[:2] == [KNOWN, KNOWN]
    assert "default" not in told


def test_wrong_knowledge_costs_two_trials_at_most():
    value = {"default": 0.0, KNOWN: 1.0}
    study = tl.Study(svm(default=0.5), seed=0)
    for _ in range(8):
        trial = study.ask()
        study.tell(trial, value.get(trial.source, 0.5))
    assert [t.source for t in study.trials].count(KNOWN) == 2


def test_the_engine_alone_can_be_asked_for():
    assert KNOWN not in sources(tl.Study(svm(), seed=0, strategy="surrogate"), 6)


def test_names_that_say_nothing_leave_the_study_as_it_is():
    plain = problem("x0", "x1")
    default, alone = (tl.Study(plain, seed=3, strategy=s) for s in (None, "surrogate"))
    assert sources(default, 8) == sources(alone, 8)
    assert [t.params for t in default.trials] == [t.params for t in alone.trials]


def test_a_batch_is_the_engines():
    study = tl.Study(svm(), seed=0)
    assert KNOWN not in [t.source for t in study.ask(4)]
