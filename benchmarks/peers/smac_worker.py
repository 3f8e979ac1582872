"""SMAC's facade for hyperparameters at its defaults, told that the objective is deterministic. Conditions are its own.

A failure is CRASHED at the worst value so far; it knows no limits, so a trial that breaks one is told the worst value too.
"""

import tempfile
from pathlib import Path

from wire import Worst, serve


class Peer:
    def __init__(self, start):
        from smac import HyperparameterOptimizationFacade as Facade, Scenario

        self.worst, self.folder = Worst(), tempfile.TemporaryDirectory()
        self.space = _space(start)
        scenario = Scenario(self.space, deterministic=True, n_trials=start["trials"], seed=start["seed"],
                            output_directory=Path(self.folder.name))  # fmt: skip
        self.smac = Facade(
            scenario,
            lambda config, seed=0: 0.0,
            intensifier=Facade.get_intensifier(scenario, max_config_calls=1),
            logging_level=False,
            overwrite=True,
        )

    def ask(self):
        self.info = self.smac.ask()
        return {k: v.item() if hasattr(v, "item") else v for k, v in dict(self.info.config).items()}

    def tell(self, told):
        from smac.runhistory import StatusType, TrialValue

        failed = told["value"] is None
        for (info, crashed), y in self.worst.settle(
            (self.info, failed), told["value"] if told["feasible"] else None
        ):
            status = StatusType.CRASHED if crashed else StatusType.SUCCESS
            self.smac.tell(info, TrialValue(cost=y, status=status), save=False)

    def fill(self, trials):
        from ConfigSpace import Configuration
        from smac.runhistory import TrialInfo, TrialValue

        for params, value in trials:
            info = TrialInfo(Configuration(self.space, values=params), seed=0)
            self.smac.tell(info, TrialValue(cost=value), save=False)


def _space(start):
    import ConfigSpace as cs

    space = cs.ConfigurationSpace(seed=start["seed"])
    for p in start["parameters"]:
        values = list(range(int(p["high"]) + 1))
        space.add(
            {
                "choice": lambda: cs.CategoricalHyperparameter(p["name"], values),  # noqa: B023
                "ordered": lambda: cs.OrdinalHyperparameter(p["name"], values),  # noqa: B023
                "int": lambda: cs.UniformIntegerHyperparameter(p["name"], p["low"], p["high"], log=p["log"]),  # noqa: B023
                "float": lambda: cs.UniformFloatHyperparameter(p["name"], p["low"], p["high"], log=p["log"]),  # noqa: B023
            }[p["kind"]]()
        )
    for p in start["parameters"]:
        conditions = [cs.InCondition(space[p["name"]], space[parent], values) for parent, values in p["when"]]
        if conditions:
            space.add(conditions[0] if len(conditions) == 1 else cs.AndConjunction(*conditions))
    return space


if __name__ == "__main__":
    serve(Peer)
