"""Small simulators made up for training: a queue, a cache, a reactor, a control loop, a language-model run.

Each draws its own constants and returns a search space and a loss; ``inf`` is a failure (an unstable loop, a runaway, a
run that diverges). Parameters exist under conditions where the real ones do. Most names are unknown to
``prompts/knowledge``: these surfaces teach shapes, those of the language-model run names too. None of them is, or
resembles more than physics demands, a problem of ``benchmarks/``, which are held out.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from subjects import Params, Score

import trialogue as tl

F, I, C = tl.Float, tl.Int, tl.Categorical  # noqa: E741
Drawn = tuple[list[tl.Float | tl.Int | tl.Categorical], Score]


def queue(rng: np.random.Generator) -> Drawn:
    """Stations in a row, each with its own number of servers; batching and a limit on admission."""
    stations = int(rng.integers(1, 4))
    load, wage, patience = rng.uniform(2, 30), rng.uniform(0.02, 0.5), rng.uniform(0.2, 3)
    work = rng.uniform(0.3, 1.5, stations)
    setup = rng.uniform(0, 1.0)
    parameters = [
        I(f"servers_{i}", 1, int(rng.integers(20, 64)), log=bool(rng.random() < 0.5)) for i in range(stations)
    ]
    parameters += [I("batch", 1, 32, log=True), C("admission", ["open", "limited"])]
    parameters += [F("limit", 0.2, 1.0, when={"admission": ["limited"]}), F("speed", 0.5, 2.0)]

    def score(p: Params) -> float:
        batch, speed = p["batch"], p["speed"]
        rate = load * p.get("limit", 1.0)
        cost = (load - rate) * patience
        for i in range(stations):
            each = work[i] * (1 + setup / batch) / speed
            cost += waited(rate, each, p[f"servers_{i}"], batch) * rate / load
            cost += wage * p[f"servers_{i}"] * speed**1.5
        return float(cost + 0.5 * (batch - 1) / rate)

    return parameters, score


def waited(rate: float, each: float, servers: int, batch: int) -> float:
    """Return the mean time at one station: Sakasegawa's approximation, growing linearly beyond saturation."""
    use = rate * each / servers
    if use >= 0.98:
        return 20.0 + 200.0 * (use - 0.98)
    return each + each * use ** (np.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - use)) * (1 + 0.05 * batch)


def cache(rng: np.random.Generator) -> Drawn:
    """Two levels in front of a slow store: sizes, line, a policy, and a prefetcher with a depth where it is on."""
    skew, working = rng.uniform(0.4, 1.3), np.exp(rng.uniform(np.log(1e4), np.log(1e6)))
    run, price = rng.uniform(1, 40), rng.uniform(0.5, 5)
    slow, middle = rng.uniform(40, 400), rng.uniform(4, 15)
    gain = dict(zip(("lru", "lfu", "random"), rng.uniform(0.75, 1.0, 3), strict=True))
    parameters = [
        I("first_size", 64, 8192, log=True), I("second_size", 1024, 500_000, log=True), I("line", 1, 128, log=True),
        C("policy", list(gain)), C("prefetch", [True, False]), I("prefetch_depth", 1, 24, when={"prefetch": [True]}),
        F("write_share", 0.05, 0.9),
    ]  # fmt: skip

    def score(p: Params) -> float:
        line, ahead = p["line"], p.get("prefetch_depth", 0)
        useful = (1 - np.exp(-(line + ahead) / run)) * run / (line + ahead)  # of what is fetched
        hits = [
            min(1.0, (p[s] * gain[p["policy"]] * (0.4 + 0.6 * useful) / working) ** (1 / (1 + skew)))
            for s in ("first_size", "second_size")
        ]
        fetched = 1 + 0.02 * (line + ahead)
        late = 1 / min(run, 1 + 0.5 * line + ahead)
        time = (
            1
            + 0.15 * np.log2(p["first_size"])
            + (1 - hits[0]) * late * (middle + (1 - hits[1]) * slow * fetched)
        )
        flush = 3 * (p["write_share"] - 0.45) ** 2 * slow / 40
        return float(np.log(time + flush + price * (p["second_size"] / working) ** 0.7))

    return parameters, score


