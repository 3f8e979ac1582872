"""Two objectives: the result is a Pareto front, the trials that no other beats in both."""

import trialogue as tl

space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)])
problem = tl.Problem("trade-off", space, [tl.Objective("cost"), tl.Objective("quality", "maximize")])
study = tl.Study(problem, seed=0)
study.run(lambda params: (params["x"] + params["y"] ** 2, params["x"] ** 0.5 + params["y"]), n_trials=16)
for trial in sorted(study.pareto_front, key=lambda trial: trial.values):
    print("cost {:.3f}  quality {:.3f}".format(*trial.values))
