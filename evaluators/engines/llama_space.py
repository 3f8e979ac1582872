"""The search space of ``llama-server``: its knobs that move speed, as far as the installed version has them.

Names and units are the server's. Flags and defaults are read from its own ``--help``, never from here; None is "not
given". Beyond the catalogue, every flag that the version has and every environment variable is accepted with choices of
one's own. Written against llama.cpp of 2026.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidSpecification
from ..spaces.parameters import Categorical
from ..spaces.space import SearchSpace

Value = bool | int | float | str | None
SLOTS = (1, 2, 4, 8)
"""Requests that are computed together; a slot has its part of the context."""
MOST_THREADS = 8
"""Beyond this, only all cores are tried."""
KV_TYPES = ("f16", "q8_0", "q4_0")
DRAFT = "draft-simple"
"""The kind of speculation that a draft model is for."""
PLUMBING = frozenset({"model", "host", "port", "alias", "ui", "ctx_size"})
"""Flags that the tuner sets itself."""
STRAIN = {"batch_size": 1, "ubatch_size": 1}
"""More of it asks for more memory."""


@dataclass(frozen=True, slots=True)
class LlamaKnob:
    """One knob. ``core``: tuned unless told otherwise; ``lossy``: may change what the model says."""

    name: str
    choices: tuple[Value, ...]
    description: str = ""
    unit: str = ""
    core: bool = True
    lossy: bool = False


KNOBS: tuple[LlamaKnob, ...] = (
    LlamaKnob("threads", (), "threads that generate"),
    LlamaKnob("threads_batch", (), "threads that read prompts"),
    LlamaKnob("parallel", SLOTS, "slots: requests at a time"),
    LlamaKnob("batch_size", (256, 512, 1024, 2048), "tokens of a batch", "tokens"),
    LlamaKnob("ubatch_size", (64, 128, 256, 512, 1024), "tokens that are computed at once", "tokens"),
    LlamaKnob("flash_attn", ("auto", "on", "off"), "attention without its whole matrix"),
    LlamaKnob(
        "spec_type", ("none", "ngram-simple", "ngram-map-k", "ngram-mod"),
        "guess the next tokens from what was said before, and check them together",
    ),
    LlamaKnob("cache_type_k", KV_TYPES, "numbers of the keys' cache", lossy=True),
    LlamaKnob("cache_type_v", KV_TYPES, "numbers of the values' cache", lossy=True),
    LlamaKnob("cache_ram", (0, 1024, 8192), "memory for prompts whose slot was given away", "MiB", core=False),
    LlamaKnob("kv_unified", (True, False), "one cache that all slots share", core=False),
    LlamaKnob("poll", (0, 50, 100), "how hard idle threads wait for work", core=False),
    LlamaKnob("spec_draft_n_max", (1, 2, 3, 5, 8), "tokens that are guessed at once", "tokens", core=False),
)  # fmt: skip
RELATIONS = ("ubatch_size <= batch_size", "cache_type_v == 'f16' or flash_attn != 'off'")


def llama_space(
    flags: Mapping[str, str],
    cores: int,
    *,
    knobs: Mapping[str, Sequence[Value]] | None = None,
    lossy: bool = False,
    draft_model: str | None = None,
    fixed: Mapping[str, Any] | None = None,  # Any: plain values
    say: Callable[[str], None] = lambda line: None,
) -> SearchSpace:
    """Return the space. ``flags``: the version's flags with their words of help; ``knobs``: just these, with own choices
    where there are any; ``fixed``: flags that hold for every configuration. Raises InvalidSpecification."""
    chosen = _asked(knobs, flags, lossy=lossy) if knobs else _core(flags, lossy=lossy, say=say)
    chosen = [_on(k, cores) for k in chosen if k.name not in (fixed or {})]
    parameters = [_parameter(k, flags.get(k.name, "")) for k in chosen]
    if draft_model is not None:
        parameters = _with_draft(parameters, draft_model, flags)
    parameters = [p for p in parameters if len(p.choices) > 1 or p.when]
    if not parameters:
        raise InvalidSpecification(
            "No knob has two values here; name some with `--knob`, such as threads=1,2."
        )
    names = {p.name for p in parameters}
    where = [r for r in RELATIONS if {w for w in re.findall(r"[a-z]+_[a-z_]+", r)} <= names]
    return SearchSpace(parameters, where=where)


def _core(flags: Mapping[str, str], *, lossy: bool, say: Callable[[str], None]) -> list[LlamaKnob]:
    wanted = [k for k in KNOBS if k.core and (lossy or not k.lossy)]
    missing = [k.name for k in wanted if k.name not in flags]
    if missing:
        say(f"left out, because this llama-server does not have it: {', '.join(missing)}")
    return [k for k in wanted if k.name in flags]


def _asked(knobs: Mapping[str, Sequence[Value]], flags: Mapping[str, str], *, lossy: bool) -> list[LlamaKnob]:
    catalogue = {k.name: k for k in KNOBS}
    chosen: list[LlamaKnob] = []
    for name, choices in knobs.items():
        if name in PLUMBING:
            raise InvalidSpecification(
                f"`--knob` must name what can be tuned, got {name!r}, which the tuner sets itself; `--fix ctx_size=N` gives "
                "another context."
            )
        if name not in flags and not name.isupper():
            close = difflib.get_close_matches(name, flags, 1)
            cure = f"did you mean {close[0]!r}?" if close else "`llama-server --help` lists its flags."
            raise InvalidSpecification(
                f"Unknown knob {name!r}: the installed llama-server does not know it; {cure}"
            )
        knob = catalogue.get(name, LlamaKnob(name, ()))
        if knob.lossy and not lossy:
            raise InvalidSpecification(
                f"A knob that may change answers needs `--lossy`, which guards them, got {name!r}."
            )
        if not choices and name not in catalogue:
            raise InvalidSpecification(
                f"The knob {name!r} needs choices, because none are catalogued; such as `--knob {name}=1,2`."
            )
        chosen.append(replace(knob, choices=tuple(choices) or knob.choices))
    return chosen


def _on(knob: LlamaKnob, cores: int) -> LlamaKnob:
    """Return the knob with the choices of a machine with so many cores, where it depends on them."""
    if knob.choices or not knob.name.startswith("threads"):
        return knob
    return replace(knob, choices=tuple(sorted({*range(1, min(cores, MOST_THREADS) + 1), cores})))


def _parameter(knob: LlamaKnob, words: str) -> Categorical:
    """Return the parameter; its default is the version's own where that is one of the choices, else "not given"."""
    if knob.name == "spec_type":
        known = set(re.split(r"[,\s]+", words))
        knob = replace(knob, choices=tuple(c for c in knob.choices if c in known or c is None))
    told = re.search(r"default: '?([\w.+-]+)", words)
    default = next(
        (c for c in knob.choices if c is not None and told is not None and str(c) == told[1]), None
    )
    listed = [c for c in knob.choices if c is not None]
    numeric = default is not None and all(
        isinstance(c, int | float) and not isinstance(c, bool) for c in listed
    )
    if default is None:
        return Categorical(
            knob.name, [None, *listed], default=None, description=knob.description, unit=knob.unit
        )
    listed = sorted(listed, key=lambda c: float(str(c))) if numeric else listed
    return Categorical(
        knob.name, listed, default=default, ordered=numeric, description=knob.description, unit=knob.unit
    )


def _with_draft(parameters: Sequence[Categorical], model: str, flags: Mapping[str, str]) -> list[Categorical]:
    """Return the parameters with a draft model as one more kind of speculation, and how many tokens it guesses."""
    if not {"spec_type", "spec_draft_model"} <= flags.keys() or DRAFT not in flags["spec_type"]:
        raise InvalidSpecification(
            "`--draft-model` needs a llama-server with --spec-type draft-simple; this one has none."
        )
    named = {p.name: p for p in parameters}
    kinds = named["spec_type"].choices if "spec_type" in named else ("none",)
    active = {"spec_type": [DRAFT]}
    depth = next(k for k in KNOBS if k.name == "spec_draft_n_max")
    others = [p for p in parameters if p.name not in ("spec_type", depth.name)]
    return [
        *others,
        Categorical("spec_type", [*kinds, DRAFT], default=kinds[0], description="kind of speculation"),
        Categorical("spec_draft_model", [model], when=active, description="small model that guesses"),
        Categorical(depth.name, depth.choices, when=active, ordered=True, description=depth.description),
    ]