def reactor(rng: np.random.Generator) -> Drawn:
    """A batch: A + B -> P -> waste at Arrhenius rates, with or without a catalyst; it runs away when too hot."""
    barrier, worse = rng.uniform(40, 80), rng.uniform(5, 40)
    speed, waste = rng.uniform(0.02, 0.3), rng.uniform(0.002, 0.05)
    boost = {"none": 1.0, "acid": rng.uniform(2, 6), "metal": rng.uniform(2, 15)}
    price, hour = rng.uniform(0.1, 2.0), rng.uniform(0.01, 0.15)
    solvent = dict(zip(("water", "toluene", "ethanol"), rng.uniform(0.5, 1.5, 3), strict=True))
    heat = rng.uniform(50, 200)
    parameters = [
        F("temperature", 290.0, 420.0), F("hours", 0.2, 24.0, log=True), F("excess", 0.7, 3.0),
        C("catalyst", list(boost)), F("loading", 0.001, 0.1, log=True, when={"catalyst": ["acid", "metal"]}),
        C("solvent", list(solvent)), F("concentration", 0.1, 4.0),
    ]  # fmt: skip

    def score(p: Params) -> float:
        hot = 1 / 8.314e-3 * (1 / 340 - 1 / p["temperature"])
        loading = p.get("loading", 0.0)
        k1 = speed * np.exp(barrier * hot) * (1 + boost[p["catalyst"]] * loading * 50) * solvent[p["solvent"]]
        k2 = waste * np.exp((barrier + worse) * hot)
        if k1 * p["concentration"] * heat > 900:
            return np.inf
        a, b, made, dt = 1.0, p["excess"], 0.0, p["hours"] / 120
        for _ in range(120):
            step = min(a, b, k1 * a * b * p["concentration"] * dt)
            lost = made * min(1.0, k2 * dt)
            a, b, made = a - step, b - step, made + step - lost
        gain = made * p["concentration"] - price * (
            loading * 5 + 0.2 * max(0.0, p["excess"] - 1) * p["concentration"]
        )
        return float(-(gain - hour * p["hours"]) / (1 + 0.1 * p["concentration"]))

    return parameters, score


def control(rng: np.random.Generator) -> Drawn:
    """A loop around a second-order plant with delay: gains exist with the mode that uses them; it may be unstable."""
    gain, lag, damping = rng.uniform(0.5, 3), rng.uniform(0.3, 3), rng.uniform(0.2, 1.5)
    delay, noise = int(rng.integers(1, 12)), rng.uniform(0, 0.05)
    effort, seed = rng.uniform(0, 0.1), int(rng.integers(2**31))
    parameters = [
        F("kp", 0.01, 30.0, log=True), C("mode", ["p", "pi", "pid"]),
        F("ki", 0.001, 20.0, log=True, when={"mode": ["pi", "pid"]}), F("kd", 0.001, 10.0, log=True, when={"mode": ["pid"]}),
        F("filter", 0.0, 0.95), F("setpoint_weight", 0.0, 1.5),
    ]  # fmt: skip
    shake = np.random.default_rng(seed).normal(size=240) * noise

    def score(p: Params) -> float:
        y = v = total = seen = cost = 0.0
        pending, dt = [0.0] * delay, 0.05
        for t in range(240):
            before, seen = seen, p["filter"] * seen + (1 - p["filter"]) * (y + shake[t])
            total += (1 - seen) * dt
            u = (
                p["kp"] * (p["setpoint_weight"] - seen)
                + p.get("ki", 0.0) * total
                - p.get("kd", 0.0) * (seen - before) / dt
            )
            pending.append(float(np.clip(u, -20, 20)))
            v += dt * (gain * pending.pop(0) - y - 2 * damping * lag * v) / lag**2
            y += dt * v
            cost += abs(1 - y) * dt * (1 + 0.1 * t * dt) + effort * abs(u) * dt * 0.1
            if abs(y) > 1e3:
                return np.inf
        return float(np.log(cost))

    return parameters, score


