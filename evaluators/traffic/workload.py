"""Traffic for a served model: which requests, and when they arrive.

A workload is a value; ``write`` turns it into a file of rows that the load client reads: ``input_len``, ``output_len``,
``prefix`` and ``prefix_len`` (tokens that rows of that prefix share), ``blocks`` and ``block_len`` (what a prompt is made
of; equal blocks are equal tokens), ``prompt`` (instead of drawn tokens), ``at_s``. Written as text: ``chat``, ``prefix``,
``random:input=256,output=64,prompts=128,concurrency=64``, a file (rows as above, ShareGPT-style conversations, Azure's or
Mooncake's traces) such as ``trace.jsonl@recorded=true,speed=2``, a mixture as ``0.7*random:…+0.3*random:…``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidSpecification
from .numbers import MOST_TOKENS, in_range, number, yes
from .recorded_requests import AT_ONCE, SUFFIXES, recorded_rows
from .replay import TraceReplay

MOST_PROMPTS = 1_000_000
WARM_UP = 32
_SEEDS = 2**32  # of numpy's older generator, which the load client uses


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token counts: uniform in [low, high], or lognormal with median ``low`` and ``sigma``, cut at ``high``."""

    low: int
    high: int
    sigma: float = 0.0

    def __post_init__(self) -> None:
        """Refuse lengths below 1, and ranges that end before they begin."""
        in_range("length", self.low, 1, MOST_TOKENS, "such as input=256")
        in_range(
            "end of a length", self.high, self.low, MOST_TOKENS, "write the smaller number first: 100-400"
        )
        in_range("sigma", self.sigma, 0, 5, "such as input=256~0.5-2048")

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
                numbers = int(median), int(cut or 8 * int(median)), float(sigma)
            else:
                low, _, high = text.partition("-")
                numbers = int(low), int(high or low), 0.0
        except ValueError:
            raise InvalidSpecification(
                f"A length must be like 256, 100-400 or 256~0.5-2048, got {text!r}."
            ) from None
        if "~" in text:
            in_range("sigma", numbers[2], 0, 5, "such as input=256~0.5-2048", above=True)
        return cls(*numbers)


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of request of a mixture. ``shared``: tokens of a prefix that ``prefixes`` groups have in common."""

    input: Lengths
    output: Lengths
    shared: int = 0
    prefixes: int = 1
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a share that is nothing, and prefixes that are not there."""
        in_range("shared", self.shared, 0, MOST_TOKENS, "such as shared=960")
        in_range("prefixes", self.prefixes, 1, MOST_PROMPTS, "leave it out for one prefix")
        in_range("weight", self.weight, 0, 1e6, "such as 0.7*chat+0.3*prefix", above=True)


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests and arrivals. Closed loop: ``concurrency`` at once. Open loop: ``rate`` per second, ``burstiness`` 1 is
    Poisson and less is burstier. ``recorded``: at the times in the file. ``warm_up``: requests sent and not counted;
    None: two for every one at once, ``WARM_UP`` at most."""

    name: str
    parts: tuple[Part, ...] = ()
    prompts: int = 128
    concurrency: int | None = None
    rate: float | None = None
    burstiness: float = 1.0
    recorded: bool = False
    file: str = ""
    warm_up: int | None = None
    seed: int = 0
    replay: TraceReplay = field(default_factory=TraceReplay)

    def __post_init__(self) -> None:
        """Refuse numbers that no load can have, and arrivals that contradict each other."""
        in_range("prompts", self.prompts, 1, MOST_PROMPTS, "such as prompts=128")
        if self.warm_up is not None:
            in_range("warm_up", self.warm_up, 1, MOST_PROMPTS, "such as warm_up=32")
        in_range("seed", self.seed, 0, _SEEDS - 1, "such as seed=1")
        in_range("burstiness", self.burstiness, 0, 1e6, "1 is Poisson, less is burstier", above=True)
        if self.concurrency is not None:
            in_range("concurrency", self.concurrency, 1, MOST_PROMPTS, "leave it out for no limit")
        if self.rate is not None:
            in_range(
                "rate", self.rate, 0, 1e6, "leave it out for as fast as the concurrency allows", above=True
            )
        if self.recorded and (self.rate is not None or not self.file):
            rival = f"rate={self.rate:g}" if self.rate is not None else "no file"
            raise InvalidSpecification(
                f"`recorded=true` takes the times from a file of requests, got {rival}; leave one of the two out."
            )
        if self.replay.timed and not self.recorded:
            raise InvalidSpecification(
                "`speed`, `start` and `span` must come with the recorded times, got `recorded=false`; add `recorded=true`."
            )

    def rows(self) -> list[dict[str, Any]]:  # Any: JSON
        """Return the requests, in the order in which they are sent."""
        if self.file:
            return recorded_rows(
                Path(self.file), self.prompts, timed=self.recorded, replay=self.replay,
                at_once=self.concurrency or AT_ONCE,
            )  # fmt: skip
        rng = np.random.default_rng([self.seed, 7])
        weights = np.array([p.weight for p in self.parts])
        picks = rng.choice(len(self.parts), self.prompts, p=weights / weights.sum())
        rows: list[dict[str, Any]] = []
        stride = max(1000, *(p.prefixes for p in self.parts))
        for i, part in zip(picks, (self.parts[i] for i in picks), strict=True):
            row = {
                "input_len": int(part.input.draw(rng, 1)[0]),
                "output_len": int(part.output.draw(rng, 1)[0]),
            }
            if part.shared:
                row |= {
                    "prefix": int(i) * stride + int(rng.integers(part.prefixes)),
                    "prefix_len": part.shared,
                }
            rows.append(row)
        return rows

    def write(self, path: Path) -> Path:
        """Write the rows as JSON lines and return the path."""
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rows()))
        return path

    def warming(self) -> "Workload":
        """Return the short workload that is run and thrown away before a measurement."""
        short = tuple(replace(p, output=Lengths(4, 16)) for p in self.parts)
        usual = WARM_UP if self.concurrency is None else min(WARM_UP, 2 * self.concurrency)
        return replace(
            self, parts=short, prompts=self.warm_up or usual, rate=None, recorded=False, seed=(self.seed + 1) % _SEEDS,
            replay=replace(self.replay, speed=1.0, start_s=0.0, span_s=None),
        )  # fmt: skip

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
        path, settings = _file(text)
        if path:
            loaded = _loaded(cls(Path(path).stem, file=path, prompts=10_000), _settings(settings))
            loaded.rows()  # to refuse here what cannot be read
            return loaded
        head, _, settings = text.partition("@")
        common, parts = _settings(settings), list[Part]()
        for piece in head.split("+"):
            weight, star, rest = piece.partition("*")
            kind, _, inner = (rest if star else piece).partition(":")
            own = {**_preset(kind.strip()), **_settings(inner)}
            common = {**{k: own.pop(k) for k in tuple(own) if k in _ARRIVALS}, **common}
            parts.append(_part(own, number(float, "weight", weight) if star else 1.0))
        return _arrivals(cls(text, tuple(parts)), common)


_REPLAY: Mapping[str, tuple[str, Any]] = {  # Any: int, float or yes
    "speed": ("speed", float),
    "start": ("start_s", float),
    "span": ("span_s", float),
    "scale": ("scale", float),
    "max_input": ("max_input", int),
    "max_output": ("max_output", int),
    "block": ("block", int),
    "turns": ("turns", yes),
}
"""Settings of a file: the field of ``TraceReplay`` and what its text is."""
_ARRIVALS = ("prompts", "concurrency", "rate", "burstiness", "warm_up", "seed", "recorded")
_PRESETS: Mapping[str, str] = {
    "chat": "input=256,output=64,prompts=128,concurrency=64",
    "prefix": "shared=960,input=64,output=16,prompts=96,concurrency=32",
    "random": "input=256,output=64",
}


def _preset(kind: str) -> dict[str, str]:
    if kind not in _PRESETS:
        raise InvalidSpecification(
            f"`--workload` must be one of {', '.join(_PRESETS)}, with settings after a colon (chat:concurrency=8), a mixture "
            f"of them, or an unpacked {', '.join(SUFFIXES)} file, got {kind!r}."
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


def _file(text: str) -> tuple[str, str]:
    """Return the file that a text begins with, and the settings after it; two empty texts where it names none.

    The longest beginning that exists is the file, so its name may hold ``@`` and ``:``. Raises InvalidSpecification.
    """
    ends = [i for i, mark in enumerate(text) if mark in ":@"] + [len(text)]
    ends_of_name = [i for i in ends if text[:i].casefold().endswith(SUFFIXES)]
    for i in reversed(ends_of_name):
        if _is_file(text[:i]):
            return text[:i], text[i:].replace("@", ",").replace(":", ",")
    if ends_of_name:
        raise InvalidSpecification(
            f"`--workload` must name an existing file, got {text[: ends_of_name[0]]!r}; give its path from here, or one of "
            f"{', '.join(_PRESETS)}."
        )
    return "", ""


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # longer than a name may be
        return False


def _part(own: dict[str, str], weight: float) -> Part:
    unknown = set(own) - {"input", "output", "shared", "prefixes"}
    if unknown:
        names = ", ".join(("input", "output", "shared", "prefixes", *_ARRIVALS))
        raise InvalidSpecification(f"Unknown setting {min(unknown)!r} of a workload; known: {names}.")
    lengths = Lengths.parse(own["input"]), Lengths.parse(own["output"])
    shared, prefixes = (
        number(int, "shared", own.get("shared", "0")),
        number(int, "prefixes", own.get("prefixes", "1")),
    )
    return Part(*lengths, shared, prefixes, weight)


def _loaded(workload: Workload, own: Mapping[str, str]) -> Workload:
    """Return the workload of a file with its settings; ``recorded`` first, because others need it."""
    unknown = set(own) - {*_ARRIVALS, *_REPLAY}
    if unknown:
        names = ", ".join((*_ARRIVALS, *_REPLAY))
        raise InvalidSpecification(
            f"Unknown setting {min(unknown)!r} of a recorded workload; known: {names}."
        )
    arriving = _arrivals(workload, {k: v for k, v in own.items() if k in _ARRIVALS})
    replayed = {_REPLAY[k][0]: number(_REPLAY[k][1], k, v) for k, v in own.items() if k in _REPLAY}
    return replace(arriving, replay=TraceReplay(**replayed))


def _arrivals(workload: Workload, own: Mapping[str, str]) -> Workload:
    unknown = set(own) - set(_ARRIVALS)
    if unknown:
        raise InvalidSpecification(f"Unknown setting {min(unknown)!r}; known: {', '.join(_ARRIVALS)}.")
    kinds = {"rate": float, "burstiness": float, "recorded": yes}
    return replace(workload, **{key: number(kinds.get(key, int), key, value) for key, value in own.items()})
