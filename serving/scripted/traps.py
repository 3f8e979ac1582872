"""More behaviours of scripted models: those that look useful and are not, or are for a while only.

A planner must come to no harm by any of them. Like all behaviours they read the HTTP request only; those with a
``Knowledge`` argument are told what they know.
"""

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from .behaviours import Knowledge, adversarial, answer, any_point, best_row, expert, jittered, uniform
from .server import Behaviour, ScriptedCall, ScriptedReply

_NEXT_POINT = re.compile(r"its own next point would be (\{.*?\})[ ;]")


def near_best(call: ScriptedCall) -> ScriptedReply:
    """Propose small random changes of the best trial, always: plausible, and never anything new."""
    best = best_row(call)
    if best is None:
        return uniform(call)
    return answer([jittered(call, best, call.rng(str(i)), 0.03) for i in range(call.wanted)])


def repeats_best(call: ScriptedCall) -> ScriptedReply:
    """Propose the best trial itself."""
    best = best_row(call)
    return uniform(call) if best is None else answer([best] * call.wanted)


def echo(call: ScriptedCall) -> ScriptedReply:
    """Propose the statistical model's own next point as it stands in the prompt: agreeable and useless."""
    match = _NEXT_POINT.search(call.text)
    if match is None:
        return uniform(call)
    point = json.loads(match.group(1))
    return answer([{name: point.get(name) for name in call.parameters}], confidence=1.0)


def centre(call: ScriptedCall) -> ScriptedReply:
    """Propose points close to the centre of every range and the first of all choices."""
    middle: dict[str, Any] = {}
    for name, p in call.parameters.items():
        low, high = p.get("minimum"), p.get("maximum")
        if low is None or high is None:
            middle[name] = any_point(call, random.Random(0))[name]
        else:
            middle[name] = type(low)(
                (low * high) ** 0.5 if low > 0 and high / low >= 100 else (low + high) / 2
            )
    return answer([jittered(call, middle, call.rng(str(i)), 0.02) for i in range(call.wanted)])


def turncoat(near_optimum: Knowledge, worst: Mapping[str, Any], *, until: int = 10) -> Behaviour:
    """Return an expert that turns adversarial when ``until`` trials stand in the prompt."""
    good, bad = expert(near_optimum), adversarial(worst)
    return lambda call: (good if len(call.rows) < until else bad)(call)


def alternating(near_optimum: Knowledge, worst: Mapping[str, Any]) -> Behaviour:
    """Return a model whose proposals are good and bad in turn."""

    def behave(call: ScriptedCall) -> ScriptedReply:
        rngs = [call.rng(str(i)) for i in range(call.wanted)]
        return answer(
            [near_optimum(rng) if i % 2 else jittered(call, worst, rng, 0.05) for i, rng in enumerate(rngs)]
        )

    return behave


def sandbagger(near_optimum: Knowledge, *, early: int = 8) -> Behaviour:
    """Return an expert that hides: anything at all until ``early`` trials stand in the prompt."""
    good = expert(near_optimum)
    return lambda call: (uniform if len(call.rows) < early else good)(call)


def outside(call: ScriptedCall) -> ScriptedReply:
    """Propose numbers half a range beyond their bounds."""
    beyond = {
        name: p["maximum"] + (p["maximum"] - p["minimum"]) / 2 if "maximum" in p else "none of them"
        for name, p in call.parameters.items()
    }
    return answer([beyond] * call.wanted)


def misnamed(call: ScriptedCall) -> ScriptedReply:
    """Propose good-looking points under names of its own."""
    return answer([{f"best_{name}": v for name, v in any_point(call, call.rng()).items()}])


def incomplete(call: ScriptedCall) -> ScriptedReply:
    """Propose points that always lack the first parameter."""
    points = [any_point(call, call.rng(str(i))) for i in range(call.wanted)]
    return answer([dict(list(p.items())[1:]) for p in points])