def language_model(rng: np.random.Generator) -> Drawn:
    """A run at fixed compute: deeper leaves fewer tokens; the rates' optimum moves with batch and depth; it diverges."""
    compute, floor = rng.uniform(1.5, 6), rng.uniform(1.5, 3)
    best, mbest = rng.uniform(-7.5, -4.5), rng.uniform(-4.6, -3)
    calm, noise_scale = rng.uniform(0.6, 2.0), np.exp(rng.uniform(2.5, 5))
    decayed, dropped = rng.uniform(-3.5, -1.2), rng.uniform(0.0, 0.06)
    edge, betas = rng.uniform(1.2, 2.5), rng.uniform(0.9, 0.98)
    schedules = {
        "constant": rng.uniform(0.05, 0.2),
        "linear": rng.uniform(0, 0.04),
        "cosine": rng.uniform(0, 0.03),
    }
    parameters = [
        F("learning_rate", 1e-5, 0.03, log=True), C("optimizer", ["adamw", "muon"]),
        F("matrix_lr", 1e-3, 0.2, log=True, when={"optimizer": ["muon"]}),
        F("beta2", 0.85, 0.999, when={"optimizer": ["adamw"]}),
        F("weight_decay", 1e-3, 1.0, log=True), C("lr_scheduler_type", list(schedules)),
        F("warmup_ratio", 0.0, 0.4, when={"lr_scheduler_type": ["linear", "cosine"]}),
        I("batch_size", 8, 512, log=True), I("n_layer", 2, 32, log=True), F("dropout", 0.0, 0.4),
    ]  # fmt: skip

    def score(p: Params) -> float:
        layers, batch = p["n_layer"], p["batch_size"]
        warm = p.get("warmup_ratio", 0.02)
        off = np.log(p["learning_rate"]) - best - 0.5 * np.log(batch / 64) + 0.5 * np.log(layers / 8)
        if off > edge + 6 * warm + (1.0 if p["optimizer"] == "muon" else 0.0):
            return np.inf
        loss = (
            floor
            + 0.9 * (layers / 8) ** -0.35
            + 1.2 * (compute * 8 / layers / (1 + batch / noise_scale / 8)) ** -0.4
        )
        loss += calm * 0.08 * (np.log1p(np.exp(-off - 1)) + 0.5 * max(0.0, off) ** 2)
        loss += schedules[p["lr_scheduler_type"]] + 0.6 * (warm - 0.05) ** 2
        if p["optimizer"] == "muon":
            loss += 0.05 * (np.log(p["matrix_lr"]) - mbest) ** 2 / 2 - 0.08
        else:
            loss += 4 * (p.get("beta2", 0.95) - betas) ** 2
        loss += 0.02 * (np.log10(p["weight_decay"]) * 2.3 - decayed) ** 2 / 4
        return float(loss + 0.5 * (p["dropout"] - dropped) ** 2)

    return parameters, score


SIMULATORS: dict[str, Callable[[np.random.Generator], Drawn]] = {
    "queue": queue, "cache": cache, "reactor": reactor, "control": control, "language-model pretraining": language_model,
}  # fmt: skip


def simulated(rng: np.random.Generator, family: str, widest: int) -> tuple[tl.SearchSpace, Score]:
    """Return a space of up to ``widest`` of the simulator's parameters, and its loss; the others are held at random
    values. A parameter that others depend on stays in where they do."""
    parameters, whole = SIMULATORS[family](rng)
    size = int(rng.integers(2, min(widest, len(parameters)) + 1))
    order = [parameters[i] for i in rng.permutation(len(parameters))]
    kept = {p.name for p in order[:size]}
    kept |= {parent for p in order if p.name in kept for parent in p.when or {}}
    leaves = [
        p.name
        for p in order
        if p.name in kept and not any(p.name in (q.when or {}) for q in order if q.name in kept)
    ]
    kept -= set(leaves[: max(0, len(kept) - widest)])
    free = tl.SearchSpace([replace(p, when=None) for p in parameters])
    held = {name: value for name, value in free.sample(rng, 1)[0].items() if name not in kept}
    conditions = {p.name: dict(p.when) for p in parameters if p.when}

    def score(p: Params) -> float:
        full = {**held, **p}
        gone = [
            n for n, when in conditions.items() if any(full[q] not in values for q, values in when.items())
        ]
        return whole({name: value for name, value in full.items() if name not in gone})

    return tl.SearchSpace([p for p in parameters if p.name in kept]), score
