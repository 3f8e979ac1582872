"""Nevergrad's NGOpt. A failure is told the worst value so far, limits as constraint violations; all parameters are searched."""

from wire import Worst, serve


class Peer:
    def __init__(self, start):
        import nevergrad as ng

        parameters = {p["name"]: _parameter(ng, p) for p in start["parameters"]}
        space = ng.p.Dict(**parameters)
        space.random_state.seed(start["seed"])
        self.limits, self.worst = start["limits"], Worst()
        self.optimizer = ng.optimizers.NGOpt(parametrization=space, budget=start["trials"])

    def ask(self):
        self.candidate = self.optimizer.ask()
        return {k: v.item() if hasattr(v, "item") else v for k, v in self.candidate.value.items()}

    def tell(self, told):
        measured = told["constraints"]
        bounded = [c for c in self.limits if c["upper"] is not None and measured]
        excess = [max(0.0, measured[c["name"]] - c["upper"]) for c in bounded]
        for (candidate, over), y in self.worst.settle((self.candidate, excess or None), told["value"]):
            self.optimizer.tell(candidate, y, constraint_violation=over)

    def fill(self, trials):
        for params, value in trials:
            self.optimizer.tell(self.optimizer.parametrization.spawn_child(new_value=params), value)


def _parameter(ng, p):
    if p["kind"] in ("choice", "ordered"):
        make = ng.p.Choice if p["kind"] == "choice" else ng.p.TransitionChoice
        return make(list(range(p["high"] + 1)))
    scalar = (ng.p.Log if p["log"] else ng.p.Scalar)(lower=p["low"], upper=p["high"])
    return scalar.set_integer_casting() if p["kind"] == "int" else scalar


if __name__ == "__main__":
    serve(Peer)
