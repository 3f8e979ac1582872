"""HEBO at its defaults. It knows neither failures nor limits (told the worst value so far) nor conditions (searches all)."""

from wire import Worst, serve


class Peer:
    def __init__(self, start):
        import numpy as np
        import pandas as pd
        import torch
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        np.random.seed(start["seed"])
        torch.manual_seed(start["seed"])
        self.np, self.pd, self.worst = np, pd, Worst()
        self.hebo = HEBO(
            DesignSpace().parse([_parameter(p) for p in start["parameters"]]), scramble_seed=start["seed"]
        )

    def ask(self):
        self.rows = self.hebo.suggest(n_suggestions=1)
        return {k: v.item() if hasattr(v, "item") else v for k, v in self.rows.iloc[0].to_dict().items()}

    def tell(self, told):
        value = told["value"] if told["feasible"] else None
        for rows, y in self.worst.settle(self.rows, value):
            self.hebo.observe(rows, self.np.array([[y]]))

    def fill(self, trials):
        rows = self.pd.DataFrame([p for p, _ in trials])[self.hebo.space.para_names]
        self.hebo.observe(rows, self.np.array([[y] for _, y in trials]))


def _parameter(p):
    if p["kind"] == "choice":
        return {"name": p["name"], "type": "cat", "categories": list(range(p["high"] + 1))}
    kind = {"float": ("num", "pow"), "int": ("int", "pow_int"), "ordered": ("int", "int")}[p["kind"]][
        p["log"]
    ]
    return {"name": p["name"], "type": kind, "lb": p["low"], "ub": p["high"]}


if __name__ == "__main__":
    serve(Peer)
