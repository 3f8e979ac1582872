"""Four trials at a time, in processes: any ``concurrent.futures.Executor`` will do."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import trialogue as tl


def evaluate(params: dict) -> float:
    """Return a bowl; stands for minutes of work."""
    return (params["x"] - 0.3) ** 2 + (params["y"] - 0.7) ** 2


if __name__ == "__main__":
    problem = tl.Problem("bowl", tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)]))
    with TemporaryDirectory() as folder, ProcessPoolExecutor(4) as executor:
        study = tl.Study(problem, storage=f"sqlite:///{Path(folder) / 'bowl.db'}", seed=0)
        end = study.run(evaluate, n_trials=16, executor=executor)
        print(end.trials, "trials; best", study.best_trial.value)
