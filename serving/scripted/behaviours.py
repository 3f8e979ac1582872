"""Behaviours of scripted models: useful, useless and broken ones. Each reads the HTTP request only (see
``ScriptedCall``).

Expert and novice are given planted knowledge: a function that draws a configuration near the optimum. The others know
the schema and the history rows that stand in the prompt, and nothing else.
"""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .server import Behaviour, ScriptedCall, ScriptedReply

Knowledge = Callable[[random.Random], Mapping[str, Any]]
"""Draws a flat configuration (inactive parameters null)."""


def answer(
    proposals: Sequence[Mapping[str, Any]], *, confidence: float = 0.6, hypothesis: str = ""
) -> ScriptedReply:
    """Return a well-formed answer with these configurations."""
    items = [
        {
            "params": dict(p),
            "hypothesis": hypothesis or "scripted",
            "expected": "better",
            "confidence": confidence,
        }
        for p in proposals
    ]
    return ScriptedReply(json.dumps({"proposals": items, "abstain": False}))


def expert(near_optimum: Knowledge) -> Behaviour:
    """Return a model that proposes points near the optimum, with the noise that ``near_optimum`` has."""
    return lambda call: answer([near_optimum(call.rng(str(i))) for i in range(call.wanted)], confidence=0.8)


def novice(near_optimum: Knowledge) -> Behaviour:
    """Return a model that proposes near the optimum half the time, and anything otherwise."""

    def behave(call: ScriptedCall) -> ScriptedReply:
        points = []
        for i in range(call.wanted):
            rng = call.rng(str(i))
            points.append(near_optimum(rng) if rng.random() < 0.5 else any_point(call, rng))
        return answer(points)

    return behave


def uniform(call: ScriptedCall) -> ScriptedReply:
    """Propose anything within the bounds."""
    return answer([any_point(call, call.rng(str(i))) for i in range(call.wanted)])


def stuck(call: ScriptedCall) -> ScriptedReply:
    """Propose one and the same point, always."""
    return answer([any_point(call, random.Random(0))] * call.wanted)


def adversarial(worst: Mapping[str, Any]) -> Behaviour:
    """Return a model that proposes the worst corner and points near it, always."""

    def behave(call: ScriptedCall) -> ScriptedReply:
        return answer([jittered(call, worst, call.rng(str(i)), 0.05) for i in range(call.wanted)])

    return behave


def liar(wrong: Knowledge) -> Behaviour:
    """Return a model that is always sure of a wrong region."""
    return lambda call: answer(
        [wrong(call.rng(str(i))) for i in range(call.wanted)],
        confidence=1.0,
        hypothesis="certainly the optimum",
    )


