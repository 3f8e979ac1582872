"""Ax's Client at its defaults. A failed trial is abandoned (not asked again); limits are outcome constraints.

Conditions are told as dependent parameters where they form a tree; elsewhere all parameters are searched at all times.
"""

import logging

from wire import serve


class Peer:
    def __init__(self, start):
        from ax.api.client import Client

        logging.disable(logging.WARNING)
        self.client = Client(random_seed=start["seed"])
        tree = all(
            len(p["when"]) <= 1 and all(len(v) == 1 for _, v in p["when"]) for p in start["parameters"]
        )
        dependents = {}
        for p in start["parameters"] if tree else []:
            for parent, values in p["when"]:
                dependents.setdefault(parent, {}).setdefault(values[0], []).append(p["name"])
        self.client.configure_experiment(parameters=[_parameter(p, dependents) for p in start["parameters"]])
        limits = [f"limit_{c['name']} <= {c['upper']}" for c in start["limits"] if c["upper"] is not None]
        self.client.configure_optimization(objective="-objective", outcome_constraints=limits)

    def ask(self):
        self.index, params = next(iter(self.client.get_next_trials(max_trials=1).items()))
        return dict(params)

    def tell(self, told):
        if told["value"] is None:
            self.client.mark_trial_abandoned(self.index)
        else:
            limits = {
                f"limit_{name}": value for name, value in told["constraints"].items()
            }  # names sympy leaves alone
            self.client.complete_trial(self.index, raw_data={"objective": told["value"], **limits})

    def fill(self, trials):
        for params, value in trials:
            self.client.complete_trial(self.client.attach_trial(params), raw_data={"objective": value})


def _parameter(p, dependents):
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    if p["kind"] in ("choice", "ordered"):
        return ChoiceParameterConfig(
            name=p["name"], values=list(range(p["high"] + 1)), parameter_type="int", is_ordered=p["kind"] == "ordered",
            dependent_parameters=dependents.get(p["name"]),
        )  # fmt: skip
    scaling = "log" if p["log"] else "linear"
    return RangeParameterConfig(
        name=p["name"], bounds=(p["low"], p["high"]), parameter_type=p["kind"], scaling=scaling
    )


if __name__ == "__main__":
    serve(Peer)
