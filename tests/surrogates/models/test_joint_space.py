import numpy as np

import trialogue as tl
from trialogue.surrogates.models.joint_space import JointSpace, is_near

HERE = tl.SearchSpace(
    [
        tl.Float("x", 1e-3, 1, log=True),
        tl.Categorical("m", ["a", "b"]),
        tl.Categorical("batch", [8, 16, 32], ordered=True),
    ]
)
THERE = tl.SearchSpace(
    [tl.Float("x", 0.01, 10), tl.Categorical("m", ["c", "b"]), tl.Int("batch", 8, 64), tl.Int("k", 1, 5)]
)
ROWS = [{"x": 10.0, "m": "c", "batch": 24, "k": 2}, {"x": 0.1, "m": "b", "batch": 16, "k": 5}]


def test_values_stand_where_this_study_has_them():
    joint = JointSpace.of(HERE, [(THERE, ROWS)])
    X, active = joint.placed(ROWS)
    assert active.all()
    assert X[:, 0].round(6).tolist() == [1.333333, 0.666667]  # a decade beyond this range, and within it
    assert X[:, 1].tolist() == [(2 + 0.5) / 3, (1 + 0.5) / 3]  # a, b and then c
    assert X[:, 2].round(6).tolist() == [round((1 + 0.5 + 0.5) / 3, 6), 0.5]
    assert joint.conditional.tolist() == [False, False, False, True]


def test_this_study_and_another_agree_where_they_mean_the_same():
    joint = JointSpace.of(HERE, [(THERE, ROWS)])
    here = joint.of_this(*HERE.encode([{"x": 0.1, "m": "b", "batch": 16}]))
    there = joint.of_earlier(ROWS[1:])
    assert np.allclose(here[:, :-2], there[:, :-2])
    assert not here[:, -2:].any()  # this study has no k


def test_what_an_earlier_study_lacks_is_absent_there():
    space = tl.SearchSpace([tl.Float("x", 1e-3, 1, log=True)])
    joint = JointSpace.of(HERE, [(space, [{"x": 0.1}])])
    assert joint.conditional.tolist() == [False, True, True]
    _, active = joint.placed([{"x": 0.1}])
    assert active.tolist() == [[True, False, False]]


def test_far_trials_are_not_near():
    assert is_near(HERE, {"x": 10.0, "m": "z"})
    assert not is_near(HERE, {"x": 1000.0})