def garbage(call: ScriptedCall) -> ScriptedReply:
    """Answer with something unusable: prose, half an answer, wrong types, other JSON, or a megabyte."""
    rng = call.rng()
    point = any_point(call, rng)
    wrong_types = {name: {"value": [str(v)]} for name, v in point.items()}
    outside = {name: 1e300 for name in point} | {"unknown": None}
    kinds = [
        "I would try a smaller learning rate and see what happens.",
        answer([point]).text[: 40 + len(json.dumps(point)) // 2],
        json.dumps({"proposals": [{"params": wrong_types}], "abstain": "no"}),
        json.dumps({"proposals": [{"params": outside}]}),
        json.dumps({"proposals": [list(point.values())]}),
        json.dumps({"proposals": "none"}),
        json.dumps([1, 2, 3]),
        '{"proposals": [{"params": {' + '"x": {' * 5_000,
        "x" * 1_000_000,
        "",
        '{"proposals": [{"params": NaN}]}',
        "null",
    ]
    return ScriptedReply(rng.choice(kinds), finish_reason=rng.choice(["stop", "length"]))


def slow(delay_s: float) -> Behaviour:
    """Return a model that answers after ``delay_s``."""
    return lambda call: ScriptedReply(uniform(call).text, delay_s=delay_s)


class Flaky:
    """Wraps a behaviour: the first ``faults`` tries of every request fail (429, 500, dropped connection), then it
    answers."""

    def __init__(self, behaviour: Behaviour, faults: int = 3) -> None:
        self._behaviour, self._faults = behaviour, faults
        self._tries: dict[str, int] = {}

    def __call__(self, call: ScriptedCall) -> ScriptedReply:
        """Fail or answer, by how often this very request has come."""
        key = json.dumps(call.body, sort_keys=True)
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if tries <= self._faults:
            faults = [
                ScriptedReply(status=429, headers={"retry-after": "0"}),
                ScriptedReply(status=500),
                ScriptedReply(drop=True),
            ]
            return faults[(tries - 1) % 3]
        return self._behaviour(call)


def nearest_neighbour(call: ScriptedCall) -> ScriptedReply:
    """Read the rows: propose points around the best measured one, nearer to it the more is known."""
    best = best_row(call)
    if best is None:
        return uniform(call)
    width = 0.5 / math.sqrt(1 + sum(_score(call, row) is not None for row in call.rows))
    return answer([jittered(call, best, call.rng(str(i)), width) for i in range(call.wanted)])


def best_row(call: ScriptedCall) -> Mapping[str, Any] | None:
    """Return the configuration of the best measured row, or None."""
    scored = [(s, row["params"]) for row in call.rows if (s := _score(call, row)) is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def any_point(call: ScriptedCall, rng: random.Random) -> dict[str, Any]:
    """Return a configuration drawn uniformly within the schema's bounds and enums."""
    return {name: _draw(p, rng) for name, p in call.parameters.items()}


def _draw(p: Mapping[str, Any], rng: random.Random) -> Any:
    if "enum" in p:
        return rng.choice([c for c in p["enum"] if c is not None] or [None])
    if "minimum" not in p:
        return "x"
    if _is_integer(p):
        return rng.randint(p["minimum"], p["maximum"])
    return _log_or_linear(p, rng.random())


def _log_or_linear(p: Mapping[str, Any], u: float) -> float:
    """Return the value at ``u``; a range over two decades or more is taken as logarithmic, as a reader would guess."""
    low, high = p["minimum"], p["maximum"]
    if low > 0 and high / low >= 100:
        return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return low + u * (high - low)


def jittered(
    call: ScriptedCall, point: Mapping[str, Any], rng: random.Random, width: float
) -> dict[str, Any]:
    """Return a configuration around ``point``: numbers moved by ``width`` of their range, choices now and then
    redrawn."""
    configuration = {}
    for name, p in call.parameters.items():
        value = point.get(name)
        if value is None or "minimum" not in p:
            configuration[name] = _draw(p, rng) if value is None or rng.random() < width / 2 else value
            continue
        low, high = p["minimum"], p["maximum"]
        log = low > 0 and high / low >= 100
        u = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
        configuration[name] = _log_or_linear(p, min(1.0, max(0.0, u + rng.gauss(0, width))))
        if _is_integer(p):
            configuration[name] = round(configuration[name])
    return configuration


def _is_integer(p: Mapping[str, Any]) -> bool:
    return "integer" in (p["type"] if isinstance(p["type"], list) else [p["type"]])


def _score(call: ScriptedCall, row: Mapping[str, Any]) -> float | None:
    """Return the first objective's value of a row, larger is better, as the prompt's words say."""
    values = row.get("values")
    if not isinstance(values, dict) or not values:
        return None
    name, value = next(iter(values.items()))
    return -value if f'minimize "{name}"' in call.text else value


def in_context_learner(call: ScriptedCall) -> ScriptedReply:
    """Answer LLAMBO's questions from the rows: scores and classes by nearest neighbours, candidates around the best
    row."""
    query = call.rows[-1]["params"] if call.rows else {}
    scored = [(r["params"], r["score"]) for r in call.rows if "score" in r]
    labelled = [(r["params"], r["best"]) for r in call.rows if "best" in r]
    if scored:
        noise = call.rng().gauss(0, 1.0)
        return ScriptedReply(json.dumps({"score": round(_weighted(scored, query) + noise, 2)}))
    if labelled:
        p = min(0.98, max(0.02, _weighted(labelled, query)))
        top = [{"token": t, "logprob": math.log(q)} for t, q in (("1", p), ("0", 1 - p))]
        digit = "1" if p >= 0.5 else "0"
        token = {"token": digit, "logprob": math.log(max(p, 1 - p)), "top_logprobs": top}
        return ScriptedReply(digit, logprobs=[token] if call.body.get("logprobs") else None)
    return nearest_neighbour(call)


def _weighted(rows: Sequence[tuple[Mapping[str, Any], float]], query: Mapping[str, Any]) -> float:
    """Return the mean of the rows' values, weighted by nearness to ``query`` in the rows' own ranges."""
    ranges = {}
    for name in query:
        numbers = [_number(p.get(name)) for p, _ in rows]
        ranges[name] = (max(numbers) - min(numbers)) or 1.0
    total = value = 0.0
    for params, y in rows:
        d2 = sum(((_number(params.get(n)) - _number(query[n])) / ranges[n]) ** 2 for n in query)
        weight = math.exp(-8 * d2) + 1e-9
        total, value = total + weight, value + weight * y
    return value / total


def _number(value: Any) -> float:
    """Return a number for any value: logarithms of small positive numbers, 0 or 1 for text by its first letter."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return float(len(str(value)) % 7)
    return math.log10(value) if 0 < value < 0.1 else float(value)
