"""A planner over HTTP, and what the check does with it: here the model is a script that answers as a server would."""

import json

import trialogue as tl
from trialogue.serving.scripted.server import ScriptedCall, ScriptedReply, ScriptedServer


def guess(call: ScriptedCall) -> ScriptedReply:
    """Answer with one good and one poor configuration."""
    proposals = [
        {"params": {"x": x}, "hypothesis": why, "expected": "low", "confidence": 0.7}
        for x, why in ((call.rng().uniform(0.2, 0.4), "near the optimum"), (0.99, "just a try"))
    ]
    return ScriptedReply(json.dumps({"proposals": proposals, "abstain": False}))


problem = tl.Problem("bowl", tl.SearchSpace([tl.Float("x", 0, 1)]), description="find the lowest point")
with ScriptedServer(guess) as server:
    study = tl.Study(problem, seed=0, planner=server.url)
    study.run(lambda params: (params["x"] - 0.3) ** 2, n_trials=12)
for trial in study.trials:
    print(f"{trial.number:>3} {trial.value:.5f} {trial.source:<20} {trial.verdict:<10} {trial.reason}")
