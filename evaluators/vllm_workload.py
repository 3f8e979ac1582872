"""Traffic for a served model: which requests, and when they arrive.

A workload is a value; ``write`` turns it into a file of rows that the load client reads: ``input_len``, ``output_len``,
``prefix`` and ``prefix_len`` (tokens that rows of that prefix share), ``prompt`` (instead of drawn tokens), ``at_s``.
Written as text: ``chat``, ``prefix``, ``random:input=256,output=64,prompts=128,concurrency=64``, ``file.jsonl`` (rows
as above, or ShareGPT-style conversations), a mixture as ``0.7*random:…+0.3*random:…``.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InvalidSpecification

CHARACTERS_PER_TOKEN = 4  # of a recorded answer whose tokens were not counted


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token counts: uniform in [low, high], or lognormal with median ``low`` and ``sigma``, cut at ``high``."""

    low: int
    high: int
    sigma: float = 0.0

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n lengths, each at least 1."""
        if self.sigma:
            return np.clip(
                np.rint(self.low * np.exp(self.sigma * rng.standard_normal(n))), 1, self.high
            ).astype(int)
        return rng.integers(self.low, self.high, n, endpoint=True)

    @classmethod
    def parse(cls, text: str) -> "Lengths":
        """Return ``256``, ``100-400`` (uniform) or ``256~0.5-2048`` (lognormal: median, sigma, cut)."""
        try:
            if "~" in text:
                median, _, rest = text.partition("~")
                sigma, _, cut = rest.partition("-")
                return cls(int(median), int(cut or 8 * int(median)), float(sigma))
            low, _, high = text.partition("-")
            return cls(int(low), int(high or low))
        except ValueError:
            raise InvalidSpecification(
                f"A length must be like 256, 100-400 or 256~0.5-2048, got {text!r}."
            ) from None


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of request of a mixture. ``shared``: tokens of a prefix that ``prefixes`` groups have in common."""

    input: Lengths
    output: Lengths
    shared: int = 0
    prefixes: int = 1
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests and arrivals. Closed loop: ``concurrency`` at once. Open loop: ``rate`` per second, ``burstiness`` 1 is
    Poisson and less is burstier. ``recorded``: at the times in the file. ``warm_up``: requests sent and not counted."""

    name: str
    parts: tuple[Part, ...] = ()
    prompts: int = 128
    concurrency: int | None = None
    rate: float | None = None
    burstiness: float = 1.0
    recorded: bool = False
    file: str = ""
    warm_up: int = 32
    seed: int = 0

    def rows(self) -> list[dict[str, Any]]:  # Any: JSON
        """Return the requests, in the order in which they are sent."""
        if self.file:
            return _recorded_rows(Path(self.file), self.prompts)
        rng = np.random.default_rng([self.seed, 7])
        weights = np.array([p.weight for p in self.parts])
        chosen = rng.choice(len(self.parts), self.prompts, p=weights / weights.sum())
        rows: list[dict[str, Any]] = []
        for i, part in zip(chosen, (self.parts[i] for i in chosen), strict=True):
            row = {
                "input_len": int(part.input.draw(rng, 1)[0]),
                "output_len": int(part.output.draw(rng, 1)[0]),
            }
            if part.shared:
                row |= {"prefix": int(i) * 1000 + int(rng.integers(part.prefixes)), "prefix_len": part.shared}
            rows.append(row)
        return rows

    def write(self, path: Path, *, fraction: float = 1.0) -> Path:
        """Write the first ``fraction`` of the rows (at least as many as run at once) and return the path."""
        rows = self.rows()
        n = max(round(len(rows) * fraction), min(self.concurrency or 8, len(rows)))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows[:n]))
        return path

    def warming(self) -> "Workload":
        """Return the short workload that is run and thrown away before a measurement."""
        short = tuple(replace(p, output=Lengths(4, 16)) for p in self.parts)
        return replace(self, parts=short, prompts=self.warm_up, rate=None, recorded=False, seed=self.seed + 1)

    @property
    def longest(self) -> int:
        """Tokens of the longest request that can occur, prompt and answer."""
        if self.file:
            return max(r.get("prefix_len", 0) + r["input_len"] + r["output_len"] for r in self.rows())
        return max(p.shared + p.input.high + p.output.high for p in self.parts)

    @property
    def digest(self) -> str:
        """A short hash of what is sent and when: equal workloads can be compared."""
        arrivals = [self.concurrency, self.rate, self.burstiness, self.recorded]
        return hashlib.sha256(json.dumps([self.rows(), arrivals]).encode()).hexdigest()[:12]

    @classmethod
    def parse(cls, text: str) -> "Workload":
        """Return the workload written as text (see the module); raises InvalidSpecification."""
        head, _, settings = text.partition("@")
        common = _settings(settings)
        if head.partition(":")[0].endswith((".jsonl", ".json")):
            path, _, rest = head.partition(":")
            if not Path(path).is_file():
                raise InvalidSpecification(f"`--workload` must name an existing file, got {path!r}.")
            return _arrivals(cls(Path(path).stem, file=path, prompts=10_000), {**_settings(rest), **common})
        parts: list[Part] = []
        for piece in head.split("+"):
            weight, star, rest = piece.partition("*")
            kind, _, inner = (rest if star else piece).partition(":")
            own = {**_preset(kind), **_settings(inner)}
            common = {**{k: own.pop(k) for k in tuple(own) if k in _ARRIVALS}, **common}
            parts.append(_part(own, float(weight) if star else 1.0))
        return _arrivals(cls(text, tuple(parts)), common)


_ARRIVALS = ("prompts", "concurrency", "rate", "burstiness", "warm_up", "seed", "recorded")
_PRESETS: Mapping[str, str] = {
    "chat": "input=256,output=64,prompts=128,concurrency=64",
    "prefix": "shared=960,input=64,output=16,prompts=96,concurrency=32",
    "random": "input=256,output=64",
}


def _preset(kind: str) -> dict[str, str]:
    if kind not in _PRESETS:
        raise InvalidSpecification(
            f"`--workload` must be one of {', '.join(_PRESETS)}, a mixture of them, or a .jsonl file, got {kind!r}."
        )
    return _settings(_PRESETS[kind])


def _settings(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",") if item]
    wrong = [key for key, sign, value in pairs if not sign or not value]
    if wrong:
        raise InvalidSpecification(
            f"Settings of a workload must be like `input=256,output=64`, got {wrong[0]!r}."
        )
    return {key.strip(): value.strip() for key, _, value in pairs}


def _part(own: dict[str, str], weight: float) -> Part:
    unknown = set(own) - {"input", "output", "shared", "prefixes"}
    if unknown:
        known = ", ".join(("input", "output", "shared", "prefixes", *_ARRIVALS))
        raise InvalidSpecification(f"Unknown setting {sorted(unknown)[0]!r} of a workload; known: {known}.")
    lengths = Lengths.parse(own["input"]), Lengths.parse(own["output"])
    return Part(*lengths, int(own.get("shared", 0)), int(own.get("prefixes", 1)), weight)


def _arrivals(workload: Workload, own: Mapping[str, str]) -> Workload:
    kinds = {"rate": float, "burstiness": float, "recorded": lambda v: v in ("1", "true", "yes")}
    unknown = set(own) - set(_ARRIVALS)
    if unknown:
        raise InvalidSpecification(f"Unknown setting {sorted(unknown)[0]!r}; known: {', '.join(_ARRIVALS)}.")
    return replace(workload, **{key: kinds.get(key, int)(value) for key, value in own.items()})


def _recorded_rows(path: Path, limit: int) -> list[dict[str, Any]]:  # Any: JSON
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [_row(json.loads(line)) for line in lines[:limit] if line.strip()]
    if not rows:
        raise InvalidSpecification(f"{str(path)!r} has no requests; it needs one JSON object per line.")
    return rows


def _row(given: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    """Return a row of ours from a row of ours, or from a conversation in ShareGPT's form."""
    if "output_len" in given and ("input_len" in given or "prompt" in given):
        return {"input_len": len(str(given.get("prompt", ""))) // CHARACTERS_PER_TOKEN, **given}
    turns: Sequence[Any] = given.get("conversations") or given.get("messages") or ()
    texts = [str(t.get("value") or t.get("content") or "") for t in turns]
    if len(texts) < 2:
        raise InvalidSpecification(
            f"A recorded request needs `output_len` and `input_len` or `prompt`, or a conversation, got {given!r}."
        )
    output = max(len(texts[1]) // CHARACTERS_PER_TOKEN, 1)
    return {"prompt": texts[0], "input_len": len(texts[0]) // CHARACTERS_PER_TOKEN, "output_len": output}
