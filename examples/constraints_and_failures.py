"""Outcome constraints and failures: some configurations break a limit, some crash, and the study learns both."""

import trialogue as tl

space = tl.SearchSpace(
    [
        tl.Int("batch", 1, 256, log=True, default=16, description="requests in a batch"),
        tl.Float("memory", 0.5, 1.0, default=0.8, description="share of the memory to use"),
    ],
)
problem = tl.Problem(
    "server",
    space,
    [tl.Objective("throughput", "maximize", unit="req/s")],
    constraints=["latency_ms <= 200"],
)


def serve(params: dict) -> tl.Measurement:
    """Return what a made-up server does; it runs out of memory where a real one would."""
    if params["batch"] * params["memory"] > 150:
        raise MemoryError("out of memory: batch too large for this share")
    latency_ms = 20 + 1.5 * params["batch"]
    return tl.Measurement(
        params["batch"] / latency_ms * 1000 * params["memory"], constraints={"latency_ms": latency_ms}
    )


study = tl.Study(problem, seed=0)
study.run(serve, n_trials=20)
failed = [trial for trial in study.trials if trial.state == "failed"]
print(len(failed), "failed:", failed[0].failure.reason if failed else "none")
best = study.best_trial
print("best", best.value, dict(best.params), dict(best.measurement.constraints))
