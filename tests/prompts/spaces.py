"""Spaces and problems that prompts are tested on, and a strategy for nasty ones."""

from hypothesis import strategies as st

import trialogue as tl
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History, RunningTrial


def svm() -> tl.Problem:
    space = tl.SearchSpace(
        [
            tl.Categorical("kernel", ["linear", "rbf"], description="SVM kernel"),
            tl.Float("C", 1e-3, 1e3, log=True, default=1.0, description="inverse regularisation strength"),
            tl.Float("gamma", 1e-5, 1e1, log=True, when={"kernel": ["rbf"]}),
            tl.Int("max_iter", 100, 10_000, log=True, unit="iterations"),
        ]
    )
    return tl.Problem(
        "svm-digits",
        space,
        objectives=[tl.Objective("accuracy", "maximize"), tl.Objective("size", "minimize", unit="kB")],
        constraints=[tl.Constraint("fit_s", upper=2.0, unit="s")],
        description="RBF or linear SVM on the digits images",
        context={"n_samples": 1797, "classes": 10},
    )


def svm_history() -> History:
    problem = svm()
    finished = [
        ({"kernel": "linear", "C": 1.0, "max_iter": 1000}, (0.912345, 120.0), 0.5),
        ({"kernel": "rbf", "C": 12.3456, "gamma": 1.23456e-3, "max_iter": 500}, (0.98, 300.0), 1.5),
        ({"kernel": "rbf", "C": 500.0, "gamma": 1.0, "max_iter": 100}, (0.4, 310.0), 2.5),
    ]
    trials = [
        FinishedTrial(i, p, tl.Measurement(v, constraints={"fit_s": s}))
        for i, (p, v, s) in enumerate(finished)
    ]
    failed = FailedTrial(
        3,
        {"kernel": "linear", "C": 900.0, "max_iter": 10_000},
        "out_of_memory",
        "MemoryError\n at /Users/alice/x.py",
    )
    running = RunningTrial(4, {"kernel": "linear", "C": 0.01, "max_iter": 200})
    return History(problem).extended(finished=trials, failed=[failed], running=[running])


NASTY = [
    'a"b',
    "a'b",
    "{x}",
    "{{ x }}",
    "{% for %}",
    "a\\b",
    "line\nbreak",
    "tab\t",
    "ünï",
    "日本",
    "🙂",
    " ",
    "a b",
    "null",
]
names = st.one_of(st.sampled_from([n.strip() or "x y" for n in NASTY]), st.text(min_size=1, max_size=20))


def _acceptable(name: str) -> bool:
    try:
        tl.Float(name, 0, 1)
    except tl.TrialogueError:
        return False
    return True


@st.composite
def spaces(draw: st.DrawFn) -> tl.SearchSpace:
    """Draw a space with odd names, odd choices and conditions."""
    drawn = draw(st.lists(names.filter(_acceptable), min_size=1, max_size=6, unique=True))
    parameters: list = []
    for name in drawn:
        kind = draw(st.sampled_from(["float", "log", "int", "choice", "bool", "child"]))
        choices = [p for p in parameters if isinstance(p, tl.Categorical)]
        when = None
        if kind == "child" and choices:
            parent = draw(st.sampled_from(choices))
            when = {parent.name: [draw(st.sampled_from(parent.choices))]}
        if kind == "log":
            parameters.append(tl.Float(name, 1e-6, 1e3, log=True, when=when))
        elif kind == "int":
            parameters.append(tl.Int(name, -3, 40, when=when))
        elif kind == "choice":
            values = draw(
                st.lists(
                    st.one_of(st.sampled_from(NASTY), st.none(), st.integers(-5, 5)), min_size=2, unique=True
                )
            )
            parameters.append(tl.Categorical(name, values))
        elif kind == "bool":
            parameters.append(tl.Categorical(name, [True, False]))
        else:
            parameters.append(tl.Float(name, -1.0, 2.5, when=when))
    return tl.SearchSpace(parameters)
